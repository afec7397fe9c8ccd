//! `luigi-mqtt get`: what an entity has told.

use serde_json::{Map, Value as Json};

use super::Exit;
use super::answer::{granted, spelt};
use super::args::Get;
use super::complain;
use super::devices::{LISTENING_LIMIT, part_of, text};
use super::printable::printable;
use super::say;
use super::socket::{Surroundings, open};
use crate::protocol::Request;

/// Prints what `request` asks for.
pub(super) fn get(request: &Get, around: &Surroundings<'_>) -> Exit {
    let mut agent = match open(&request.route, around) {
        Ok(agent) => agent,
        Err(exit) => return exit,
    };
    let asked = Request::Get { entity: request.entity.clone() };
    let device = match granted(agent.ask(&asked, LISTENING_LIMIT)) {
        Ok((_, fields)) => described(fields),
        Err(exit) => return exit,
    };
    let Some(field) = &request.field else {
        match request.json {
            true => say(&Json::Object(device).to_string()),
            false => sheet(&device).iter().for_each(|it| say(it)),
        }
        return Exit::Ok;
    };
    match told(&device, field) {
        Some(value) => {
            say(&spelt(value));
            Exit::Ok
        }
        None => {
            let names: Vec<&str> = fields(&device).map(|(name, _)| name.as_str()).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            complain(format_args!(
                "luigi-mqtt: {} has not told {field:?}; it has told {names}",
                request.entity
            ));
            Exit::Failed
        }
    }
}

/// The entity that an answer describes.
pub(super) fn described(mut fields: Map<String, Json>) -> Map<String, Json> {
    match fields.remove("device") {
        Some(Json::Object(device)) => device,
        _ => fields,
    }
}

/// What `device` has told of `field`, in whatever words.
pub(super) fn told<'d>(device: &'d Map<String, Json>, field: &str) -> Option<&'d Json> {
    fields(device).find(|(name, _)| *name == field).map(|(_, value)| value)
}

/// All that `device` has told, what is not understood last.
fn fields(device: &Map<String, Json>) -> impl Iterator<Item = (&String, &Json)> {
    ["state", "raw"].into_iter().filter_map(|it| device.get(it)?.as_object()).flatten()
}

/// All that is known of `device`, for people: a line each.
fn sheet(device: &Map<String, Json>) -> Vec<String> {
    let of = match part_of(device) {
        "" => String::new(),
        name => format!(" of {}", printable(name)),
    };
    let (name, id) = (printable(text(device, "name")), printable(text(device, "id")));
    let title = format!("{name} ({id}): {}{of}, {}", text(device, "platform"), text(device, "availability"));
    let unit = printable(text(device, "unit"));
    let told = fields(device).map(|(name, value)| match (name.as_str(), unit.as_str()) {
        ("state", unit) if !unit.is_empty() && value.is_number() => {
            (name, format!("{} {unit}", spelt(value)))
        }
        _ => (name, spelt(value)),
    });
    let told: Vec<(&String, String)> = told.collect();
    let width = told.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let told = told.into_iter().map(|(name, value)| format!("  {name:width$}  {value}"));
    let offers = device.get("offers").and_then(Json::as_object).into_iter().flatten();
    let takes = offers.map(|(name, range)| format!("  can be set: {name} to {}", spelt(range)));
    std::iter::once(title).chain(told).chain(takes).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entity_is_told_with_its_state_and_what_it_takes() {
        let lamp = json!({"id": "lamp", "name": "Lamp", "platform": "light", "device": {"name": "House"},
            "availability": "available", "state": {"brightness": 80, "state": "on"}, "raw": {"effect": "a\nb"},
            "offers": {"state": "one of on, off"}});
        let attic = json!({"id": "attic", "name": "Attic", "platform": "sensor", "unit": "°C",
            "availability": "expired", "state": {"state": 21.5}, "offers": {}});
        for (device, expected) in [
            (
                lamp,
                &[
                    "Lamp (lamp): light of House, available",
                    "  brightness  80",
                    "  state       on",
                    "  effect      a�b",
                    "  can be set: state to one of on, off",
                ][..],
            ),
            (attic, &["Attic (attic): sensor, expired", "  state  21.5 °C"]),
        ] {
            assert_eq!(sheet(device.as_object().unwrap()), expected);
        }
    }
}
