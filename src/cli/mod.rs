//! The command line: arguments, exit codes, and one short file per sub-command.

mod args;
mod check;
mod exit;
mod run;

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
    let config = match Config::load(args.config.as_deref(), &environment) {
        Ok(config) => config,
        Err(errors) => {
            complain(format_args!("{errors}"));
            return Exit::Config;
        }
    };
    match args.command {
        Command::Run { mock } => run::run(config, mock || mock_mode(&environment)),
        Command::Check { connect } => check::check(&config, connect),
    }
}

/// Whether `MOCK_MODE` asks for the mock broker, as the Python module's README has it.
fn mock_mode(environment: &Environment) -> bool {
    let mode = environment.variable("MOCK_MODE").map(|it| it.to_string_lossy().to_lowercase());
    mode.is_some_and(|it| ["1", "yes", "true", "on"].contains(&it.as_str()))
}

/// Writes to standard error; a closed one is nobody's loss.
fn complain(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
