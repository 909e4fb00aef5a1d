//! Runs the registry as a program, for containers and manual tests.
#![expect(clippy::print_stdout, reason = "the addresses and tokens it prints are what it is for")]

use std::io;
use std::process::ExitCode;

use embedded_registry::{IdTokens, Integration, Options, Persona, Registry};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: embedded-registry [--persona NAME] [--address ADDRESS] [--port PORT] [--sub-path /PATH]";

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}\n{USAGE}\npersonas:");
            for persona in Persona::all().into_iter().chain([Persona::Forgejo16]) {
                println!("  {}", persona.name());
            }
            return ExitCode::FAILURE;
        }
    };
    let registry = Registry::start_with(options);
    println!("{} answers at {}", registry.persona().name(), registry.url());
    for (name, secret) in registry.world().secrets() {
        println!("  {name:18} {secret}");
    }
    if registry.persona() == Persona::Forgejo16 {
        registry.offer_id_tokens(IdTokens::default());
        println!("ID tokens for alice:");
        println!("  oidc-audience                  {}", registry.add_integration(Integration::of("alice")));
        println!("  ACTIONS_ID_TOKEN_REQUEST_URL   {}", registry.id_token_url());
        println!("  ACTIONS_ID_TOKEN_REQUEST_TOKEN {}", registry.id_token_request_token());
    }
    match wait_for_end() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("can't wait for signals: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGINT or SIGTERM, so that the uploads in the temporary directory are deleted at the end.
fn wait_for_end() -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value, or is not known"))?;
        let wrong = || format!("{name} can't be {value}");
        match name.as_str() {
            "--persona" => options.persona = Persona::from_name(&value).ok_or_else(wrong)?,
            "--address" => options.address = value.parse().map_err(|_| wrong())?,
            "--port" => options.port = value.parse().map_err(|_| wrong())?,
            "--sub-path" if value.starts_with('/') => value.trim_end_matches('/').clone_into(&mut options.path_prefix),
            _ => return Err(wrong()),
        }
    }
    Ok(options)
}
