//! The repository to link the package to.

use super::{InputError, Reader};
use crate::package::{Owner, RepositoryName, ServerUrl};
use crate::sanitize::Sanitized;

const INPUT: &str = "link-repository";

impl Reader<'_> {
    /// Reads `true` for the workflow's repository, a name, or nothing. The API links to repositories of the package's
    /// owner only (Gitea 1.24 and later, Forgejo 11 and later). A destination that is unknown is another input's problem.
    pub(super) fn link_repository(
        &self,
        destination: Option<(&ServerUrl, &Owner)>,
    ) -> Result<Option<RepositoryName>, InputError> {
        let text = match self.raw.get(INPUT) {
            None | Some("false" | "False" | "FALSE") => return Ok(None),
            Some("true" | "True" | "TRUE") => {
                return destination.map(|destination| self.workflows_repository(destination)).transpose();
            }
            Some(text) => text,
        };
        let hint = "Set `link-repository` to the name of a repository of the package's owner, or to `true` for the \
                    workflow's repository";
        let name = match (text.split_once('/'), destination) {
            (None, _) => text,
            (Some(_), None) => return Ok(None),
            (Some((_, name)), _) if text.contains("://") || name.contains('/') => {
                return Err(InputError::new(INPUT, Some(text), "is neither a name nor `owner/name`", hint));
            }
            (Some((owner, _)), Some((_, wanted))) if !owner.eq_ignore_ascii_case(wanted.as_str()) => {
                let problem = format!("does not belong to {wanted}, the owner of the package");
                return Err(InputError::new(INPUT, Some(text), problem, hint));
            }
            (Some((_, name)), _) => name,
        };
        RepositoryName::parse(name).map(Some).map_err(InputError::bad_name(INPUT, hint))
    }

    /// Returns the workflow's repository, if it is on the target server and belongs to the package's owner.
    fn workflows_repository(&self, (server, owner): (&ServerUrl, &Owner)) -> Result<RepositoryName, InputError> {
        let hint = "Set `link-repository` to a repository of the package's owner on the target server, such as \
                    `link-repository: widget`";
        let error = |problem| Err(InputError::new(INPUT, Some("true"), problem, hint));
        let runner = self.runner;
        let (Some(workflow_server), Some(own), Some(name)) = (&runner.server_url, &runner.owner, &runner.repository)
        else {
            return error("means the workflow's repository, but there is none".to_owned());
        };
        if !server.matches(workflow_server) {
            let workflow_server = Sanitized::new(workflow_server);
            return error(format!("means the workflow's repository, which is on {workflow_server}, not on {server}"));
        }
        if !own.eq_ignore_ascii_case(owner.as_str()) {
            let repository = Sanitized::new(&format!("{own}/{name}"));
            return error(format!("means the workflow's repository {repository}, but the package belongs to {owner}"));
        }
        RepositoryName::parse(name).map_err(InputError::bad_name(INPUT, hint))
    }
}
