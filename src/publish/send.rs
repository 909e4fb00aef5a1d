//! One file on its way: uploads it, and where that has no good answer, looks what is stored before anything else.

use std::pin::pin;
use std::time::Instant;

use super::error::PublishError;
use crate::checksum::Sha256;
use crate::files::FileError;
use crate::listing::Listing;
use crate::plan::{self, Conflict, NamedFile, Step};
use crate::registry::{Budget, Cause, Next, Refusal, Registry, RegistryError, Sent};
use crate::report::{Progress, Reporter, Status};

/// What sending a file came to, where nothing failed.
#[derive(Debug)]
pub(super) enum Ended {
    /// The registry has it.
    Stored(Status, Sha256),
    /// The registry has other content under its name, from somebody else.
    Differs(Conflict),
}

/// Why a file could not be sent.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: PublishError,
    /// Whether the registry may have it all the same.
    pub(super) may_be_there: bool,
    /// Whether every other file would meet the same.
    pub(super) ends_run: bool,
}

impl Failure {
    pub(super) fn new(error: RegistryError, may_be_there: bool) -> Self {
        Self { ends_run: error.meets_every_file(), error: error.into(), may_be_there }
    }
}

/// Sends files.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) registry: &'a Registry<'a>,
    pub(super) reporter: &'a dyn Reporter,
}

impl Sender<'_> {
    /// Sends a file until the registry has it, or for as long as there is hope.
    pub(super) async fn send(self, file: &NamedFile, budget: Budget) -> Result<Ended, Failure> {
        let started = Instant::now();
        let ended = self.try_and_try(file, budget).await;
        match ended {
            Ok(Ended::Stored(Status::Unchanged, _)) => self.reporter.file_unchanged(&file.name, file.local.size),
            Ok(Ended::Stored(..)) => self.reporter.file_sent(&file.name, file.local.size, true, started.elapsed()),
            _ => self.reporter.file_sent(&file.name, file.local.size, false, started.elapsed()),
        }
        ended
    }

    async fn try_and_try(self, file: &NamedFile, mut budget: Budget) -> Result<Ended, Failure> {
        let mut may_be_there = false;
        loop {
            let error = match self.upload(file, &mut budget, &mut may_be_there).await {
                Ok(sha256) => return Ok(Ended::Stored(Status::Uploaded, sha256)),
                Err(error) => error,
            };
            let next = error.next();
            let error = match next {
                Next::Final | Next::Again => error,
                Next::LookFirst | Next::LookOnly => {
                    may_be_there = true;
                    match self.look(file, error, &mut budget).await? {
                        Look::Ended(ended) => return Ok(ended),
                        Look::Absent(error) => error,
                    }
                }
            };
            let is_final = matches!(next, Next::Final | Next::LookOnly);
            if is_final || !self.registry.wait(&mut budget, &error).await {
                return Err(Failure::new(error.after(budget.tries()), may_be_there));
            }
        }
    }

    /// Uploads a file once. Where the body breaks off without an answer, or a proxy answers for the server, the server
    /// may have refused the token at once: then that is asked, and a refusal is what is reported. The token may also be
    /// worth nothing only since then, so the file may be there.
    async fn upload(
        self,
        file: &NamedFile,
        budget: &mut Budget,
        may_be_there: &mut bool,
    ) -> Result<Sha256, RegistryError> {
        let sent = Sent::default();
        let result = self.upload_with_progress(file, &sent).await;
        if let Some(moved) = sent.last_moved() {
            budget.moved(moved);
        }
        match result {
            Err(error) if error.may_hide_a_refusal() => match self.registry.ask_right_at_once().await {
                Err(hidden) if hidden.is_a_refusal_of_every_file() => {
                    *may_be_there = true;
                    Err(hidden.about(error))
                }
                _ => Err(error),
            },
            result => result,
        }
    }

    async fn upload_with_progress(self, file: &NamedFile, sent: &Sent) -> Result<Sha256, RegistryError> {
        let started = Instant::now();
        let upload = pin!(self.registry.upload(&file.local, &file.name, sent));
        let report = async {
            let mut interval = tokio::time::interval(self.reporter.progress_interval());
            interval.tick().await;
            loop {
                interval.tick().await;
                let progress =
                    Progress { name: &file.name, sent: sent.bytes(), size: file.local.size, took: started.elapsed() };
                self.reporter.progresses(&progress);
            }
        };
        tokio::select! {
            result = upload => result,
            () = report => unreachable!("the report goes on for as long as the upload does"),
        }
    }

    /// What to do with a file, given what is there.
    pub(super) async fn step(self, file: &NamedFile, listing: &Listing) -> Result<Step, FileError> {
        let sha256 = if plan::needs_hash(file, listing) { Some(self.registry.hash(&file.local).await?) } else { None };
        Ok(plan::step(file, listing, sha256))
    }

    /// Looks what is stored under the name of a file whose upload had that answer, or none.
    async fn look(self, file: &NamedFile, error: RegistryError, budget: &mut Budget) -> Result<Look, Failure> {
        let exists = matches!(error.cause, Cause::Refused { refusal: Refusal::Exists, .. });
        // That somebody else had published it before us is known only of the first try: later it may have been us.
        let status = if exists && budget.tries() == 1 { Status::Unchanged } else { Status::Uploaded };
        loop {
            // Nothing would be known of the next file either. Why the list is not to be had is found out at the end.
            let Ok(listing) = self.registry.files().await else {
                return Err(Failure { error: error.into(), may_be_there: true, ends_run: true });
            };
            let step = self.step(file, &listing).await;
            match step.map_err(|error| Failure { error: error.into(), may_be_there: true, ends_run: false })? {
                Step::Unchanged(sha256) => {
                    if status == Status::Uploaded {
                        let (name, cause) = (&file.name, &error.cause);
                        self.reporter.notes(&format!(
                            "the answer about `{name}` was lost, but the registry has it bit for bit: {cause}"
                        ));
                    }
                    return Ok(Look::Ended(Ended::Stored(status, sha256)));
                }
                Step::Conflict(conflict) => return Ok(Look::Ended(Ended::Differs(conflict))),
                // The list is behind: a second upload would meet the same answer.
                Step::Upload if exists => {
                    if !self.registry.wait(budget, &error).await {
                        return Err(Failure::new(error.after(budget.tries()), true));
                    }
                }
                Step::Upload => return Ok(Look::Absent(error)),
            }
        }
    }
}

/// What a look at the registry shows of one file.
enum Look {
    /// Something under its name.
    Ended(Ended),
    /// Nothing; the error that led to the look is still open.
    Absent(RegistryError),
}
