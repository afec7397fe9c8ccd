//! `luigi-mqtt reload`: the daemon reads its configuration again, and says what has changed.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::Exit;
use super::answer::{json, lost, refused, spelt};
use super::args::Socket;
use super::complain;
use super::printable::printable;
use super::say;
use super::socket::{Surroundings, daemon};
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Has it done; with `as_json` prints the answer as it is. Blocks until it is done.
pub(super) fn reload(as_json: bool, socket: &Socket, around: &Surroundings<'_>) -> Exit {
    let reply = match daemon(socket, around).map(|mut it| it.ask(&Request::Reload, LIMIT)) {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => return lost(&error),
        Err(exit) => {
            if exit == Exit::Unavailable {
                complain(format_args!(
                    "there is nothing to reload: a daemon that starts reads its configuration"
                ));
            }
            return exit;
        }
    };
    match reply {
        reply if as_json => {
            let exit = if let Reply::Failed(failure) = &reply { failure.code.into() } else { Exit::Ok };
            say(&json(reply, Map::new()));
            exit
        }
        Reply::Ok(_, fields) => {
            changes(&fields).iter().for_each(|it| say(it));
            Exit::Ok
        }
        Reply::Failed(failure) if failure.code == Code::Configuration => {
            mistakes(&failure).iter().for_each(|it| complain(format_args!("{it}")));
            complain(format_args!("luigi-mqtt: nothing was changed, for the configuration is wrong"));
            Exit::Config
        }
        Reply::Failed(failure) => refused(&failure),
        // Nothing was subscribed to.
        Reply::Event(..) => Exit::Protocol,
    }
}

/// What has changed, a line each: `added: Sensor attic, Sensor cellar`.
fn changes(fields: &Map<String, Json>) -> Vec<String> {
    let line = |(name, title): (&str, &str)| {
        let all = fields.get(name)?.as_array().filter(|it| !it.is_empty())?;
        Some(format!("{title}: {}", all.iter().map(spelt).collect::<Vec<_>>().join(", ")))
    };
    let lines: Vec<String> = CHANGES.into_iter().filter_map(line).collect();
    match lines.is_empty() {
        true => vec!["nothing has changed".to_owned()],
        false => lines,
    }
}

/// Everything that is wrong with the configuration, a line each, as `check` has it.
fn mistakes(failure: &Failure) -> Vec<String> {
    match failure.more.get("problems") {
        Some(Json::Array(all)) if !all.is_empty() => all.iter().map(spelt).collect(),
        _ => failure.reason.lines().map(printable).collect(),
    }
}

/// Outputs on their way to a safe state and a connection that is ended take some seconds, and another reload may go before.
const LIMIT: Duration = Duration::from_secs(60);

/// The fields of the answer, and what they are to people.
const CHANGES: [(&str, &str); 5] = [
    ("added", "added"),
    ("changed", "changed"),
    ("removed", "removed"),
    ("connection_made_anew_for", "the connection is made anew, for"),
    ("needs_restart", "takes effect after a restart"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(answer: Json, expected: &[&str]) {
        assert_eq!(changes(answer.as_object().unwrap()), expected);
    }

    #[test]
    fn what_has_changed_is_said_in_the_order_in_which_it_matters() {
        check(
            json!({"added":[], "changed":[], "removed":[], "connection_made_anew_for":[]}),
            &["nothing has changed"],
        );
        check(
            json!({
                "needs_restart": ["[Logging] FILE"],
                "connection_made_anew_for": ["[Broker]", "[Client]"],
                "removed": ["Host wifi\u{1b}[2J"],
                "added": ["Sensor attic", "Sensor cellar"],
            }),
            &[
                "added: Sensor attic, Sensor cellar",
                "removed: Host wifi�[2J",
                "the connection is made anew, for: [Broker], [Client]",
                "takes effect after a restart: [Logging] FILE",
            ],
        );
    }

    #[test]
    fn each_mistake_is_a_line() {
        let failure = Failure::new(Code::Configuration, "a.conf:7: wrong\na.conf:9: as well");
        assert_eq!(mistakes(&failure), ["a.conf:7: wrong", "a.conf:9: as well"]);
        let failure = failure.with("problems", vec!["a.conf:8: wrong"]);
        assert_eq!(mistakes(&failure), ["a.conf:8: wrong"]);
    }
}
