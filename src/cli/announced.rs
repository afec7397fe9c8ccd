//! What was announced, for the commands that change it while the daemon does not run.

use std::io;
use std::time::Duration;

use super::Exit;
use super::complain;
use super::courier::Undelivered;
use crate::bridge::Presence;
use crate::client;
use crate::config::Config;
use crate::daemon::roster::ledger_of;
use crate::ledger;
use crate::ledger::Ledger;
use crate::model::Chain;

/// The daemon's ledger, and how it announces.
pub(super) struct Announced {
    pub(super) ledger: Ledger,
    pub(super) presence: Presence,
}

impl Announced {
    /// Both, as `config` says; the ledger to be changed, so that no daemon begins with it meanwhile.
    ///
    /// # Errors
    ///
    /// The exit code, where a topic would be too long, or the ledger is not for this user to read; that was said.
    pub(super) fn open(config: &Config) -> Result<Announced, Exit> {
        let announced = Announced::with(config, ledger_of)?;
        check_permitted(&announced.ledger)?;
        Ok(announced)
    }

    /// The same to be looked at: whoever wants to change it is not kept from that.
    ///
    /// # Errors
    ///
    /// The exit code, where a topic would be too long; that was said.
    pub(super) fn look(config: &Config) -> Result<Announced, Exit> {
        Announced::with(config, ledger_to_look_at)
    }

    fn with(config: &Config, ledger: fn(&Config, &Presence) -> Ledger) -> Result<Announced, Exit> {
        let presence = client::presence(config).map_err(|error| {
            complain(format_args!("luigi-mqtt: {}", Chain(&error)));
            Exit::Config
        })?;
        let ledger = ledger(config, &presence);
        if let Some(problem) = ledger.problem() {
            complain(format_args!("luigi-mqtt: {problem}"));
        }
        let identity = ledger.identity().unwrap_or(presence.topics.node()).clone();
        Ok(Announced { ledger, presence: presence.identified(identity) })
    }
}

/// The daemon's ledger, to be looked at only. Reads a small file.
pub(super) fn ledger_to_look_at(config: &Config, presence: &Presence) -> Ledger {
    Ledger::look(&config.spool.directory, &ledger::machine(&config.host.root), presence.topics.node())
}

/// Whether what `ledger` says is known, where it is there: what is ours cannot be told from what nobody owns without it.
///
/// # Errors
///
/// The exit code, where another user would know; that was said.
pub(super) fn check_permitted(ledger: &Ledger) -> Result<(), Exit> {
    if !ledger.is_forbidden() {
        return Ok(());
    }
    complain(format_args!(
        "nothing was done: root may read it, and the user of the daemon; try again with sudo"
    ));
    Err(Exit::Forbidden)
}

/// Whether `ledger` can be changed.
///
/// # Errors
///
/// The exit code, where the daemon runs; that was said.
pub(super) fn check_unused(ledger: &Ledger) -> Result<(), Exit> {
    if !ledger.is_in_use() {
        return Ok(());
    }
    complain(format_args!("luigi-mqtt: nothing was done, for the daemon runs: stop it first"));
    Err(Exit::Unavailable)
}

/// Says that the ledger cannot be `done` so; returns the exit code.
pub(super) fn not_noted(done: &str, error: &io::Error) -> Exit {
    complain(format_args!("luigi-mqtt: cannot {done} the ledger: {error}"));
    Exit::System
}

/// Says what was not delivered and what follows; returns the exit code.
pub(super) fn not_delivered(error: &Undelivered, follows: &str) -> Exit {
    complain(format_args!("luigi-mqtt: {}: {follows}", Chain(error)));
    error.topics.iter().take(SHOWN).for_each(|it| complain(format_args!("left: {it}")));
    if let Some(more) = error.topics.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        complain(format_args!("left: {more} more"));
    }
    Exit::Unavailable
}

/// How long the broker has for all acknowledgements.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// How many of the topics that are left are shown.
const SHOWN: usize = 20;
