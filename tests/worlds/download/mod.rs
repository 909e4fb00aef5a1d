//! Worlds for downloads, with their promises:
//!
//! - (i) exit code 0 means that each wanted file exists locally with a content that the registry had under its name,
//!   or, if it could not be verified, with the length that the server sent;
//! - (ii) with any exit code, and even if the program was killed, each wanted file has its earlier local content or
//!   such a content, and all other files are unchanged;
//! - (iii) a run that was not killed leaves no temporary files, and the next run deletes those of a killed run;
//! - (iv) outputs and summary match the local files, and unchanged files were not requested;
//! - (v) a later run without faults downloads all wanted files;
//! - (vi) no output contains a secret, and a run without a token sends none;
//! - (vii) the rest of a file is requested only on the condition that the file is unchanged;
//! - (viii) a file that the workspace pins has the pinned content whenever it is downloaded.

mod check;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use embedded_registry::{self as registry, Action, Match, Persona, Point, Registry};
use fastrand::Rng;
use generic_packages::command::Command;

use super::draw::{files, names, one_of, other_than, version};
use super::job::Job;
use super::kind::Kind;
use super::script::{self, Files, OWNER, PACKAGE, segment, sha256};
use super::world::{Act, Content, File, Setting, World};

/// The name of the checksums file.
const CHECKSUMS: &str = "checksums.sha256";

/// The path of a checksums file in the workspace.
const PINS: &str = "./ci/pins";

/// The checksums file that the run uses. It has the initial contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksums {
    None,
    OfVersion,
    OfWorkspace,
}

/// The files of a version, and the local files.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    version: &'static str,
    /// The requested version: its name or `latest`.
    called: &'static str,
    files: Vec<Remote>,
    /// Whether there is no token.
    is_visitor: bool,
    /// Whether the registry shows its lists to this run.
    is_listed: bool,
    checksums: Checksums,
}

/// A file of the version.
#[derive(Clone, Debug)]
struct Remote {
    name: String,
    content: Content,
    /// The local content under its name, if any.
    here: Option<Content>,
    /// Whether a killed run has left a temporary file of it.
    is_left: bool,
    is_wanted: bool,
}

/// The actions of other jobs on the files of the version.
#[derive(Clone, Debug)]
pub(crate) enum Others {
    /// They replace a file with one of the same or a different length.
    Replace(File),
    /// They delete a file.
    Delete(String),
}

/// All contents that the registry ever had, by file name.
type History = BTreeMap<String, Vec<Vec<u8>>>;

/// The local files, and the files on the registry.
pub(crate) struct State {
    here: Files,
    there: Files,
}

impl Download {
    fn wanted(&self) -> impl Iterator<Item = &Remote> {
        self.files.iter().filter(|file| file.is_wanted)
    }

    /// Returns the checksums of the initial contents.
    fn sums(&self) -> String {
        self.files.iter().fold(String::new(), |mut sums, Remote { name, content, .. }| {
            // Writing to a String cannot fail.
            let _ = writeln!(sums, "{}  {name}", sha256(&content.bytes()));
            sums
        })
    }
}

impl World<Download> {
    /// Whether downloads may be verified by length only, also because a fault rejects the list.
    fn may_be_unverified(&self) -> bool {
        let is_refused = |action: &Action| matches!(action, Action::Answer(it) if matches!(it.status, 401 | 403));
        let Download { is_visitor, checksums, is_listed, .. } = self.of;
        is_visitor && checksums == Checksums::None && (!is_listed || self.has_fault(is_refused))
    }

    /// Whether a successful response may contain other bytes than the file's.
    fn can_send_wrong_bytes(&self) -> bool {
        self.events.iter().any(|event| match &event.act {
            Act::Fault(Action::CorruptDownload) => true,
            Act::Fault(Action::Raw(_)) => matches!(event.at, Point::AnswerByte(_)),
            Act::Fault(Action::Answer(answer)) => answer.status < 300,
            _ => false,
        })
    }
}

/// The suffix of temporary names.
const PART: &str = ".generic-packages-part";

fn remote(rng: &mut Rng, (name, content): File) -> Remote {
    let here = match rng.u8(0..6) {
        0..3 => None,
        3 => Some(content),
        _ => Some(other_than(content, rng)),
    };
    let is_left = rng.u8(0..4) == 0;
    Remote { name, content, here, is_left, is_wanted: rng.u8(0..4) > 0 }
}

impl Kind for Download {
    const NAME: &'static str = "download";
    const TASK: Command = Command::Download;
    const PROGRAM_EVERY: u64 = 10;
    const SALT: u64 = u64::MAX;
    const CAN_ALTER_LISTS: bool = true;

    type Others = Others;
    type Entries = History;
    type State = State;

    fn draw(rng: &mut Rng, setting: &Setting) -> Self {
        let is_visitor = rng.u8(0..3) == 0;
        let is_listed = !is_visitor || matches!(setting.persona, Persona::Forgejo15 | Persona::Forgejo16);
        // Without a list, these names would be patterns.
        let mut names = names(rng, &[]).filter(|name| is_listed || !name.contains(['[', '{']));
        let files = files(rng, &mut names, 1, 6);
        let mut files: Vec<Remote> = files.into_iter().map(|file| remote(rng, file)).collect();
        if files.iter().all(|file| !file.is_wanted) {
            files[0].is_wanted = true;
        }
        let version = version(rng);
        let is_latest = !is_visitor && rng.bool() && version == "v1.0.0";
        let called = if is_latest { "latest" } else { version };
        let checksums = match rng.u8(0..4) {
            0 => Checksums::OfVersion,
            1 => Checksums::OfWorkspace,
            _ => Checksums::None,
        };
        Self { version, called, files, is_visitor, is_listed, checksums }
    }

    fn requests(&self, rng: &mut Rng) -> (Match, usize) {
        let Remote { name, content, .. } = one_of(rng, &self.files);
        let on = match rng.u8(0..12) {
            0..2 => Match::list(),
            2 => Match::versions(),
            3..8 => Match::get(&format!("/{}", segment(&name))),
            8..11 => Match::get(""),
            _ => Match::any(),
        };
        (on, content.length)
    }

    fn others(&self, rng: &mut Rng) -> Others {
        let Remote { name, content, .. } = one_of(rng, &self.files);
        if rng.u8(0..3) > 0 { Others::Replace((name, other_than(content, rng))) } else { Others::Delete(name) }
    }

    fn store_initial_files(&self, registry: &Registry) -> History {
        let mut known = History::new();
        for Remote { name, content, .. } in &self.files {
            let bytes = content.bytes();
            registry.seed(OWNER, PACKAGE, self.version, name, &bytes);
            known.insert(name.clone(), vec![bytes]);
        }
        if self.checksums == Checksums::OfVersion {
            registry.seed(OWNER, PACKAGE, self.version, CHECKSUMS, self.sums().as_bytes());
        }
        known
    }

    fn act(&self, others: &Others, _during: &Match, on: &registry::World, known: &mut History) {
        match others {
            Others::Replace((name, content)) => {
                let bytes = content.bytes();
                known.get_mut(name).expect("every file is known").push(bytes.clone());
                on.delete(OWNER, PACKAGE, self.version, name);
                on.store(OWNER, PACKAGE, self.version, name, &bytes);
            }
            Others::Delete(name) => {
                on.delete(OWNER, PACKAGE, self.version, name);
            }
        }
    }

    fn job(&self, mut job: Job) -> Job {
        job.file("tools/unrelated", b"stays");
        for Remote { name, content, here, is_left, .. } in &self.files {
            if let Some(here) = here {
                job.file(&format!("tools/{name}"), &here.bytes());
            }
            if *is_left {
                job.file(&format!("tools/.{name}{PART}"), &content.bytes());
            }
        }
        let checksums = match self.checksums {
            Checksums::None => "",
            Checksums::OfVersion => CHECKSUMS,
            Checksums::OfWorkspace => {
                job.file(PINS, self.sums().as_bytes());
                PINS
            }
        };
        let lines: Vec<String> = self.wanted().map(|file| format!("./{}", file.name)).collect();
        job.with(&[
            ("INPUT_FILES", &lines.join("\n")),
            ("INPUT_VERSION", self.called),
            ("INPUT_PATH", "tools"),
            ("INPUT_CHECKSUMS", checksums),
        ])
    }

    fn is_visitor(&self) -> bool {
        self.is_visitor
    }

    fn state(&self, registry: &Registry, job: &Job) -> State {
        let entries = fs::read_dir(job.path("workspace/tools")).expect("it is there").flatten();
        let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, fs::read(entry.path()).ok()?));
        State { here: entries.filter_map(named).collect(), there: script::files(registry.world(), self.version) }
    }
}
