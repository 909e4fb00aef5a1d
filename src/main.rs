//! The program: reads the environment once, runs the command, and returns the exit code.

use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::panic;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use generic_packages::command::Command;
use generic_packages::inputs::Inputs;
use generic_packages::registry::Limits;
use generic_packages::report::{self, BackgroundWriter, Console, Reporter as _, RunContext, RunReport};
use generic_packages::run::{self, StartError};
use generic_packages::runner::{Environment, Runner};
use generic_packages::sanitize::Sanitized;
use generic_packages::stop::Stop;
use indicatif::{MultiProgress, ProgressDrawTarget};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::runtime::{Builder, Runtime};

const HELP: &str = include_str!("help.txt");

/// The message of a panic, before its location.
const BUG: &str = concat!(
    "error: failed to continue because of a bug in generic-packages ",
    env!("CARGO_PKG_VERSION"),
    "\n  hint: Run the step again; identical files are skipped. Report the bug with this line:"
);

/// The longest wait for the reader of the log after a signal or a panic. GitHub's runner kills a canceled step after
/// 10 seconds.
const LAST_WAIT: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<ExitCode> {
    forbid_core_dumps();
    let log = BackgroundWriter::start(io::stdout()).context("failed to start the thread that writes the log")?;
    // The message of a panic can contain secrets, so only its location is shown.
    panic::set_hook(Box::new({
        let log = log.clone();
        move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let _: io::Result<()> = log.clone().write_all(format!("{BUG} {place}\n").as_bytes());
            log.block_until_written(LAST_WAIT);
        }
    }));
    let arguments: Vec<String> = env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    Ok(match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name] if let Some(command) = Command::from_name(name) => run(command, &log),
        ["--help" | "-h" | "help"] | [_, "--help" | "-h"] => say(HELP, 0),
        ["--version" | "-V"] => say(concat!("generic-packages ", env!("CARGO_PKG_VERSION"), "\n"), 0),
        [] => say(HELP, 2),
        // The arguments are not shown, because they can be secret.
        [name, ..] if Command::from_name(name).is_some() => {
            say(&format!("error: `{name}` takes no arguments. It reads the variables that `--help` lists\n"), 2)
        }
        [unknown, ..] => say(&format!("error: unknown command `{}`\n\n{HELP}", Sanitized::new(unknown)), 2),
    })
}

/// Keeps the memory of the process, and the token in it, out of core dumps and away from other processes of its user.
///
/// The limit alone is not enough: the kernel ignores it if `core_pattern` pipes core dumps to a program. If a sandbox
/// forbids these calls, the run continues without them.
fn forbid_core_dumps() {
    let _: rustix::io::Result<()> = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _: rustix::io::Result<()> = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Prints a text. A closed terminal is not an error.
fn say(text: &str, code: u8) -> ExitCode {
    let _: io::Result<()> = io::stdout().write_all(text.as_bytes());
    code.into()
}

/// Starts the runtime and the signal handlers.
fn start() -> io::Result<(Runtime, Stop)> {
    /// The number of files that must be free to open: for a connection, a name lookup, one file, and the runtime, which panics
    /// if it cannot open its signal pipe.
    const OPEN_FILES: usize = 16;
    (0..OPEN_FILES).map(|_| io::stdout().as_fd().try_clone_to_owned()).collect::<io::Result<Vec<_>>>()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let stop = runtime.block_on(async { Stop::on_signals() })?;
    Ok((runtime, stop))
}

fn run(command: Command, log: &BackgroundWriter) -> ExitCode {
    // Must come first: process 1 of a container has no default signal handlers.
    let started = start().map_err(StartError::from);
    let environment = Environment::new(env::vars_os(), env::current_dir().unwrap_or_default());
    let runner = Runner::detect(&environment);
    let terminal = io::stdout().is_terminal() && !runner.reads_commands();
    let live = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout()));
    // Progress bars write to the terminal themselves, so lines must go there directly to keep the order.
    let out: Box<dyn Write + Send> = if terminal { Box::new(io::stdout()) } else { Box::new(log.clone()) };
    let console = Console::new(out, &runner, live);
    let reading = Inputs::read(command, &environment, &runner);
    console.hide(&reading.secrets, &reading.redactor);
    for warning in &reading.warnings {
        console.warn(warning);
    }
    let (report, started) = match (started, reading.inputs) {
        (Err(error), _) => (RunReport::rejected(command, vec![error]), None),
        (Ok(started), Err(errors)) => (RunReport::rejected(command, errors), Some(started)),
        (Ok((runtime, stop)), Ok(inputs)) => {
            let save = |so_far: &RunReport| {
                for warning in report::write_outputs(so_far, &runner) {
                    console.warn(&warning);
                }
            };
            let context = RunContext { reporter: &console, stop: stop.clone(), save: &save };
            let report = runtime.block_on(run::run(&inputs, Limits::default(), &context));
            (report, Some((runtime, stop)))
        }
    };
    for warning in report::write_results(&report, &console.remarks(), &runner, &reading.redactor) {
        console.warn(&warning);
    }
    console.write_end(&report);
    // A slow reader gets the whole log, unless a signal ends this wait.
    if let Some((runtime, stop)) = started {
        runtime.block_on(stop.or(log.wait_until_written())).unwrap_or_default();
        // A thread that waits for a disk must not block the exit.
        runtime.shutdown_background();
    }
    log.block_until_written(LAST_WAIT);
    report.exit_code().into()
}
