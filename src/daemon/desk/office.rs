//! What is behind the desk: [`Office`].

use std::sync::Arc;

use crate::bridge::Handle;
use crate::client::Client;
use crate::config::Config;
use crate::daemon::announcer::Announcer;
use crate::daemon::registrar::Registrar;
use crate::daemon::reload::{Connection, ReloadError, Reloaded};
use crate::model::Chain;
use crate::model::Health;
use crate::protocol::Answer;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::source::Troubles;

/// The bridge, and all that the daemon knows of itself.
pub(in crate::daemon) struct Office {
    pub(in crate::daemon) handle: Handle,
    pub(in crate::daemon) client: Client,
    pub(in crate::daemon) health: Health,
    pub(in crate::daemon) config: Arc<Config>,
    pub(in crate::daemon) announcer: Announcer,
    pub(in crate::daemon) troubles: Troubles,
    pub(in crate::daemon) registrar: Registrar,
}

/// The answer to a request to read the configuration again.
pub(super) fn reloaded(outcome: Result<Reloaded, ReloadError>) -> Result<Answer, Failure> {
    match outcome {
        Ok(Reloaded { added, changed, removed, connection, needs_restart }) => {
            let made_anew = match connection {
                Connection::Unchanged => Vec::new(),
                Connection::MadeAnew(sections) => sections,
            };
            let answer = Answer::ok("reloaded").with("added", added).with("changed", changed);
            let answer = answer.with("removed", removed).with("connection_made_anew_for", made_anew);
            Ok(answer.with("needs_restart", needs_restart))
        }
        Err(ReloadError::Ending) => Err(Failure::new(Code::Ended, "the daemon ends")),
        Err(error) => {
            let text = Chain(&error).to_string();
            let problems: Vec<&str> = text.lines().collect();
            let reason = "the configuration is wrong; the one that was read before stands";
            Err(Failure::new(Code::Configuration, reason).with("problems", problems))
        }
    }
}
