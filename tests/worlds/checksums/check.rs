//! The checks of a run that publishes the checksums file of a version and updates aliases, in any world.

use std::collections::BTreeMap;

use embedded_registry::Request;
use generic_packages::checksum;

use super::super::job::Ran;
use super::super::kind::{Promises, Scene};
use super::super::outputs::{Outputs, Row};
use super::super::script::{Files, OWNER, PACKAGE, segment, sha256};
use super::super::world::File;
use super::{CHECKSUMS, Checksums, OTHER};

/// Returns whether the checksums file of a version covers exactly all its other files.
fn has_checksums(files: &Files) -> bool {
    let others = files.iter().filter(|(name, _)| *name != CHECKSUMS);
    let list: Vec<_> = others.map(|(name, bytes)| (name.as_str(), sha256(bytes))).collect();
    let wanted = checksum::write_list(list);
    files.get(CHECKSUMS).is_some_and(|content| *content == wanted.into_bytes()) && files.len() > 1
}

impl Promises for Checksums {
    /// (iv): the outputs. Where two run at the same time, the other may have replaced what they say.
    fn wrong_outputs(scene: &Scene<'_, Self>, outputs: &Outputs) -> Vec<String> {
        let Outputs { rows, values } = outputs;
        let version = scene.world.of.order.version;
        let mut wrong = Vec::new();
        let named: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        if named.len() != scene.world.of.own.len() + 1 || named.last() != Some(&CHECKSUMS) {
            wrong.push(format!("(iv) the output `files` has {named:?}"));
        }
        let is_in_place = rows.last().is_some_and(Row::is_in_place);
        let path = values.get("checksums-file").map(String::as_str);
        if is_in_place != (path == Some(".generic-packages/SHA256SUMS")) {
            wrong.push(format!("(iv) `checksums-file` is {path:?}"));
        }
        let last = &scene.entries.last;
        let dropped = scene.entries.before_last.get(version).filter(|_| scene.ran.code == Some(143));
        let seen = [last.get(version), scene.after.get(version), dropped];
        // It means that the version is covered by a checksums file, or was when the last list of it was made.
        let had_checksums = || seen.into_iter().flatten().any(has_checksums);
        if path.is_some_and(|path| !path.is_empty()) && scene.rival.is_none() && !had_checksums() {
            wrong.push(format!("(iv) `checksums-file` is {path:?}, but the version has no correct checksums file"));
        }
        for row in rows.iter().filter(|row| row.is_in_place() && scene.rival.is_none()) {
            let holds = |files: Option<&Files>| {
                let stored = files.and_then(|files| files.get(&row.name)).map(|bytes| sha256(bytes).to_string());
                stored.is_some() && stored == row.sha256
            };
            if !seen.into_iter().any(holds) {
                wrong.push(format!(
                    "(iv) the status of `{}` is {}, but the registry does not have it",
                    row.name, row.status
                ));
            }
        }
        let aliases: Vec<&str> = values.get("aliases").map(String::as_str).unwrap_or_default().lines().collect();
        for alias in scene.world.of.aliases().filter(|_| scene.rival.is_none()) {
            let is_named = aliases.contains(&alias);
            let is_identical = |state: &BTreeMap<_, Files>| state.get(alias) == state.get(version);
            let follows = scene.world.of.followers().any(|follower| follower == alias);
            if is_named && !is_identical(last) && !is_identical(scene.after) {
                wrong.push(format!("(iv) `aliases` has {alias}, but it is not identical"));
            }
            if !is_named && follows && scene.ran.code == Some(0) {
                wrong.push(format!("(iv) `aliases` lacks {alias}"));
            }
        }
        wrong
    }

    /// (iii): outside the aliases that follow the version only the checksums file is ever deleted, and own files where
    /// they are to overwrite others; nothing is sent but what is ours; no other version is asked for anything.
    fn may_send(scene: &Scene<'_, Self>, request: &Request) -> bool {
        let of = &scene.world.of;
        let is_own = |name: &str| of.own.iter().any(|(own, _)| segment(own) == name);
        let place = request.target.split(&format!("/generic/{PACKAGE}/")).nth(1).unwrap_or_default();
        let (version, name) = place.split_once('/').unwrap_or((place, ""));
        let is_alias = of.aliases().any(|alias| segment(alias) == version);
        let is_follower = of.followers().any(|alias| segment(alias) == version);
        let is_version = version == segment(of.order.version);
        let is_list_of_versions = request.target.contains(&format!("/api/v1/packages/{OWNER}?"));
        match request.method.as_str() {
            // Lists of aliases, probes of the server, and lists of versions.
            "GET" => is_alias && (name == "files" || name.is_empty()) || is_version || is_list_of_versions,
            "PUT" => is_follower || is_version && (is_own(name) || name == CHECKSUMS || name == "%2A"),
            "DELETE" => is_follower || is_version && (name == CHECKSUMS || of.overwrites && is_own(name)),
            // The link.
            method => method == "POST",
        }
    }

    fn wrong_actions(scene: &Scene<'_, Self>) -> Vec<String> {
        if let Some(rival) = scene.rival {
            return mixture(scene, rival);
        }
        let rash = scene.entries.unsafe_requests.iter().map(|text| format!("(iii) {text}"));
        check_success(scene).into_iter().chain(rash).collect()
    }

    /// Returns the violations of a run without lasting faults. If a broken store changed a file of this job, it
    /// counts as another job's file. The run keeps it and fails.
    fn wrong_ending(scene: &Scene<'_, Self>, _outputs: &Outputs) -> Vec<String> {
        let of = &scene.world.of;
        let (version, before) = (&scene.after[of.order.version], &scene.before[of.order.version]);
        let is_other = |(name, ours): &File| before.get(name).is_some_and(|there| *there != ours.bytes());
        let is_spoilt = !of.overwrites && of.own.iter().any(is_other);
        let is_empty = before.keys().all(|name| *name == CHECKSUMS) && of.own.is_empty();
        let fails = is_spoilt || is_empty || of.lack(version);
        let is_as_before = |alias: &&str| scene.after[alias] == scene.before[alias];
        // The rival's version is a higher release.
        let stays =
            |alias: &str| of.order.stay.contains(&alias) || alias == "latest" && !scene.before[OTHER].is_empty();
        let is_right = |alias| if stays(alias) { is_as_before(&alias) } else { scene.after[alias] == *version };
        let are_right = of.aliases().all(is_right);
        let are_as_before = || of.aliases().all(|alias| is_as_before(&alias));
        let is_as_wanted = match scene.ran.code {
            Some(0) => !fails && has_checksums(version) && are_right,
            Some(1) => fails && are_as_before() && version.get(CHECKSUMS) == before.get(CHECKSUMS),
            _ => false,
        };
        if is_as_wanted {
            return Vec::new();
        }
        vec![format!(
            "(v) the exit code is {:?}, but the run should fail: {fails}: {}",
            scene.ran.code,
            in_short(version)
        )]
    }
}

/// (i): checks that the checksums file covers the version, and that the aliases that follow it are identical to it.
fn check_success(scene: &Scene<'_, Checksums>) -> Vec<String> {
    if scene.ran.code != Some(0) {
        return Vec::new();
    }
    let of = &scene.world.of;
    let last = &scene.entries.last;
    let Some(version) = last.get(of.order.version) else {
        return vec!["(i) the run succeeded without a list".to_owned()];
    };
    let mut wrong = Vec::new();
    if scene.entries.latest != of.order.version {
        wrong.push(format!("(i) the last list was of {}", scene.entries.latest));
    }
    if !has_checksums(version) || of.lack(version) {
        wrong.push(format!("(i) the version had {}", in_short(version)));
    }
    for alias in of.followers() {
        let has = last.get(alias).map_or_else(String::new, in_short);
        if last.get(alias) != Some(version) {
            wrong.push(format!("(i) {alias} had {has}, but the version had {}", in_short(version)));
        }
    }
    for (name, content) in &of.own {
        if version.get(name) != Some(&content.bytes()) {
            wrong.push(format!("(i) `{name}` is not published"));
        }
    }
    wrong
}

/// (vii): checks, if both runs have succeeded, that no alias is a mixture and that the checksums files are correct.
fn mixture(scene: &Scene<'_, Checksums>, rival: &Ran) -> Vec<String> {
    let (of, end) = (&scene.world.of, scene.after);
    if [scene.ran, rival].iter().any(|ran| ran.code != Some(0)) {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let is_of_other = of.rival.as_ref().is_some_and(|rival| rival.is_of_other);
    let version = of.order.version;
    let versions: &[&str] = if is_of_other { &[version, OTHER] } else { &[version] };
    for version in versions.iter().filter(|version| !has_checksums(&end[**version])) {
        wrong.push(format!("(vii) {version} has no correct checksums file: {}", in_short(&end[version])));
    }
    for alias in of.aliases() {
        let stays = of.order.stay.contains(&alias) && end[alias] == scene.before[alias];
        if !stays && !versions.iter().any(|version| end[alias] == end[version]) {
            wrong.push(format!("(vii) {alias} has files of two versions: {}", in_short(&end[alias])));
        }
    }
    wrong
}

/// Returns names and lengths of files, and the checksums file.
fn in_short(files: &Files) -> String {
    let names: Vec<String> = files.iter().map(|(name, bytes)| format!("{name} ({})", bytes.len())).collect();
    let checksums =
        files.get(CHECKSUMS).map(|content| String::from_utf8_lossy(content).into_owned()).unwrap_or_default();
    format!("{}; checksums file:\n{checksums}", names.join(", "))
}
