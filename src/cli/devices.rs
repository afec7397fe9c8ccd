//! `luigi-mqtt devices`: what others announce to Home Assistant.

use serde_json::{Map, Value as Json};

use super::Exit;
use super::answer::{granted, refused, sentence, spelt};
use super::args::Devices;
use super::complain;
use super::listening::{End, listen};
use super::print;
use super::printable::printable;
use super::socket::{ANSWER_LIMIT, Agent, Surroundings, open};
use super::table::{Align, Cell, Look, Paint, Table};
use crate::protocol::Reply;
use crate::protocol::Request;

/// Prints those that `request` asks for; where that is wished then what changes, until somebody has seen enough.
pub(super) fn devices(request: &Devices, around: &Surroundings<'_>) -> Exit {
    if request.watch {
        let watched = listen(&request.route, around, None, |agent| watch(request, agent));
        return watched.unwrap_or(Exit::Ok);
    }
    match open(&request.route, around) {
        Ok(mut agent) => list(request, &mut *agent),
        Err(exit) => exit,
    }
}

fn list(request: &Devices, agent: &mut dyn Agent) -> Exit {
    let mut devices: Vec<Json> = Vec::new();
    loop {
        let after = devices.last().and_then(|it| Some(it.get("id")?.as_str()?.to_owned()));
        let mut fields = match granted(agent.ask(&Request::Devices { after }, LISTENING_LIMIT)) {
            Ok((_, fields)) => fields,
            Err(exit) => return exit,
        };
        let Some(Json::Array(page)) = fields.remove("devices") else {
            complain(format_args!("luigi-mqtt: expected a list of devices, found none"));
            return Exit::Protocol;
        };
        let is_more = fields.get("more") == Some(&Json::Bool(true)) && !page.is_empty();
        devices.extend(page);
        if !is_more {
            break;
        }
    }
    let fits = |it: &&Map<String, Json>| fits(it, request.text.as_deref());
    let devices: Vec<&Map<String, Json>> = devices.iter().filter_map(Json::as_object).filter(fits).collect();
    if devices.is_empty() {
        let of = request.text.as_ref().map_or(String::new(), |it| format!(" with {it:?} in it"));
        complain(format_args!("luigi-mqtt: nothing{of} is announced"));
        return if request.text.is_some() { Exit::Failed } else { Exit::Ok };
    }
    let text = match request.json {
        true => devices.iter().map(|it| format!("{}\n", Json::Object((*it).clone()))).collect(),
        false => table(&devices).text(Paint::of_stdout()),
    };
    print(&text);
    Exit::Ok
}

/// Prints what there is and what changes, until it ends. Blocks as long as that takes.
fn watch(request: &Devices, agent: &mut dyn Agent) -> End {
    match agent.ask(&Request::Watch, LISTENING_LIMIT) {
        Ok(Reply::Failed(failure)) => return End::Over(refused(&failure)),
        Ok(_) => {}
        Err(error) => return error.into(),
    }
    loop {
        let device = match agent.receive(None) {
            Ok(Reply::Event(_, Json::Object(device))) => device,
            Ok(Reply::Failed(failure)) => return End::Lost(sentence(&failure)),
            Ok(_) => continue,
            Err(error) => return error.into(),
        };
        // Of what is gone nobody knows any more what it was called.
        if !is_gone(&device) && !fits(&device, request.text.as_deref()) {
            continue;
        }
        let line = match request.json {
            true => Json::Object(device).to_string(),
            false => line(&device),
        };
        if !print(&format!("{line}\n")) {
            return End::Over(Exit::Ok);
        }
    }
}

/// What stands in `device` under `name`, where that is a text.
pub(super) fn text<'d>(device: &'d Map<String, Json>, name: &str) -> &'d str {
    device.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The name of the device that `device`, an entity, is a part of.
pub(super) fn part_of(device: &Map<String, Json>) -> &str {
    device.get("device").and_then(Json::as_object).map_or("", |it| text(it, "name"))
}

/// Its state with its unit, and how that looks.
fn state(device: &Map<String, Json>) -> Cell {
    match text(device, "availability") {
        "unavailable" => return Cell::new("unavailable", Look::Bad),
        "expired" => return Cell::new("expired", Look::Bad),
        _ => {}
    }
    let told = ["state", "raw"].into_iter().filter_map(|it| device.get(it)?.get("state")).next();
    match (told, text(device, "unit")) {
        (None, _) => Cell::new("-", Look::Faint),
        (Some(Json::Null), _) => Cell::new("unknown", Look::Faint),
        (Some(value), "") => spelt(value).into(),
        (Some(value), unit) => format!("{} {unit}", spelt(value)).into(),
    }
}

fn is_gone(device: &Map<String, Json>) -> bool {
    text(device, "change") == "went"
}

/// Whether `device` has `wanted` in what people know of it, in any case of letters.
fn fits(device: &Map<String, Json>, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted.map(str::to_lowercase) else { return true };
    let own = ["name", "id", "platform"].map(|it| text(device, it));
    own.into_iter().chain([part_of(device)]).any(|it| it.to_lowercase().contains(&wanted))
}

fn table(devices: &[&Map<String, Json>]) -> Table {
    let headings = ["NAME", "ID", "PLATFORM", "DEVICE", "STATE"].map(|it| (it, Align::Left));
    let mut table = Table::new(headings);
    for it in devices {
        let cells = [text(it, "name"), text(it, "id"), text(it, "platform"), part_of(it)];
        let [name, id, platform, part_of] = cells.map(|it| cut(it).into());
        table.row([name, id, platform, part_of, state(it)]);
    }
    table
}

/// News of `device`, in one line.
fn line(device: &Map<String, Json>) -> String {
    let id = printable(text(device, "id"));
    match is_gone(device) {
        true => format!("{id} is gone"),
        false => format!("{id} ({}) {}", printable(text(device, "name")), state(device).into_text()),
    }
}

/// As much of `text` as a table has room for; ids are whole, for they are typed again.
fn cut(text: &str) -> String {
    match text.chars().nth(MOST_CHARS) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MOST_CHARS - 1).chain(['…']).collect(),
    }
}

/// How long the answer may take where the broker is to be listened to first.
pub(super) const LISTENING_LIMIT: std::time::Duration = ANSWER_LIMIT.saturating_mul(3);
/// Home Assistant's own ids have up to 64 characters.
const MOST_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn device(fields: Json) -> Map<String, Json> {
        fields.as_object().unwrap().clone()
    }

    #[test]
    fn the_table_shows_what_each_is_and_tells() {
        let devices = [
            device(json!({"id": "lamp", "name": "Lamp", "platform": "light", "device": {"name": "House"},
                "availability": "available", "state": {"state": "on", "brightness": 80}})),
            device(json!({"id": "attic", "name": "Attic\u{1b}", "platform": "sensor", "unit": "°C",
                "availability": "available", "state": {"state": 21.5}})),
            device(json!({"id": "door", "name": "Door", "platform": "lock", "availability": "unavailable",
                "state": {"state": "locked"}})),
            device(json!({"id": "bell", "name": "Bell", "platform": "event", "availability": "available",
                "state": {}, "raw": {"state": "ding"}})),
            device(json!({"id": "scene", "name": "Scene", "platform": "scene", "availability": "available",
                "state": {}})),
        ];
        assert_eq!(
            table(&devices.iter().collect::<Vec<_>>()).text(Paint::none()),
            "NAME    ID     PLATFORM  DEVICE  STATE\n\
             Lamp    lamp   light     House   on\n\
             Attic�  attic  sensor            21.5 °C\n\
             Door    door   lock              unavailable\n\
             Bell    bell   event             ding\n\
             Scene   scene  scene             -\n"
        );
    }

    #[test]
    fn a_text_is_looked_for_in_names_ids_platforms_and_devices() {
        let lamp =
            device(json!({"id": "x1", "name": "Lamp", "platform": "light", "device": {"name": "Küche"}}));
        for (wanted, expected) in [
            (None, true),
            (Some("lam"), true),
            (Some("X1"), true),
            (Some("LIGHT"), true),
            (Some("küche"), true),
            (Some("door"), false),
        ] {
            assert_eq!(fits(&lamp, wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn news_are_one_line_each() {
        let lamp =
            json!({"id": "lamp", "name": "Lamp", "availability": "available", "state": {"state": "on"}});
        assert_eq!(line(&device(lamp)), "lamp (Lamp) on");
        assert_eq!(line(&device(json!({"id": "lamp", "change": "went"}))), "lamp is gone");
    }
}
