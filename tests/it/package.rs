//! The package alice/widget on a registry: what tests put there, what they read there, and what was requested of it.

use std::collections::BTreeMap;

use embedded_registry::{Action, Answer, Fault, Match, Point, Registry};

const OWNER: &str = "alice";
const PACKAGE: &str = "widget";

/// Puts files into a version.
pub(crate) fn seed(registry: &Registry, version: &str, files: &[(&str, &str)]) {
    for (name, content) in files {
        registry.seed(OWNER, PACKAGE, version, name, content.as_bytes());
    }
}

/// The content of a file of version v1.0.0.
pub(crate) fn read(registry: &Registry, name: &str) -> Option<String> {
    contents(registry, "v1.0.0").remove(name)
}

/// The contents of a version by the names of its files.
pub(crate) fn contents(registry: &Registry, version: &str) -> BTreeMap<String, String> {
    let content = |name: &str| registry.read(OWNER, PACKAGE, version, name).expect("the file is listed");
    let files = registry.files(OWNER, PACKAGE, version).into_iter();
    files.map(|file| (file.name.clone(), String::from_utf8(content(&file.name)).expect("a text"))).collect()
}

/// The repository that the package is linked to.
pub(crate) fn link_of(registry: &Registry) -> Option<String> {
    registry.world().linked_repository(OWNER, PACKAGE)
}

/// The requests about files, lists and versions of the package: the method, and what follows the package in the path.
pub(crate) fn requests(registry: &Registry) -> Vec<String> {
    let requests = registry.requests().into_iter();
    let path =
        |target: &str| target.split_once("/widget/").map_or_else(|| target.to_owned(), |(_, path)| path.to_owned());
    requests.map(|request| format!("{} {}", request.method, path(&request.target))).collect()
}

/// The requests that change something: all but GET and the check of write access.
pub(crate) fn changes(registry: &Registry) -> Vec<String> {
    requests(registry).into_iter().filter(|line| !line.starts_with("GET ") && !line.ends_with("/%2A")).collect()
}

/// Returns the number of requests of this form, such as `PUT v1.0.0/app`.
pub(crate) fn count(registry: &Registry, request: &str) -> usize {
    requests(registry).iter().filter(|line| *line == request).count()
}

/// The upload of a file of version v1.0.0.
pub(crate) fn put(name: &str) -> Match {
    Match::put(&format!("/v1.0.0/{name}"))
}

/// Lets all of these faults happen.
pub(crate) fn script(registry: &Registry, faults: impl IntoIterator<Item = Fault>) {
    for fault in faults {
        registry.add_fault(fault);
    }
}

/// From now on the registry gives this answer to all such requests.
pub(crate) fn answers(registry: &Registry, on: Match, answer: Answer) {
    registry.add_fault(Fault::always(on, Point::Head, Action::Answer(answer)));
}

/// Another job publishes a file, in the place of one that may be there.
pub(crate) fn another_job_publishes(version: &'static str, name: &'static str, content: &'static str) -> Action {
    Action::then(move |world| {
        world.delete(OWNER, PACKAGE, version, name);
        world.seed(OWNER, PACKAGE, version, name, content.as_bytes());
    })
}

/// Another job deletes a file.
pub(crate) fn another_job_deletes(version: &'static str, name: &'static str) -> Action {
    Action::then(move |world| assert!(world.delete(OWNER, PACKAGE, version, name), "{version}/{name} is there"))
}
