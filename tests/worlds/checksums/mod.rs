//! Worlds for checksums files and aliases, with their promises:
//!
//! - (i) exit code 0 means that the checksums file covers all files of the version, that the aliases that follow the
//!   version are identical to it, and that the version contains the run's own files;
//! - (ii) any other code comes with an error;
//! - (iii) outside these aliases nothing but the checksums file is deleted or replaced, and own files that are to
//!   overwrite others; no
//!   version that is not named changes, and what is deleted was shown as it was by two lists;
//! - (iv) outputs and summary match the registry;
//! - (v) a later run without faults corrects everything, regardless of the state before it;
//! - (vi) no output contains a secret;
//! - (vii) if two runs at the same time both succeed, each alias is identical to one of the two versions, or
//!   unchanged if it follows neither.
//!
//! In every fifth world, two runs start at the same time.

mod check;
mod lists;

use std::collections::{BTreeMap, BTreeSet};

use embedded_registry::{self as registry, Fault, Match, Point, Registry};
use fastrand::Rng;
use generic_packages::command::Command;

use self::lists::Lists;
use super::draw::{content, files, in_other_case, names, one_of, other_than};
use super::job::Job;
use super::journal::Journal;
use super::kind::Kind;
use super::script::{self, Files, OWNER, PACKAGE, segment};
use super::world::{File, Runs, Setting};

/// The name of the checksums file.
const CHECKSUMS: &str = "SHA256SUMS";
/// The version of the rival run, if it is a different one.
const OTHER: &str = "v2.0.0";
/// The aliases. All except the last follow releases.
const ALIASES: [&str; 4] = ["latest", "v1", "1.0", "night/ly"];

/// A version, and the aliases that do not follow it. The package has release v0.9.0 in each world.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// The version that is covered by a checksums file.
    version: &'static str,
    /// Another version of the package.
    other: &'static str,
    /// The aliases that are not updated.
    stay: &'static [&'static str],
}

const ORDERS: [Order; 9] = [
    Order { version: "v1.0.0", other: "v0.10.0", stay: &[] },
    Order { version: "v1.0.0", other: "2.0.0-rc.1", stay: &[] },
    Order { version: "1.0.0", other: "tool-2.0.0", stay: &[] },
    Order { version: "v1.0.0", other: "1.0.1", stay: &["latest", "v1", "1.0"] },
    Order { version: "v1.0.0", other: "v1.10.0", stay: &["latest", "v1"] },
    Order { version: "v1.9.0", other: "24.04", stay: &["latest", "1.0"] },
    Order { version: "2.1.0", other: "nightly", stay: &["v1", "1.0"] },
    Order { version: "v1.0.0-rc.1", other: "v1.0.0-rc.2", stay: &["latest", "v1", "1.0"] },
    Order { version: "build-abc", other: "v1.0.5", stay: &["latest", "v1", "1.0"] },
];

/// The files of the version and its aliases.
#[derive(Clone, Debug)]
pub(crate) struct Checksums {
    order: Order,
    /// The files that the run publishes.
    own: Vec<File>,
    /// The existing files of the version, from other jobs. They can include a wrong checksums file.
    there: Vec<File>,
    /// The aliases and their files.
    aliases: Vec<(&'static str, Vec<File>)>,
    /// Whether existing files with the names of own files may be replaced.
    overwrites: bool,
    /// The required files of the version: the beginning of a name and a `*`.
    expected: Vec<String>,
    /// Another run at the same time, if there is one.
    rival: Option<Rival>,
}

/// A run that publishes a checksums file at the same time, and updates the same aliases.
#[derive(Clone, Debug)]
struct Rival {
    /// Whether it publishes the checksums file of another version.
    is_of_other: bool,
    own: Vec<File>,
}

/// The actions of other jobs on the files of one version.
#[derive(Clone, Debug)]
pub(crate) enum Others {
    /// They publish a file.
    Publish(&'static str, String),
    /// They replace a file.
    Replace(&'static str, String),
    /// They delete a file.
    Delete(&'static str, String),
    /// They delete the version, with all its files.
    DeleteVersion,
}

impl Checksums {
    /// Returns the aliases of the inputs.
    fn aliases(&self) -> impl Iterator<Item = &'static str> {
        self.aliases.iter().map(|(alias, _)| *alias)
    }

    /// Returns the aliases that must be identical to the version.
    fn followers(&self) -> impl Iterator<Item = &'static str> {
        self.aliases().filter(|alias| !self.order.stay.contains(alias))
    }

    /// Returns the versions that a run may read or change.
    fn versions(&self) -> impl Iterator<Item = &'static str> {
        [self.order.version, OTHER].into_iter().chain(ALIASES)
    }

    /// Whether a required file is missing from these files.
    fn lack(&self, files: &Files) -> bool {
        let is_there = |expected: &String| {
            let start = expected.trim_end_matches('*');
            files.keys().any(|name| name.starts_with(start) && name != CHECKSUMS)
        };
        !self.expected.iter().all(is_there)
    }

    /// Draws one of the aliases, if there is one, and the name of a file that it has or may get.
    fn in_alias(&self, rng: &mut Rng) -> Option<(&'static str, String)> {
        let alias = (!self.aliases.is_empty()).then(|| rng.usize(0..self.aliases.len()))?;
        let (alias, has) = &self.aliases[alias];
        let files: Vec<&File> = [&self.own, &self.there, has].into_iter().flatten().collect();
        Some((alias, one_of(rng, &files).0.clone()))
    }

    /// Configures a job that publishes a version with its checksums file and aliases.
    fn checksums_job(&self, mut job: Job, version: &str, own: &[File]) -> Job {
        for (name, content) in own {
            job.file(&format!("dist/{name}"), &content.bytes());
        }
        job.with(&[
            ("INPUT_FILES", if own.is_empty() { "" } else { "dist/*" }),
            ("INPUT_INCLUDE-HIDDEN-FILES", "true"),
            ("INPUT_VERSION", version),
            ("INPUT_CHECKSUMS", CHECKSUMS),
            ("INPUT_ALIASES", &self.aliases().collect::<Vec<_>>().join("\n")),
            ("INPUT_IF-FILE-EXISTS", if self.overwrites { "overwrite" } else { "fail" }),
            // A `$` of a name would look like a variable.
            ("INPUT_EXPECT", &self.expected.join("\n").replace('$', "[$]")),
        ])
    }
}

/// Creates the files of an alias: identical files, different files, files in another case, and extra files.
fn alias(rng: &mut Rng, version: &[File], extras: &[File]) -> Vec<File> {
    let mut files = Vec::new();
    for (name, ours) in version.iter().cloned() {
        match rng.u8(0..6) {
            0..2 => {}
            2 => files.push((name, ours)),
            3 => files.push((in_other_case(&name), ours)),
            _ => files.push((name, other_than(ours, rng))),
        }
    }
    files.extend(extras.iter().cloned());
    if rng.bool() {
        files.push((CHECKSUMS.to_owned(), content(rng)));
    }
    files
}

/// Returns the part of a path that identifies a version. `/v1/` alone occurs in the path of every API call.
fn path_of(version: &str) -> String {
    format!("/{PACKAGE}/{}/", segment(version))
}

/// Draws a pattern for a file that exists, that is published late, or that never exists.
fn expected(rng: &mut Rng, version: &[File]) -> String {
    match rng.u8(0..8) {
        0 => "absent-*".to_owned(),
        1..3 => "late-*".to_owned(),
        _ => {
            let name = one_of(rng, version).0;
            // The first special character of patterns ends it.
            format!("{}*", name.split(['*', '?', '[', ']', '{', '}', '!', '\\']).next().unwrap_or_default())
        }
    }
}

impl Kind for Checksums {
    const NAME: &'static str = "checksums";
    const TASK: Command = Command::Publish;
    const PROGRAM_EVERY: u64 = 20;
    const SALT: u64 = 0x5ea1;
    const CAN_ALTER_LISTS: bool = false;

    type Others = Others;
    type Entries = Lists;
    type State = BTreeMap<&'static str, Files>;

    fn draw(rng: &mut Rng, setting: &Setting) -> Self {
        let mut names = names(rng, &[CHECKSUMS]);
        let own = files(rng, &mut names, 0, 3);
        let mut there = files(rng, &mut names, usize::from(own.is_empty()), 3);
        let extras = files(rng, &mut names, 0, 2);
        let has_rival = setting.runs == Runs::Library && rng.u8(0..5) == 0;
        let rival = has_rival.then(|| Rival { is_of_other: rng.bool(), own: files(rng, &mut names, 1, 3) });
        let version = [&own[..], &there[..]].concat();
        let mut aliases = ALIASES;
        rng.shuffle(&mut aliases);
        let count = rng.usize(0..=2);
        let aliases = aliases[..count].iter().map(|name| (*name, alias(rng, &version, &extras))).collect();
        let has_other = rival.as_ref().is_some_and(|rival: &Rival| rival.is_of_other);
        let order = if has_other || rng.bool() { ORDERS[0] } else { one_of(rng, &ORDERS) };
        if rng.u8(0..3) == 0 {
            there.push((CHECKSUMS.to_lowercase(), content(rng)));
        }
        let overwrites = rng.u8(0..3) == 0;
        let is_there = |rng: &mut Rng| if overwrites { rng.bool() } else { rng.u8(0..20) == 0 };
        for (name, ours) in &own {
            if is_there(rng) {
                there.push((name.clone(), other_than(*ours, rng)));
            }
        }
        let expected = (0..rng.usize(0..8).saturating_sub(5)).map(|_| expected(rng, &version)).collect();
        Self { order, own, there, aliases, overwrites, expected, rival }
    }

    fn requests(&self, rng: &mut Rng) -> (Match, usize) {
        // Requests for one alias only, or for all.
        let place = match self.in_alias(rng) {
            Some((alias, _)) if rng.bool() => path_of(alias),
            _ => String::new(),
        };
        let on = match rng.u8(0..18) {
            0..4 => Match::list().containing(&place),
            4..10 => Match::put(&place),
            10..12 => Match::put(&format!("{}/{CHECKSUMS}", place.trim_end_matches('/'))),
            // Files are downloaded only from the version.
            12..14 => Match::get(""),
            14..16 => Match::delete(&place),
            16 => Match::versions(),
            _ => Match::any(),
        };
        let lengths: Vec<usize> = self.own.iter().chain(&self.there).map(|(_, content)| content.length).collect();
        (on, one_of(rng, &lengths))
    }

    fn others(&self, rng: &mut Rng) -> Others {
        let number = rng.usize(0..8);
        let own = (!self.own.is_empty()).then(|| one_of(rng, &self.own).0);
        if let Some(name) = own.filter(|_| rng.u8(0..8) == 0) {
            let version = self.order.version;
            return if rng.bool() { Others::Replace(version, name) } else { Others::Delete(version, name) };
        }
        match (rng.u8(0..10), self.in_alias(rng)) {
            (0..2, Some((alias, _))) => Others::Publish(alias, "late-extra".to_owned()),
            (2..4, Some((alias, name))) => Others::Replace(alias, name),
            (4, Some((alias, name))) => Others::Delete(alias, name),
            (5..7, _) => Others::Replace(self.order.version, CHECKSUMS.to_owned()),
            (7, _) if rng.bool() => Others::DeleteVersion,
            _ => Others::Publish(self.order.version, format!("late-{number}")),
        }
    }

    fn store_initial_files(&self, registry: &Registry) -> Lists {
        let Order { version, other, .. } = self.order;
        registry.seed(OWNER, PACKAGE, other, "app", b"another version");
        for (version, files) in self.aliases.iter().chain([&(version, self.there.clone())]) {
            for (name, content) in files {
                registry.seed(OWNER, PACKAGE, version, name, &content.bytes());
            }
        }
        Lists::at(version)
    }

    fn observe(&self, registry: &Registry, journal: &Journal<Lists>) {
        let Self { own, there, aliases, .. } = self;
        let names =
            [own, there].into_iter().chain(aliases.iter().map(|(_, has)| has)).flatten().map(|(name, _)| name.as_str());
        let names: BTreeSet<&str> = names.chain([CHECKSUMS, "late-extra"]).collect();
        let puts = Match::put(&format!("/{}/{CHECKSUMS}", self.order.version));
        registry.add_fault(Fault::always(puts, Point::Head, journal.hook(|lists, _| lists.checksums_are_put())));
        for version in self.versions() {
            let lists = Match::list().containing(&path_of(version));
            registry.add_fault(Fault::always(
                lists,
                Point::AfterStore,
                journal.hook(move |lists, now| lists.listed(now, version)),
            ));
            for name in &names {
                let deletions = Match::delete(&format!("{}{}", path_of(version), segment(name)));
                let name = (*name).to_owned();
                let hook = journal.hook(move |lists, _| lists.deletes(version, &name));
                registry.add_fault(Fault::always(deletions, Point::Head, hook));
            }
        }
    }

    fn act(&self, others: &Others, _during: &Match, on: &registry::World, _lists: &mut Lists) {
        match others {
            Others::Publish(version, name) => {
                on.store(OWNER, PACKAGE, version, name, b"late");
            }
            Others::Replace(version, name) => {
                on.delete(OWNER, PACKAGE, version, name);
                on.store(OWNER, PACKAGE, version, name, b"another job's");
            }
            Others::Delete(version, name) => {
                on.delete(OWNER, PACKAGE, version, name);
            }
            Others::DeleteVersion => {
                let version = self.order.version;
                for file in on.files(OWNER, PACKAGE, version) {
                    on.delete(OWNER, PACKAGE, version, &file.name);
                }
            }
        }
    }

    fn job(&self, job: Job) -> Job {
        self.checksums_job(job, self.order.version, &self.own)
    }

    fn rival(&self, job: Job) -> Option<Job> {
        let Rival { is_of_other, own } = self.rival.as_ref()?;
        Some(self.checksums_job(job, if *is_of_other { OTHER } else { self.order.version }, own))
    }

    fn has_rival(&self) -> bool {
        self.rival.is_some()
    }

    fn state(&self, registry: &Registry, _job: &Job) -> Self::State {
        self.versions().map(|version| (version, script::files(registry.world(), version))).collect()
    }
}
