//! The command line: arguments, exit codes, and one short file per sub-command.
//!
//! What several of them share: `socket` finds whoever carries out a request, the daemon or (`direct`) a connection of our own;
//! `listening` finds the next one; `answer` is what came back, `table` and `printable` what people see of it. `announced`, `wanted`,
//! `courier` and `question` are for those that change what the daemon has announced, while it does not run. `standstill` is
//! what `status` says then. `output` is where all of them print.

mod announced;
mod answer;
mod args;
mod check;
mod completions;
mod courier;
mod devices;
mod direct;
mod exit;
mod get;
mod ghosts;
mod listening;
mod luigi;
#[cfg(test)]
mod man;
mod migrate;
mod origin;
mod output;
mod printable;
mod publish;
mod question;
mod register;
mod reload;
mod run;
mod set;
mod socket;
mod standstill;
mod status;
mod subscribe;
mod table;
mod templates;
mod wanted;
mod withdraw;

pub use exit::Exit;

use std::io::Write;

use clap::Parser;

use args::{Args, Command, Deferred};
use luigi::Tool;
use output::{print, say};
use socket::Surroundings;

use crate::config::Config;
use crate::config::Environment;
use crate::daemon::Origin;

/// Does what the process's arguments ask for. Blocks as long as that takes.
pub fn main() -> Exit {
    match obey() {
        Exit::Ok if output::is_lost() => Exit::Unwritten,
        exit => exit,
    }
}

fn obey() -> Exit {
    if let Some(tool) = std::env::args_os().next().and_then(|it| Tool::of(&it)) {
        return tool.run();
    }
    let args = Args::parse();
    let environment = Environment::of_process();
    let around = Surroundings { config: args.config.as_deref(), environment: &environment };
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
            Ok(mode) => {
                let origin = Origin { explicit: args.config.clone(), environment: environment.clone() };
                run::run(config, origin, mock || mode)
            }
            Err(found) => {
                complain(format_args!("MOCK_MODE: expected 1 or 0, yes or no, found {found:?}"));
                Exit::Config
            }
        }),
        Command::Check { connect } => configured(&|config| check::check(&config, connect)),
        Command::Ghosts(Deferred(request)) => configured(&|config| ghosts::ghosts(&config, &request)),
        Command::Migrate { dry_run } => configured(&|config| ended(migrate::migrate(&config, dry_run))),
        Command::Withdraw { dry_run, yes } => {
            configured(&|config| ended(withdraw::withdraw(&config, dry_run, yes)))
        }
        Command::Templates { name } => templates::print(name.as_deref()),
        Command::Publish(Deferred(request)) => publish::publish(&request, &around),
        Command::Subscribe(Deferred(request)) => subscribe::subscribe(&request, &around),
        Command::Devices(Deferred(request)) => devices::devices(&request, &around),
        Command::Get(Deferred(request)) => get::get(&request, &around),
        Command::Set(Deferred(request)) => set::set(&request, &around),
        Command::Register(Deferred(request)) => ended(register::register(&request, &around)),
        Command::Unregister(Deferred(request)) => ended(register::unregister(&request, &around)),
        Command::Status { json, route } => status::status(json, &route, &around),
        Command::Reload { json, socket } => reload::reload(json, &socket, &around),
        Command::Completions { shell } => completions::print(shell),
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

/// Writes to standard error, at once, for others may write there too; a closed one is nobody's loss.
fn complain(what: std::fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{what}\n").as_bytes());
}
