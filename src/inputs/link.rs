//! The repository to link the package to.

use super::{RawInputs, Reader};
use crate::package::{Owner, RepositoryName, ServerUrl};
use crate::runner::Runner;
use crate::sanitize::Sanitized;

const INPUT: &str = "link-repository";

impl Reader {
    /// Reads `true` for the workflow's repository, a name, or nothing. The API links to repositories of the package's
    /// owner only (Gitea 1.24 and later, Forgejo 11 and later).
    #[expect(clippy::option_option, reason = "the inner option is the value: no link is requested")]
    pub(super) fn link_repository(
        &mut self,
        raw: &RawInputs,
        runner: &Runner,
        destination: Option<(&ServerUrl, &Owner)>,
    ) -> Option<Option<RepositoryName>> {
        let text = match raw.link_repository.as_deref().map(str::trim) {
            None | Some("false" | "False" | "FALSE") => return Some(None),
            Some("true" | "True" | "TRUE") => return self.workflows_repository(runner, destination?).map(Some),
            Some(text) => text,
        };
        let hint = "Set `link-repository` to the name of a repository of the package's owner, or to `true` for the \
                        workflow's repository";
        let name = match text.split_once('/') {
            None => text,
            Some((owner, name)) => {
                let (_, wanted) = destination?;
                if text.contains("://") || name.contains('/') {
                    self.problem(INPUT, Some(text), "is neither a name nor `owner/name`", hint);
                    return None;
                }
                if !owner.eq_ignore_ascii_case(wanted.as_str()) {
                    let problem = format!("does not belong to {wanted}, the owner of the package");
                    self.problem(INPUT, Some(text), problem, hint);
                    return None;
                }
                name
            }
        };
        self.bad_name(INPUT, RepositoryName::parse(name), hint).map(Some)
    }

    /// Returns the workflow's repository, if it is on the target server and belongs to the package's owner.
    fn workflows_repository(
        &mut self,
        runner: &Runner,
        (server, owner): (&ServerUrl, &Owner),
    ) -> Option<RepositoryName> {
        let hint = "Set `link-repository` to a repository of the package's owner on the target server, such as \
                        `link-repository: widget`";
        let (Some(workflow_server), Some(own), Some(name)) = (&runner.server_url, &runner.owner, &runner.repository)
        else {
            self.problem(INPUT, Some("true"), "means the workflow's repository, but there is none", hint);
            return None;
        };
        let repository = Sanitized::new(&format!("{own}/{name}"));
        if !server.matches(workflow_server) {
            let workflow_server = Sanitized::new(workflow_server);
            let problem = format!("means the workflow's repository, which is on {workflow_server}, not on {server}");
            self.problem(INPUT, Some("true"), problem, hint);
            return None;
        }
        if !own.eq_ignore_ascii_case(owner.as_str()) {
            let problem = format!("means the workflow's repository {repository}, but the package belongs to {owner}");
            self.problem(INPUT, Some("true"), problem, hint);
            return None;
        }
        self.bad_name(INPUT, RepositoryName::parse(name), hint)
    }
}
