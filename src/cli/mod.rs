//! The command line: arguments, exit codes, and one short file per sub-command.

mod announced;
mod args;
mod check;
mod courier;
mod exit;
mod ghosts;
mod migrate;
mod origin;
mod question;
mod run;
mod templates;
mod wanted;
mod withdraw;

pub use exit::Exit;

use std::io::Write;

use clap::Parser;

use args::{Args, Command};

use crate::config::Config;
use crate::config::Environment;

/// Does what the process's arguments ask for. Blocks as long as that takes.
pub fn main() -> Exit {
    let args = Args::parse();
    let environment = Environment::of_process();
    let configured = |then: &dyn Fn(Config) -> Exit| match Config::load(args.config.as_deref(), &environment)
    {
        Ok(config) => then(config),
        Err(errors) => {
            complain(format_args!("{errors}"));
            Exit::Config
        }
    };
    match args.command {
        Command::Run { mock } => configured(&|config| match mock_mode(&environment) {
            Ok(mode) => run::run(config, mock || mode),
            Err(found) => {
                complain(format_args!("MOCK_MODE: expected 1 or 0, yes or no, found {found:?}"));
                Exit::Config
            }
        }),
        Command::Check { connect } => configured(&|config| check::check(&config, connect)),
        Command::Ghosts(request) => configured(&|config| ghosts::ghosts(&config, &request)),
        Command::Migrate { dry_run } => configured(&|config| ended(migrate::migrate(&config, dry_run))),
        Command::Withdraw { dry_run, yes } => {
            configured(&|config| ended(withdraw::withdraw(&config, dry_run, yes)))
        }
        Command::Templates { name } => templates::print(name.as_deref()),
    }
}

fn ended(outcome: Result<(), Exit>) -> Exit {
    outcome.err().unwrap_or(Exit::Ok)
}

/// Whether `MOCK_MODE` asks for the mock broker, as the Python module's README has it.
///
/// # Errors
///
/// Its value, when that is neither yes nor no: somebody who meant the mock must not meet the real broker.
fn mock_mode(environment: &Environment) -> Result<bool, String> {
    let Some(mode) = environment.variable("MOCK_MODE") else { return Ok(false) };
    match mode.to_string_lossy().to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        other => Err(other.to_owned()),
    }
}

/// Writes a line; whoever reads may have gone (`| head`), which is no error of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes to standard error; a closed one is nobody's loss.
fn complain(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
