//! Inputs that the action does not have. Each is an error or a part of one warning, so that none is ignored silently.

use super::InputError;
use super::raw::AUDIENCE;
use crate::command::Command;
use crate::sanitize::Sanitized;
use crate::suggest::suggest;

/// An input, and its names in other actions, in the spelling of [`normalized`].
struct Equivalent {
    ours: &'static str,
    /// Names that can only mean this input.
    certain: &'static [&'static str],
    /// Names that can also be inputs of a composite action, which some runners pass to every step in it.
    general: &'static [&'static str],
}

/// Inputs of actions that publish or download release files and artifacts: softprops/action-gh-release,
/// svenstaro/upload-release-action, ncipollo/release-action, shogo82148/actions-upload-release-asset,
/// alexellis/upload-assets, akkuman/gitea-release-action, Gitea's release-action, Forgejo's forgejo-release,
/// robinraju/release-downloader, dsaltares/fetch-gh-release-asset, actions/upload-artifact, actions/download-artifact;
/// and the parameters of the registry's API.
const EQUIVALENTS: &[Equivalent] = &[
    Equivalent {
        ours: "files",
        certain: &["assetname", "assetpath", "assetpaths", "fileglob", "filename"],
        general: &["artifact", "artifacts", "asset", "assets", "file", "path", "pattern", "releasedir"],
    },
    Equivalent {
        ours: "token",
        certain: &[],
        general: &["accesstoken", "apikey", "apitoken", "githubtoken", "password", "repotoken"],
    },
    Equivalent {
        ours: "server-url",
        certain: &["apiurl", "forgejourl", "giteaurl", "githubapiurl", "octokitbaseurl"],
        general: &["baseurl", "host", "server", "url"],
    },
    Equivalent { ours: "owner", certain: &["packageowner"], general: &["namespace", "org", "organization"] },
    Equivalent {
        ours: "repo",
        certain: &["packagename"],
        general: &["name", "package", "project", "reponame", "repopath", "repository"],
    },
    Equivalent {
        ours: "version",
        certain: &["packageversion", "tagname"],
        general: &["ref", "release", "releasename", "tag"],
    },
    Equivalent { ours: "username", certain: &[], general: &["login", "user"] },
    Equivalent { ours: "path", certain: &["outfilepath"], general: &["dest", "destination", "target"] },
    Equivalent {
        ours: "if-no-files-found",
        certain: &["artifacterrorsfailbuild", "failonunmatchedfiles"],
        general: &[],
    },
    Equivalent {
        ours: "if-file-exists",
        certain: &["overwritefiles", "replacesartifacts"],
        general: &["allowupdates", "checkduplicates", "override", "overwrite", "replace", "skipexisting"],
    },
    Equivalent {
        ours: "checksums",
        certain: &["checksumfile", "checksumsfile", "sha256sums"],
        general: &["checksum", "digest", "hash", "hashes", "md5sum", "sha256", "sha256sum"],
    },
    Equivalent { ours: "aliases", certain: &[], general: &["alias", "latest", "makelatest"] },
    Equivalent { ours: AUDIENCE, certain: &[], general: &["audience", "idtoken", "oidc"] },
];

/// The input that decides whether anything changes.
pub(super) const DRY_RUN: &str = "dry-run";

/// Names that the runner itself reads when it starts a container.
const RUNNERS_OWN: [&str; 2] = ["args", "entrypoint"];

/// The number of unknown inputs that a warning names.
const MOST_NAMED: usize = 20;

/// Checks the names of unknown inputs, in lower case, against the inputs that are set, and returns a warning about those that
/// are ignored.
pub(super) fn check_unknown(
    command: Command,
    unknown: &[String],
    is_set: impl Fn(&str) -> bool,
    problems: &mut Vec<InputError>,
) -> Option<String> {
    let mut ignored = Vec::new();
    for name in unknown.iter().filter(|name| !RUNNERS_OWN.contains(&name.as_str())) {
        let shown = Sanitized::new(name);
        match meaning(command, &normalized(name)) {
            Some((ours, is_certain)) if (is_certain || must_not_be_ignored(command, ours)) && !is_set(ours) => {
                let problem = format!("is not set, but the unknown input `{shown}` is");
                let hint = format!("Use {} instead of `{shown}`", usage(ours));
                problems.push(InputError::new(ours, None, problem, hint).with_code("unknown-input"));
            }
            Some((ours, _)) => ignored.push(format!("`{shown}` (use `{ours}`)")),
            None => ignored.push(format!("`{shown}`")),
        }
    }
    let names = ignored.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    Some(match ignored.len() {
        0 => return None,
        1 => format!("unknown input ignored: {names}"),
        count if count <= MOST_NAMED => format!("{count} unknown inputs ignored: {names}"),
        count => format!("{count} unknown inputs ignored: {names} and {} more", count - MOST_NAMED),
    })
}

/// Whether a run without an input would do harm: a dry run must not change anything, and a download must be verified.
fn must_not_be_ignored(command: Command, ours: &str) -> bool {
    ours == DRY_RUN || (command == Command::Download && ours == "checksums")
}

/// Returns the input of a command that an unknown name means, if there is one, and whether the name cannot mean anything else.
fn meaning(command: Command, name: &str) -> Option<(&'static str, bool)> {
    let inputs = command.inputs();
    if let Some(ours) = inputs.iter().find(|ours| normalized(ours) == name) {
        return Some((ours, true));
    }
    if command == Command::Publish && name.starts_with("dry") {
        return Some((DRY_RUN, true));
    }
    let mut known = EQUIVALENTS.iter().filter(|known| inputs.contains(&known.ours));
    if let Some(known) = known.find(|known| known.certain.contains(&name) || known.general.contains(&name)) {
        return Some((known.ours, known.certain.contains(&name)));
    }
    let spellings: Vec<String> = inputs.iter().map(|ours| normalized(ours)).collect();
    let spelling = suggest(name, &spellings.iter().map(String::as_str).collect::<Vec<_>>())?;
    let ours = inputs.iter().find(|ours| normalized(ours) == spelling)?;
    Some((ours, false))
}

/// Normalizes case, `-` and `_` in a name.
fn normalized(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Returns how to set an input.
fn usage(ours: &str) -> String {
    match ours {
        "dry-run" => "`dry-run: true`".to_owned(),
        "files" => "`files`, one pattern per line,".to_owned(),
        "if-file-exists" => "`if-file-exists: fail`, `skip` or `overwrite`".to_owned(),
        "if-no-files-found" => "`if-no-files-found: error`, `warn` or `ignore`".to_owned(),
        _ => format!("`{ours}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_known_inputs_and_each_foreign_name_once() {
        let mut names: Vec<&str> =
            EQUIVALENTS.iter().flat_map(|known| known.certain.iter().chain(known.general)).copied().collect();
        let all = names.len();
        assert!(names.iter().all(|name| normalized(name) == *name), "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for known in EQUIVALENTS {
            let has = |command: Command| command.inputs().contains(&known.ours);
            assert!(has(Command::Publish) || has(Command::Download), "{}", known.ours);
        }
    }
}
