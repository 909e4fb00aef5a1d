//! The program: reads the environment once, chooses the command, and turns what comes of it into an exit code.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use generic_packages::inputs::Inputs;
use generic_packages::publish::{Publication, publish};
use generic_packages::registry::Timings;
use generic_packages::report::{Console, Outputs, Reporter as _};
use generic_packages::runner::{Environment, Runner};

const HELP: &str = include_str!("help.txt");

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["publish"] => run(),
        ["--help" | "-h" | "help"] => say(HELP, 0),
        ["--version" | "-V"] => say(concat!("generic-packages ", env!("CARGO_PKG_VERSION"), "\n"), 0),
        _ => say(HELP, 2),
    }
}

fn say(text: &str, code: u8) -> anyhow::Result<ExitCode> {
    io::stdout().write_all(text.as_bytes()).context("cannot write to the terminal")?;
    Ok(code.into())
}

fn run() -> anyhow::Result<ExitCode> {
    let environment = Environment::new(env::vars_os(), env::current_dir().unwrap_or_default());
    let runner = Runner::detect(&environment);
    let console = Console::new(io::stdout(), &runner);
    let reading = Inputs::read(&environment, &runner);
    console.mask(&reading.secrets);
    reading.warnings.iter().for_each(|warning| console.warns(warning));
    let publication = match reading.inputs {
        Ok(inputs) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let published = runtime.block_on(publish(&inputs, Timings::default(), &console));
            published.map_err(|errors| console.rejected(&errors)).ok()
        }
        Err(errors) => {
            console.rejected(&errors);
            None
        }
    };
    let outputs = Outputs::of(publication.as_ref());
    outputs.warnings.iter().for_each(|warning| console.warns(warning));
    match &runner.output {
        Some(path) => outputs.write(path).unwrap_or_else(|error| console.error(&error)),
        None => console.without_outputs(),
    }
    console.ends(publication.as_ref());
    Ok(publication.as_ref().map_or(2, Publication::exit_code).into())
}
