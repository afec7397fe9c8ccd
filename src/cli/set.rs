//! `luigi-mqtt set`: asking an entity for a state.

use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use super::Exit;
use super::answer::{granted, json, lost, refused, spelt};
use super::args::Set;
use super::complain;
use super::devices::LISTENING_LIMIT;
use super::get::{described, told};
use super::say;
use super::socket::{Agent, Surroundings, open};
use crate::ingest::CallError;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Asks for what `request` says, and waits where that is wished.
pub(super) fn set(request: &Set, around: &Surroundings<'_>) -> Exit {
    let value = match wanted(&request.words) {
        Ok(value) => value,
        Err(found) => {
            complain(format_args!("luigi-mqtt: expected a JSON object, found {found}"));
            return Exit::Usage;
        }
    };
    let mut agent = match open(&request.route, around) {
        Ok(agent) => agent,
        Err(exit) => return exit,
    };
    let asked = Request::Set { entity: request.entity.clone(), value: value.clone() };
    let (word, fields) = match granted(agent.ask(&asked, LISTENING_LIMIT)) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    if request.json {
        say(&json(Reply::Ok(word, fields), Map::new()));
    }
    match request.wait {
        Some(limit) => wait(&mut *agent, &request.entity, &value, limit),
        None => Exit::Ok,
    }
}

/// What `words` ask for: one word is the state itself, or a JSON object; several are fields of one.
///
/// # Errors
///
/// What looks like an object and is none.
fn wanted(words: &[String]) -> Result<Json, String> {
    if let [word] = words {
        if word.trim_start().starts_with('{') {
            return serde_json::from_str(word).map_err(|cause| format!("{word}: {cause}"));
        }
        if field(word).is_none() {
            return Ok(value(word));
        }
    }
    let fields = words.iter().map(|word| match field(word) {
        Some((name, text)) => (name.to_owned(), value(text)),
        None => ("state".to_owned(), value(word)),
    });
    Ok(Json::Object(fields.collect()))
}

/// `word` as a field and its value, if it is one: `brightness=80`.
fn field(word: &str) -> Option<(&str, &str)> {
    let is_name = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    word.split_once('=').filter(|(name, _)| is_name(name))
}

/// `text` as JSON where it is some, else as a text. A number that would be spelt otherwise stays one: it may be a code or a version,
/// which `1.10` is and 1.1 is not.
fn value(text: &str) -> Json {
    match serde_json::from_str(text) {
        Ok(Json::Number(number)) if number.to_string() != text => text.into(),
        Ok(json) => json,
        Err(_) => text.into(),
    }
}

/// Waits until `entity` says that it is as `wanted`, for `limit` at most.
fn wait(agent: &mut dyn Agent, entity: &str, wanted: &Json, limit: Duration) -> Exit {
    let deadline = Instant::now() + limit;
    let asked = Request::Get { entity: entity.to_owned() };
    let mut pause = FIRST_LOOK;
    loop {
        let device = match granted(agent.ask(&asked, LISTENING_LIMIT)) {
            Ok((_, fields)) => described(fields),
            Err(exit) => return exit,
        };
        if is_so(&device, wanted) {
            return Exit::Ok;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let now = told(&device, "state").map_or("not known".to_owned(), spelt);
            complain(format_args!("luigi-mqtt: {entity} is not so within {limit:?}: its state is {now}"));
            return Exit::Timeout;
        }
        match agent.receive(Some(pause.min(left))) {
            Ok(Reply::Failed(failure)) => return refused(&failure),
            Ok(_) | Err(CallError::Silent(_)) => {}
            Err(error) => return lost(&error),
        }
        pause = (2 * pause).min(LATER_LOOKS);
    }
}

/// Whether `device` has told what is `wanted`, as far as it tells that at all.
fn is_so(device: &Map<String, Json>, wanted: &Json) -> bool {
    match wanted {
        Json::Object(fields) => fields.iter().all(|(name, value)| is_field_so(device, name, value)),
        value => is_field_so(device, "state", value),
    }
}

fn is_field_so(device: &Map<String, Json>, name: &str, wanted: &Json) -> bool {
    let name = if STATES.contains(&name) { "state" } else { name };
    let Some(told) = told(device, name) else {
        // What has nothing to tell, such as a button, is not waited for.
        let tells = device.get("state").and_then(Json::as_object).is_some_and(|it| !it.is_empty());
        return name != "state" || !tells;
    };
    let number = |it: &Json| it.as_f64().or_else(|| it.as_str()?.parse().ok());
    match (number(told), number(wanted)) {
        (Some(told), Some(wanted)) => {
            let off = if name == "brightness" { ROUNDED } else { EXACT };
            (told - wanted).abs() <= off
        }
        // An option of its own may be called so.
        _ if wanted.is_boolean() && told.as_str() == Some(&*wanted.to_string()) => true,
        _ => {
            let (told, wanted) = (word(told), word(wanted));
            told == wanted || DONE.contains(&(wanted.as_str(), told.as_str()))
        }
    }
}

fn word(value: &Json) -> String {
    match value {
        Json::Bool(true) => "on".to_owned(),
        Json::Bool(false) => "off".to_owned(),
        Json::String(text) => text.to_lowercase(),
        other => other.to_string(),
    }
}

/// What the one thing that an entity is about is called where it is asked for; it is told as `state`.
const STATES: [&str; 5] = ["state", "value", "option", "hvac_mode", "operation_mode"];
/// What is asked for, and what is told when it is done.
const DONE: [(&str, &str); 8] = [
    ("open", "opening"),
    ("close", "closed"),
    ("lock", "locked"),
    ("unlock", "unlocked"),
    ("arm_home", "armed_home"),
    ("arm_away", "armed_away"),
    ("arm_night", "armed_night"),
    ("disarm", "disarmed"),
];
/// A brightness goes through other scales on its way, and comes back one less.
const ROUNDED: f64 = 1.0;
/// Of all else no more than what numbers lose when they are written in decimals.
const EXACT: f64 = 1e-6;
/// Lamps answer within a tenth of a second, a blind in many.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LATER_LOOKS: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_a_state_or_fields_or_an_object() {
        for (words, expected) in [
            (&["on"][..], Ok(json!("on"))),
            (&["21.5"], Ok(json!(21.5))),
            (&["-3"], Ok(json!(-3))),
            (&["true"], Ok(json!(true))),
            (&["1.10"], Ok(json!("1.10"))),
            (&["1e5"], Ok(json!("1e5"))),
            (&["12345678901234567890123"], Ok(json!("12345678901234567890123"))),
            (&["volume=007"], Ok(json!({"volume": "007"}))),
            (&["a=b c"], Ok(json!({"a": "b c"}))),
            (&["Warm = cosy"], Ok(json!("Warm = cosy"))),
            (&["on", "brightness=80"], Ok(json!({"state": "on", "brightness": 80}))),
            (&["rgb_color=[255,0,0]"], Ok(json!({"rgb_color": [255, 0, 0]}))),
            (&[r#"{"state":"on"}"#], Ok(json!({"state": "on"}))),
            (&["{on}"], Err("{on}: key must be a string at line 1 column 2".to_owned())),
        ] {
            let words: Vec<String> = words.iter().map(|it| it.to_string()).collect();
            assert_eq!(wanted(&words), expected);
        }
    }

    #[test]
    fn it_is_so_when_it_says_so() {
        for (told, wanted, expected) in [
            (json!({"state": "on"}), json!("ON"), true),
            (json!({"state": "off"}), json!("on"), false),
            (json!({"state": "on"}), json!(true), true),
            (json!({"state": "true"}), json!(true), true),
            (json!({"state": "1.10"}), json!("1.10"), true),
            (json!({"state": "on", "brightness": 79}), json!({"state": "on", "brightness": 80}), true),
            (json!({"state": "on", "brightness": 20}), json!({"state": "on", "brightness": 80}), false),
            (json!({"state": 21.5}), json!({"value": 21.5}), true),
            (json!({"state": 21}), json!({"value": 21.5}), false),
            (json!({"state": "locked"}), json!("lock"), true),
            (json!({"state": "unlocked"}), json!("lock"), false),
            // A button tells nothing; a lamp that has told its brightness alone will.
            (json!({}), json!("press"), true),
            (json!({"brightness": 80}), json!("on"), false),
            (json!({"state": "on"}), json!({"state": "on", "transition": 2}), true),
        ] {
            let device = json!({ "state": told });
            assert_eq!(is_so(device.as_object().unwrap(), &wanted), expected, "{told} {wanted}");
        }
    }
}
