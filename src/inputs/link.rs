//! Which repository the package is linked to.

use super::{RawInputs, Reader};
use crate::package::{Owner, RepositoryName, ServerUrl};
use crate::runner::Runner;
use crate::sanitize::Sanitized;

const INPUT: &str = "link-repository";

impl Reader {
    /// `true` for the workflow's repository, a name, or none. The API links to repositories of the package's owner
    /// alone (Gitea 1.24 and later, Forgejo 11 and later). Where the destination is not known, that is a problem
    /// already.
    #[expect(clippy::option_option, reason = "the inner one is the value: no repository is asked for")]
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
        let accepted = "Give the name of a repository of the package's owner, or `true` for the workflow's own";
        let name = match text.split_once('/') {
            None => text,
            Some((owner, name)) => {
                let (_, wanted) = destination?;
                if text.contains("://") || name.contains('/') {
                    self.problem(INPUT, Some(text), "is neither a name nor an owner and a name", accepted);
                    return None;
                }
                if !owner.eq_ignore_ascii_case(wanted.as_str()) {
                    let problem = format!("belongs to another owner than the package, which is {wanted}'s");
                    self.problem(INPUT, Some(text), problem, accepted);
                    return None;
                }
                name
            }
        };
        self.bad_name(INPUT, RepositoryName::parse(name), accepted).map(Some)
    }

    /// The workflow's repository, where it lies on the forge that is published to, and is the owner's. A repository of
    /// the same name on another forge may be anything.
    fn workflows_repository(
        &mut self,
        runner: &Runner,
        (server, owner): (&ServerUrl, &Owner),
    ) -> Option<RepositoryName> {
        let accepted = "Name a repository of the package's owner on the forge that is published to: \
                        `link-repository: widget`";
        let (Some(forge), Some(own), Some(name)) = (&runner.server_url, &runner.owner, &runner.repository) else {
            self.problem(INPUT, Some("true"), "means the workflow's repository, and there is none", accepted);
            return None;
        };
        let repository = Sanitized::new(&format!("{own}/{name}"));
        if !server.is_at(forge) {
            let forge = Sanitized::new(forge);
            let problem = format!("means the workflow's repository, which lies on {forge}, and not on {server}");
            self.problem(INPUT, Some("true"), problem, accepted);
            return None;
        }
        if !own.eq_ignore_ascii_case(owner.as_str()) {
            let problem = format!("means the workflow's repository {repository}, and the package is {owner}'s");
            self.problem(INPUT, Some("true"), problem, accepted);
            return None;
        }
        self.bad_name(INPUT, RepositoryName::parse(name), accepted)
    }
}
