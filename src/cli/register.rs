//! `luigi-mqtt register` and `unregister`: entities that other programs feed.

use std::io::{self, IsTerminal};

use serde_json::{Map, Value as Json};

use super::Exit;
use super::announced::{Announced, check_unused};
use super::answer::{granted, lost, refused};
use super::args::{Register, Unregister};
use super::complain;
use super::migrate;
use super::print;
use super::printable::printable;
use super::socket::{ANSWER_LIMIT, Surroundings, daemon, daemon_unless_direct};
use crate::config::Config;
use crate::daemon::keep;
use crate::daemon::keep_no_longer;
use crate::daemon::roster::PRODUCERS;
use crate::daemon::roster::registered;
use crate::ingest::Caller;
use crate::ledger::Record;
use crate::model::ObjectId;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Has the entity announced that `request` describes. With `--until-exit` blocks until the daemon ends, or whoever asked.
///
/// # Errors
///
/// The exit code, where it does not come to that; what is wrong was said.
pub(super) fn register(request: &Register, around: &Surroundings<'_>) -> Result<(), Exit> {
    let description = description(request)?;
    let name =
        ["platform", "id"].map(|it| description.get(it).and_then(Json::as_str).unwrap_or_default()).join(" ");
    let caller = match request.until_exit {
        true => Some(daemon(&request.route.socket, around)?),
        false => daemon_unless_direct(&request.route, around)?,
    };
    let Some(mut caller) = caller else {
        return without_daemon(around, |config, announced| {
            keep(config, &announced.presence, &description)?;
            Ok(None)
        });
    };
    let asked = Request::Register { description, permanent: !request.until_exit };
    granted(caller.ask(&asked, ANSWER_LIMIT))?;
    if io::stderr().is_terminal() {
        let until = if request.until_exit { ", until Ctrl-C" } else { "" };
        complain(format_args!("registered: {}{until}", printable(&name)));
    }
    match request.until_exit {
        true => Err(obey(&mut caller)),
        false => Ok(()),
    }
}

/// Has the entity removed that `request` names.
///
/// # Errors
///
/// As [`register`].
pub(super) fn unregister(request: &Unregister, around: &Surroundings<'_>) -> Result<(), Exit> {
    let entity = ObjectId::new(&request.id).map_err(|error| {
        complain(format_args!("luigi-mqtt: the entity's id: {error}"));
        Exit::Refused
    })?;
    let Some(mut caller) = daemon_unless_direct(&request.route, around)? else {
        return without_daemon(around, |config, announced| {
            let is_kept = registered(config, &announced.presence.device).iter().any(|it| *it.id() == entity);
            let is_known = |it: &Record| it.owner == PRODUCERS && it.entity == entity;
            if !is_kept && !announced.ledger.records().any(is_known) {
                let reason = format!("no program has registered \"{entity}\"");
                return Err(Failure::new(Code::UnknownEntity, reason));
            }
            keep_no_longer(config, &entity)?;
            Ok(Some(entity))
        });
    };
    granted(caller.ask(&Request::Unregister { entity }, ANSWER_LIMIT))?;
    if io::stderr().is_terminal() {
        complain(format_args!("removed: {}", request.id));
    }
    Ok(())
}

/// Has `change` made of what is kept, and announced as the next start of the daemon would: without the entity that it returns.
///
/// # Errors
///
/// As [`register`]; and where the daemon runs after all.
fn without_daemon(
    around: &Surroundings<'_>,
    change: impl FnOnce(&Config, &Announced) -> Result<Option<ObjectId>, Failure>,
) -> Result<(), Exit> {
    let config = around.load()?;
    let announced = Announced::open(&config)?;
    check_unused(&announced.ledger)?;
    let gone = change(&config, &announced).map_err(|failure| refused(&failure))?;
    migrate::announce_without(&config, announced, gone.as_ref())
}

/// Prints what Home Assistant asks of the entity, a line each, for as long as there is a daemon, and somebody who reads it: else Home
/// Assistant would show an entity that obeys nobody. Returns the exit code.
fn obey(caller: &mut Caller) -> Exit {
    loop {
        match caller.receive(None) {
            Ok(Reply::Event(kind, command)) if kind == "command" => {
                if !print(&format!("{command}\n")) {
                    return Exit::Ok;
                }
            }
            Ok(_) => {}
            Err(error) => return lost(&error),
        }
    }
}

/// The entity, as the socket takes it. What is wrong with it, the daemon knows best.
fn description(request: &Register) -> Result<Map<String, Json>, Exit> {
    if let Some(text) = &request.description {
        return serde_json::from_str(text).map_err(|error| {
            complain(format_args!("luigi-mqtt: --json: expected a JSON object: {error}"));
            Exit::Refused
        });
    }
    let text = |it: &Option<String>| it.as_deref().map(Json::from);
    // What an event may be has a name of its own there.
    let options_field = if request.platform.as_deref() == Some("event") { "event_types" } else { "options" };
    let options = Some(&request.options).filter(|it| !it.is_empty());
    let fields = [
        ("platform", text(&request.platform)),
        ("id", text(&request.id)),
        ("name", text(&request.name).or(request.id.as_deref().map(|it| spelt(it).into()))),
        ("device_class", text(&request.device_class)),
        ("unit", text(&request.unit)),
        ("state_class", text(&request.state_class)),
        ("icon", text(&request.icon)),
        ("precision", request.precision.map(Json::from)),
        ("expire_after", request.expire_after.map(Json::from)),
        (options_field, options.map(|it| it.as_slice().into())),
    ];
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

/// The id `attic_door` for people: `Attic door`.
fn spelt(id: &str) -> String {
    let words = id.replace(['_', '-'], " ");
    let mut letters = words.trim().chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Args, Command, Deferred};
    use super::*;

    fn described(words: &[&str]) -> Result<String, Exit> {
        let words = ["luigi-mqtt", "register"].iter().chain(words);
        let Command::Register(Deferred(request)) =
            Args::try_parse_from(words).map_err(|_| Exit::Usage)?.command
        else {
            unreachable!("register is register");
        };
        description(&request).map(|it| Json::Object(it).to_string())
    }

    #[track_caller]
    fn check(words: &[&str], expected: Result<&str, Exit>) {
        assert_eq!(described(words).as_deref(), expected.as_ref().copied(), "{words:?}");
    }

    #[test]
    fn an_entity_is_described_by_options_or_by_json() {
        check(&["button", "ring-bell"], Ok(r#"{"id":"ring-bell","name":"Ring bell","platform":"button"}"#));
        check(
            &[
                "sensor",
                "attic",
                "--name",
                "Loft",
                "--device-class",
                "temperature",
                "--unit",
                "°C",
                "--precision",
                "1",
            ],
            Ok(
                r#"{"device_class":"temperature","id":"attic","name":"Loft","platform":"sensor","precision":1,"unit":"°C"}"#,
            ),
        );
        check(
            &["select", "mode", "--options", "off,eco", "--icon", "mdi:leaf", "--expire-after", "600"],
            Ok(
                r#"{"expire_after":600,"icon":"mdi:leaf","id":"mode","name":"Mode","options":["off","eco"],"platform":"select"}"#,
            ),
        );
        check(
            &["event", "bell", "--options", "ring"],
            Ok(r#"{"event_types":["ring"],"id":"bell","name":"Bell","platform":"event"}"#),
        );
        check(&["--json", r#"{"id":"a","platform":"text"}"#], Ok(r#"{"id":"a","platform":"text"}"#));
    }

    #[test]
    fn a_description_is_whole_and_stands_once() {
        check(&["sensor"], Err(Exit::Usage));
        check(&[], Err(Exit::Usage));
        check(&["--json", "{}", "--name", "x"], Err(Exit::Usage));
        check(&["--json", "[]"], Err(Exit::Refused));
    }
}
