//! The checks of a download, in any world.

use embedded_registry::Request;

use super::super::kind::{Promises, Scene};
use super::super::outputs::{Outputs, Row};
use super::super::script::{last_segment, segment, sha256};
use super::{CHECKSUMS, Checksums, Download, PART, Remote, State};

impl Promises for Download {
    /// (i) and (iv): checks the exit code and the outputs.
    fn wrong_outputs(scene: &Scene<'_, Self>, Outputs { rows, .. }: &Outputs) -> Vec<String> {
        let mut wrong: Vec<String> = rows.iter().filter_map(|row| scene.one_file(row)).collect();
        if scene.ran.code == Some(0) {
            for Remote { name, .. } in scene.world.of.wanted() {
                if !rows.iter().any(|row| row.name == *name && row.is_in_place()) {
                    wrong.push(format!("(i) the exit code is 0, but `{name}` is not in the outputs"));
                }
            }
        } else if !rows.is_empty() && rows.iter().all(Row::is_in_place) && scene.ran.code == Some(1) {
            wrong.push("(i) the exit code is 1, but the outputs have all files".to_owned());
        }
        wrong
    }

    /// Nothing is asked but for what is wanted.
    fn may_send(scene: &Scene<'_, Self>, request: &Request) -> bool {
        let last = last_segment(request);
        let is_question = request.target.contains("/api/v1/packages/");
        let is_wanted = scene.world.of.wanted().any(|file| segment(&file.name) == last);
        let is_checksums = last == CHECKSUMS && scene.world.of.checksums == Checksums::OfVersion;
        request.method == "GET" && (is_question || is_wanted || is_checksums)
    }

    fn wrong_actions(scene: &Scene<'_, Self>) -> Vec<String> {
        [scene.check_local_files(), scene.what_was_asked()].concat()
    }

    fn wrong_ending(scene: &Scene<'_, Self>, _outputs: &Outputs) -> Vec<String> {
        let Scene { world, ran, before: State { here: before, there }, after: State { here: after, .. }, .. } = *scene;
        let mut wrong = Vec::new();
        let Download { checksums, is_listed, .. } = world.of;
        let has_checksums = checksums != Checksums::None;
        // The checksums file covers the initial contents. Without a list, it decides which content is right. A version
        // without files does not exist, which visitors learn too.
        let is_unlisted = !is_listed && !there.is_empty();
        let is_here =
            |file: &Remote| has_checksums && is_unlisted && before.get(&file.name) == Some(&file.content.bytes());
        let is_good = |file: &Remote| {
            is_here(file) || there.get(&file.name).is_some_and(|bytes| !has_checksums || *bytes == file.content.bytes())
        };
        let succeeds = world.of.wanted().all(is_good);
        if ran.code != Some(i32::from(!succeeds)) {
            wrong.push(format!("(v) the exit code is {:?}, but the run should succeed: {succeeds}", ran.code));
        }
        if !succeeds {
            return wrong;
        }
        for file in world.of.wanted() {
            let name = &file.name;
            if !is_here(file) && after.get(name) != there.get(name) {
                wrong.push(format!("(v) the local `{name}` differs from the registry's"));
            }
        }
        for name in after.keys().filter(|name| name.ends_with(PART)) {
            wrong.push(format!("(iii) the temporary file `{name}` was not deleted"));
        }
        wrong
    }
}

impl Scene<'_, Download> {
    /// Whether the registry had this content under the name, or the run could not detect that it did not.
    fn is_right(&self, name: &str, bytes: &[u8]) -> bool {
        let known = &self.entries[name];
        // Without verification, other bytes of the right length may come, or a mixture of two contents.
        let may_be_a_mixture = || known.len() > 1 && known.iter().any(|known| known.len() == bytes.len());
        known.iter().any(|known| known == bytes)
            || self.world.may_be_unverified() && (self.world.can_send_wrong_bytes() || may_be_a_mixture())
    }

    /// (ii) and (iii): checks the local files.
    fn check_local_files(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let is_wanted = |name: &str| self.world.of.wanted().any(|file| file.name == name);
        let was_killed = self.ran.code.is_none();
        for (name, bytes) in &self.after.here {
            let is_as_before = self.before.here.get(name) == Some(bytes);
            let is_fine =
                is_as_before || is_wanted(name) && self.is_right(name, bytes) || name.ends_with(PART) && was_killed;
            if !is_fine {
                wrong.push(format!("(ii) `{name}` has an unexpected content of {} bytes", bytes.len()));
            }
        }
        let is_gone = |name: &&String| !self.after.here.contains_key(*name) && !name.ends_with(PART);
        for name in self.before.here.keys().filter(is_gone) {
            wrong.push(format!("(ii) the local `{name}` was deleted"));
        }
        wrong
    }

    fn one_file(&self, row: &Row) -> Option<String> {
        let Row { name, status, .. } = row;
        if status == "not-attempted" && self.before.here.get(name) != self.after.here.get(name) {
            return Some(format!("(iv) the status of `{name}` is not-attempted, but the local file changed"));
        }
        if !row.is_in_place() {
            let is_known = matches!(status.as_str(), "failed" | "not-attempted");
            return (!is_known).then(|| format!("(iv) the status of `{name}` is {status}"));
        }
        let Some(bytes) = self.after.here.get(name) else {
            return Some(format!("(i) the status of `{name}` is {status}, but the local file does not exist"));
        };
        let is_as_said = row.size == Some(bytes.len() as u64) && row.sha256 == Some(sha256(bytes).to_string());
        if !is_as_said || !self.is_right(name, bytes) {
            return Some(format!(
                "(i) the status of `{name}` is {status}, but the local file differs from the outputs: {row:?}"
            ));
        }
        let Download { checksums, files, .. } = &self.world.of;
        let is_as_pinned = || files.iter().any(|file| file.name == *name && file.content.bytes() == *bytes);
        if *checksums == Checksums::OfWorkspace && !is_as_pinned() {
            return Some(format!(
                "(viii) the status of `{name}` is {status}, but it does not match the checksums file of the workspace"
            ));
        }
        let was_asked_for = self.requests.iter().any(|request| {
            !request.target.contains("/api/v1/") && request.target.ends_with(&format!("/{}", segment(name)))
        });
        (status == "unchanged" && was_asked_for)
            .then(|| format!("(iv) the status of `{name}` is unchanged, but it was downloaded"))
    }

    /// (vi) A visitor says not who he is, and (vii) the rest of a file is asked for with a condition.
    fn what_was_asked(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let is_visitor = self.world.of.is_visitor;
        let mut has_token = self.world.setting.id_token_life.is_none();
        for request in self.requests {
            let target = &request.target;
            let has_header = request.header("Authorization").is_some();
            has_token |= has_header && !self.is_for_id_token(request);
            // Before its first ID token, a run can only ask whether the server is available.
            let is_probe = !has_token && target.contains("/api/v1/");
            if has_header == is_visitor && !is_probe {
                wrong.push(format!("(vi) {target} is requested with unexpected credentials"));
            }
            if request.header("Range").is_some() && request.header("If-Range").is_none() {
                wrong.push(format!(
                    "(vii) the rest of {target} is requested without the condition that the file is unchanged"
                ));
            }
        }
        wrong
    }
}
