//! Worlds for downloads, and what has to hold in each:
//!
//! - (i) exit code 0 means that each wanted file is here with a content that the registry had under its name, or, where
//!   nothing could verify, with the length that the server promised;
//! - (ii) whatever the exit code, and also where the program was killed, what is here under a wanted name is what was
//!   here
//!   before or such a content, and under any other name what was here before;
//! - (iii) nothing is left beside the files by a run that was not killed, and what a killed one left is deleted by the
//!   next;
//! - (iv) outputs and summary say what is here, and of what is unchanged nothing was asked;
//! - (v) a run after it in which nothing goes wrong brings all that is there;
//! - (vi) no secret is seen anywhere, and a visitor sends none;
//! - (vii) the rest of a file is asked for only if it still is the same.

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

/// The file of checksums.
const CHECKSUMS: &str = "checksums.sha256";

/// What a version has, and what is here already.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    version: &'static str,
    /// What the version is asked for as: by its name, or as `latest`.
    called: &'static str,
    files: Vec<Remote>,
    /// Whether there is no token.
    is_visitor: bool,
    /// Whether the registry shows its lists to who asks.
    is_listed: bool,
    /// Whether the version has a file of checksums, which is to be used.
    has_checksums: bool,
}

/// A file of the version.
#[derive(Clone, Debug)]
struct Remote {
    name: String,
    content: Content,
    /// What is here under its name.
    here: Option<Content>,
    /// Whether a killed run has left something of it.
    is_left: bool,
    is_wanted: bool,
}

/// What others do with the files of the version.
#[derive(Clone, Debug)]
pub(crate) enum Others {
    /// They replace one, by one of the same length or of another.
    Replace(File),
    /// They delete one.
    Delete(String),
}

/// All contents that the registry ever had, by their names.
type History = BTreeMap<String, Vec<Vec<u8>>>;

/// What is here, and what the registry has.
pub(crate) struct State {
    here: Files,
    there: Files,
}

impl Download {
    fn wanted(&self) -> impl Iterator<Item = &Remote> {
        self.files.iter().filter(|file| file.is_wanted)
    }
}

impl World<Download> {
    /// Whether it may be that only the length of what comes is known to be right: also where somebody else refuses the
    /// list.
    fn may_be_unverified(&self) -> bool {
        let is_refused = |action: &Action| matches!(action, Action::Answer(it) if matches!(it.status, 401 | 403));
        let Download { is_visitor, has_checksums, is_listed, .. } = self.of;
        is_visitor && !has_checksums && (!is_listed || self.has_fault(is_refused))
    }

    /// Whether bytes come, under a good status, that are not those of the file.
    fn lies(&self) -> bool {
        self.events.iter().any(|event| match &event.act {
            Act::Fault(Action::SendOtherBytes) => true,
            Act::Fault(Action::Raw(_)) => matches!(event.at, Point::AnswerByte(_)),
            Act::Fault(Action::Answer(answer)) => answer.status < 300,
            _ => false,
        })
    }
}

/// How the names of temporary files end.
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
    const LISTS_MAY_LIE: bool = true;

    type Others = Others;
    type Entries = History;
    type State = State;

    fn draw(rng: &mut Rng, setting: &Setting) -> Self {
        let is_visitor = rng.u8(0..3) == 0;
        let is_listed = !is_visitor || setting.persona == Persona::Forgejo15;
        // Where nobody lists the files, these would be patterns.
        let mut names = names(rng, &[]).filter(|name| is_listed || !name.contains(['[', '{']));
        let files = files(rng, &mut names, 1, 6);
        let mut files: Vec<Remote> = files.into_iter().map(|file| remote(rng, file)).collect();
        if files.iter().all(|file| !file.is_wanted) {
            files[0].is_wanted = true;
        }
        let version = version(rng);
        let is_latest = !is_visitor && rng.bool() && version == "v1.0.0";
        let called = if is_latest { "latest" } else { version };
        Self { version, called, files, is_visitor, is_listed, has_checksums: rng.u8(0..3) == 0 }
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

    fn stock(&self, registry: &Registry) -> History {
        let mut known = History::new();
        let mut sums = String::new();
        for Remote { name, content, .. } in &self.files {
            let bytes = content.bytes();
            registry.seed(OWNER, PACKAGE, self.version, name, &bytes);
            // Writing to a String cannot fail.
            let _ = writeln!(sums, "{}  {name}", sha256(&bytes));
            known.insert(name.clone(), vec![bytes]);
        }
        if self.has_checksums {
            registry.seed(OWNER, PACKAGE, self.version, CHECKSUMS, sums.as_bytes());
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
        let lines: Vec<String> = self.wanted().map(|file| format!("./{}", file.name)).collect();
        job.with(&[
            ("INPUT_FILES", &lines.join("\n")),
            ("INPUT_VERSION", self.called),
            ("INPUT_PATH", "tools"),
            ("INPUT_CHECKSUMS", if self.has_checksums { CHECKSUMS } else { "" }),
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
