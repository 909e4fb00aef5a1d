//! Runs of the library as the program runs it, with other waits, or with a listener in place of the log.

use std::time::Duration;

use embedded_registry::Registry;
use generic_packages::inputs::Inputs;
use generic_packages::registry::{Exchange, Limits, Observer, Retry};
use generic_packages::report::{self, Console, Header, Progress, Reporter, RunContext, RunReport, Status};
use generic_packages::run;
use generic_packages::runner::{Environment, Runner};
use generic_packages::stop::Stop;

use super::{Job, Ran};

impl Job {
    /// Runs the library as the program does, with waits of milliseconds.
    pub(crate) fn run_with_short_waits(&self) -> Ran {
        let limits = Limits {
            answer: Duration::from_secs(1),
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(4),
            longest_pause: Duration::from_millis(4),
            longest_outage: Duration::from_millis(200),
            first_probe_wait: Duration::from_millis(1),
            longest_probe_wait: Duration::from_millis(15),
            ..Limits::default()
        };
        self.run_library(limits, Some(Duration::from_secs(1)), None)
    }

    /// Runs the library as the program does, with the default waits, on a simulated clock that runs fast after the
    /// first fault. The registry listens again `length` after that fault.
    pub(crate) fn run_through_outage(&self, registry: &Registry, length: Duration) -> Ran {
        self.run_library(Limits::default(), None, Some((registry, length)))
    }

    fn run_library(&self, limits: Limits, timeout: Option<Duration>, outage: Option<(&Registry, Duration)>) -> Ran {
        self.make_runners_files();
        let environment = Environment::new(self.environment(), self.workspace());
        let runner = Runner::detect(&environment);
        let reading = Inputs::read(self.task, &environment, &runner);
        let mut log = Vec::new();
        let console = Console::new(&mut log, &runner, None);
        console.hide(&reading.secrets, &reading.redactor);
        for warning in &reading.warnings {
            console.warn(warning);
        }
        let mut inputs = reading.inputs.expect("good inputs");
        inputs.timeout = timeout.unwrap_or(inputs.timeout);
        let context = RunContext { reporter: &console, stop: Stop::default(), save: &|_| {} };
        let report = runtime().block_on(async {
            tokio::select! {
                report = run::run(&inputs, limits, &context) => report,
                () = end_outage(outage) => unreachable!("the clock runs for as long as the run does"),
            }
        });
        assert_eq!(report::write_results(&report, &console.remarks(), &runner, &reading.redactor), [""; 0]);
        console.write_end(&report);
        drop(console);
        self.read_results(Some(report.exit_code().into()), log)
    }

    /// Runs the library, and reports everything to that listener.
    pub(crate) fn run_with_listener(&self, listener: impl Fn(Event) + Sync) -> RunReport {
        self.run_until(Stop::default(), listener)
    }

    /// Like `run_with_listener`, but `stop` can end the run.
    pub(crate) fn run_until(&self, stop: Stop, listener: impl Fn(Event) + Sync) -> RunReport {
        let environment = Environment::new(self.environment(), self.workspace());
        let inputs = Inputs::read(self.task, &environment, &Runner::detect(&environment)).inputs.expect("good inputs");
        let context = RunContext { reporter: &Listener(listener), stop, save: &|_| {} };
        let report = runtime().block_on(run::run(&inputs, Limits::default(), &context));
        assert!(!report.is_rejected(), "an input is wrong");
        report
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// An event of a run that the listener receives.
pub(crate) enum Event {
    /// A transfer goes on.
    Progress { moved: u64, size: Option<u64> },
    /// A file is identical.
    Unchanged,
    /// A request is retried.
    Retry,
    /// The run waits for the server, or something else happens that is no failure.
    Note(String),
}

struct Listener<F>(F);

impl<F: Fn(Event) + Sync> Observer for Listener<F> {
    fn note(&self, note: &str) {
        (self.0)(Event::Note(note.to_owned()));
    }
    fn report_retry(&self, _: &Retry<'_>) {
        (self.0)(Event::Retry);
    }
    fn end_request(&self, _: &Exchange<'_>) {}
}

impl<F: Fn(Event) + Sync> Reporter for Listener<F> {
    fn begin(&self, _: &Header<'_>) {}
    fn warn(&self, _: &str) {}
    fn notice(&self, _: &str) {}
    fn announce(&self, _: &str) {}
    fn finish_file(&self, status: Status, _: &str, _: u64, _: Option<Duration>) {
        if status == Status::Unchanged {
            (self.0)(Event::Unchanged);
        }
    }
    fn end_transfer(&self, _: &str) {}
    fn progress_interval(&self) -> Duration {
        Duration::from_millis(1)
    }
    fn report_progress(&self, progress: &Progress<'_>) {
        (self.0)(Event::Progress { moved: progress.moved, size: progress.size });
    }
}

/// Lets the registry listen again after an outage. The simulated clock runs fast from the first fault until then.
async fn end_outage(outage: Option<(&Registry, Duration)>) {
    const STEP: Duration = Duration::from_millis(20);
    let Some((registry, mut left)) = outage else { return std::future::pending().await };
    tokio::time::pause();
    loop {
        // While a thread is busy the clock does not move by itself, so that no timeout ends a running request.
        tokio::task::spawn_blocking(|| {}).await.expect("nothing panics");
        let is_away = !registry.acted_faults().is_empty() && !left.is_zero();
        tokio::time::advance(if is_away { STEP } else { STEP / 5 }).await;
        if is_away {
            left = left.saturating_sub(STEP);
            if left.is_zero() {
                registry.resume_listening();
            }
        }
    }
}
