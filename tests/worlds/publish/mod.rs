//! Worlds for publishing, with their promises:
//!
//! - (i) exit code 0 means that each file of the plan is identical on the registry, or `skipped`;
//! - (ii) any other code means that the log names each file that is not published, and that each file that is
//!   reported as published exists; uncertain files are `unknown`;
//! - (iii) no file has changed or disappeared, except files that the user wants to overwrite;
//! - (iv) files that outputs and summary report as published are on the registry;
//! - (v) a later run without faults ends as the policy requires;
//! - (vi) no output contains a secret.
//!
//! Some combinations are left out, so that every check stays decidable:
//!
//! - Outdated lists are not combined with other jobs that delete files, because such a list was correct earlier.
//! - If other jobs delete files, each list that is made reaches the run, because faults of lists act before it is
//!   made. So the last list is all that a run can know at its end. Its report must match that list or the final
//!   state.
//! - No list contains a file that does not exist.

mod check;
mod journal;

use embedded_registry::{self as registry, Action, Fault, Match, Point, Registry};
use fastrand::Rng;
use generic_packages::command::Command;

use self::journal::{Entries, Late, Later, Seen, seen};
use super::credential::Credential;
use super::draw::{content, files, in_other_case, names, one_of, other_than, version};
use super::job::Job;
use super::journal::Journal;
use super::kind::Kind;
use super::script::{ELSEWHERE, OWNER, PACKAGE, segment};
use super::world::{Act, Content, Event, File, Setting, World, is_about_lists};

/// The local files, and the existing files on the registry.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    version: &'static str,
    /// The local files.
    files: Vec<Planned>,
    /// Files of the version that the run does not publish.
    unrelated: Vec<File>,
    policy: Policy,
    /// The content that other jobs publish.
    other: Content,
}

/// A local file, and the registry's file under its name.
#[derive(Clone, Debug)]
struct Planned {
    name: String,
    content: Content,
    /// The registry's file: its spelling of the name, and its content.
    there: Option<File>,
}

/// `if-file-exists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Fail,
    Skip,
    Overwrite,
}

impl Policy {
    fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Overwrite => "overwrite",
        }
    }
}

/// The actions of other jobs. A number is the index of a local file.
#[derive(Clone, Debug)]
pub(crate) enum Others {
    /// They publish the identical file.
    PublishSame(usize),
    /// They publish different content under the file's name.
    PublishOther(usize),
    /// They replace the registry's file under the file's name.
    Replace(usize),
    /// They delete the registry's file under the file's name.
    Delete(usize),
    /// They publish a file with another name.
    PublishUnrelated,
    /// They delete a file with another name.
    DeleteUnrelated,
    /// The connection of an upload is reset, and its file is stored later.
    StoreLater(usize, Later),
    /// The connection of a DELETE is reset, and the DELETE is executed later.
    DeleteLater(Later),
}

impl Others {
    /// The file that they change, or that changes later than any response says.
    fn file(&self) -> Option<usize> {
        match self {
            Self::PublishSame(file)
            | Self::PublishOther(file)
            | Self::Replace(file)
            | Self::Delete(file)
            | Self::StoreLater(file, _) => Some(*file),
            Self::PublishUnrelated | Self::DeleteUnrelated | Self::DeleteLater(_) => None,
        }
    }

    /// Whether they delete or replace a file that the run may have published.
    fn take_away(&self) -> bool {
        matches!(self, Self::Replace(_) | Self::Delete(_) | Self::DeleteLater(_))
    }
}

impl Publish {
    fn is_planned(&self, folded: &str) -> bool {
        self.files.iter().any(|file| file.name.to_lowercase() == folded)
    }

    /// Returns the index of a random file. With `is_better_there`, it is more often one that exists on the registry.
    fn any(&self, rng: &mut Rng, is_better_there: bool) -> usize {
        let is_fine = |index: &usize| !is_better_there || self.files[*index].there.is_some();
        let fine: Vec<usize> = (0..self.files.len()).filter(is_fine).collect();
        if fine.is_empty() || rng.u8(0..3) == 0 { rng.usize(0..self.files.len()) } else { one_of(rng, &fine) }
    }

    /// Adds a reset of the connection to an event that delays a request.
    fn with_reset(&self, event: Event<Others>) -> Vec<Event<Others>> {
        let on = match event.act {
            Act::Others(Others::StoreLater(file, _)) => self.upload_of(file),
            Act::Others(Others::DeleteLater(_)) => Match::delete(""),
            _ => return vec![event],
        };
        let event = Event { on, at: Point::BeforeStore, ..event };
        vec![event.clone(), Event { act: Act::Fault(Action::Reset), ..event }]
    }

    fn upload_of(&self, file: usize) -> Match {
        Match::put(&format!("/{}", segment(&self.files[file].name)))
    }
}

fn planned(rng: &mut Rng, (name, ours): File) -> Planned {
    let spelling = if rng.u8(0..4) == 0 { in_other_case(&name) } else { name.clone() };
    let there = match rng.u8(0..9) {
        0..5 => None,
        5 => Some(ours),
        _ => Some(other_than(ours, rng)),
    };
    Planned { name, content: ours, there: there.map(|theirs| (spelling, theirs)) }
}

impl Kind for Publish {
    const NAME: &'static str = "publish";
    const TASK: Command = Command::Publish;
    const PROGRAM_EVERY: u64 = 25;
    const SALT: u64 = 0;
    const CAN_ALTER_LISTS: bool = true;

    type Others = Others;
    type Entries = Entries;
    type State = Seen;

    fn draw(rng: &mut Rng, _setting: &Setting) -> Self {
        let mut names = names(rng, &[]);
        let files = files(rng, &mut names, 1, 8);
        let files = files.into_iter().map(|file| planned(rng, file)).collect();
        let unrelated = (0..rng.usize(0..3)).map(|number| (format!("other-{number}.txt"), content(rng))).collect();
        let policy = one_of(rng, &[Policy::Fail, Policy::Skip, Policy::Overwrite, Policy::Overwrite]);
        let other = Content { of: rng.u64(..), length: 777 };
        Self { version: version(rng), files, unrelated, policy, other }
    }

    fn requests(&self, rng: &mut Rng) -> (Match, usize) {
        let file = rng.usize(0..self.files.len());
        let on = match rng.u8(0..16) {
            0..4 => Match::list(),
            4..6 => Match::put(""),
            6..11 => self.upload_of(file),
            11 => Match::put("/%2A"),
            12..14 => Match::delete(""),
            14 => Match::version(),
            _ => Match::any(),
        };
        (on, self.files[file].content.length)
    }

    fn others(&self, rng: &mut Rng) -> Others {
        let later = one_of(rng, &[Later::List(0), Later::List(1), Later::Put, Later::End]);
        match rng.u8(0..12) {
            0..2 => Others::PublishSame(self.any(rng, false)),
            2 => Others::PublishOther(self.any(rng, false)),
            3..6 => Others::Replace(self.any(rng, true)),
            6 => Others::Delete(self.any(rng, true)),
            7 => Others::PublishUnrelated,
            8 => Others::DeleteUnrelated,
            9..11 => Others::StoreLater(self.any(rng, false), later),
            _ => Others::DeleteLater(later),
        }
    }

    fn settle(world: &mut World<Self>) {
        let takes_away = world.has(|act| matches!(act, Act::Others(others) if others.take_away()));
        world.events.retain(|event| {
            let after_list = matches!(event.at, Point::AfterStore | Point::AnswerByte(_));
            let alters = matches!(event.act, Act::Fault(Action::OutdatedList(_) | Action::Alter(_)));
            let is_fault = matches!(event.act, Act::Fault(_));
            !(takes_away && is_about_lists(&event.on) && is_fault && (after_list || alters))
        });
        let events = std::mem::take(&mut world.events);
        world.events = events.into_iter().flat_map(|event| world.of.with_reset(event)).collect();
    }

    fn store_initial_files(&self, registry: &Registry) -> Entries {
        for Planned { name, there, .. } in &self.files {
            for (owner, package, version) in ELSEWHERE {
                registry.seed(owner, package, version, name, name.as_bytes());
            }
            if let Some((name, content)) = there {
                registry.seed(OWNER, PACKAGE, self.version, name, &content.bytes());
            }
        }
        for (name, content) in &self.unrelated {
            registry.seed(OWNER, PACKAGE, self.version, name, &content.bytes());
        }
        Entries::new(self.version, registry.world())
    }

    fn observe(&self, registry: &Registry, journal: &Journal<Entries>) {
        let always = |on: Match, at: Point, action: Action| registry.add_fault(Fault::always(on, at, action));
        always(Match::list(), Point::BeforeStore, journal.hook(|entries, now| entries.catch_up(now, Later::List(0))));
        always(Match::put(""), Point::Head, journal.hook(|entries, now| entries.catch_up(now, Later::Put)));
        always(Match::list(), Point::AfterStore, journal.hook(Entries::listed));
        for Planned { name, .. } in &self.files {
            let on = Match::delete(&format!("/{}", segment(name)));
            let (before, after) = (name.clone(), name.clone());
            let before = journal.hook(move |entries, now| entries.before_delete(now, &before));
            let after = journal.hook(move |entries, now| entries.deleted(now, &after));
            always(on.clone(), Point::BeforeStore, before);
            always(on, Point::AfterStore, after);
        }
    }

    fn act(&self, others: &Others, during: &Match, on: &registry::World, entries: &mut Entries) {
        let name = |file: usize| self.files[file].name.as_str();
        // Nobody can have listed between this and a DELETE that follows.
        let is_unforeseeable = is_about_lists(during) || during.method.as_deref() == Some("DELETE");
        match *others {
            Others::PublishSame(file) => entries.publish(on, name(file), self.files[file].content, is_unforeseeable),
            Others::PublishOther(file) => entries.publish(on, name(file), self.other, is_unforeseeable),
            Others::Replace(file) => {
                entries.delete(on, name(file), is_unforeseeable);
                entries.publish(on, name(file), self.other, is_unforeseeable);
            }
            Others::Delete(file) => entries.delete(on, name(file), is_unforeseeable),
            Others::PublishUnrelated => entries.publish(on, "other-9.txt", self.other, is_unforeseeable),
            Others::DeleteUnrelated => entries.delete(on, "other-0.txt", is_unforeseeable),
            Others::StoreLater(file, later) => {
                entries.postpone(Late::Store(name(file).to_owned(), self.files[file].content), later);
            }
            // Applies to the DELETE of any file.
            Others::DeleteLater(later) => {
                if let Some(name) = entries.last_deleted_name() {
                    entries.postpone(Late::Delete(name), later);
                }
            }
        }
    }

    fn revoke(credential: &Credential, on: &registry::World, entries: &mut Entries) {
        entries.revoke(on, credential);
    }

    fn catch_up(on: &registry::World, entries: &mut Entries) {
        entries.catch_up(on, Later::End);
    }

    fn job(&self, mut job: Job) -> Job {
        for Planned { name, content, .. } in &self.files {
            job.file(&format!("dist/{name}"), &content.bytes());
        }
        job.with(&[
            ("INPUT_FILES", "dist/*"),
            ("INPUT_INCLUDE-HIDDEN-FILES", "true"),
            ("INPUT_VERSION", self.version),
            ("INPUT_IF-FILE-EXISTS", self.policy.word()),
        ])
    }

    fn state(&self, registry: &Registry, _job: &Job) -> Seen {
        seen(registry.world(), self.version)
    }
}
