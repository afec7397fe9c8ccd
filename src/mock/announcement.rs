//! What a message on a discovery topic announces, whichever form it has: [`components`].

use serde_json::{Map, Value};

use super::announced::Announced;
use super::announced::find;
use crate::entity::Platform;
use crate::model::ObjectId;

/// What the message says of one entity: its id, Home Assistant's own (`discovery_id` with the platform), and the entity,
/// or that there is none; or why Home Assistant would not take it.
pub(super) type Component = Result<(String, Option<Announced>), String>;

/// The entities in `payload`, which came on `topic`, a discovery topic with `levels` between prefix and `config`; else why
/// Home Assistant would take nothing of it.
pub(super) fn components(topic: &str, levels: &str, payload: &str) -> Result<Vec<Component>, String> {
    let levels: Vec<&str> = levels.split('/').collect();
    let ([platform, ids @ ..], 2..=3) = (&levels[..], levels.len()) else {
        return Err("expected a topic prefix/platform/[node/]object/config".to_owned());
    };
    for id in ids {
        ObjectId::new(id).map_err(|error| error.to_string())?;
    }
    let config: Map<String, Value> =
        serde_json::from_str(payload).map_err(|error| format!("expected a JSON object: {error}"))?;
    if *platform == "device" {
        return of_device(topic, ids, config);
    }
    let entity = Announced::new(topic, known(platform)?, &config)?;
    Ok(vec![Ok((format!("{platform} {}", ids.join(" ")), Some(entity)))])
}

/// Whether `payload` says that what was announced on its topic is about to be announced on another.
pub(super) fn is_migration(payload: &str) -> bool {
    let config = serde_json::from_str::<Map<String, Value>>(payload).unwrap_or_default();
    config.len() == 1 && find(&config, "migrate_discovery", "migr_discvry") == Some(&Value::Bool(true))
}

/// By `homeassistant/components/mqtt/schemas.py`, `DEVICE_DISCOVERY_SCHEMA`, and `discovery.py` for the ids. Devices within
/// a device are not known here.
fn of_device(topic: &str, ids: &[&str], config: Map<String, Value>) -> Result<Vec<Component>, String> {
    let is_known = |key: &str| ROOT.iter().chain(SHARED).any(|(long, short)| key == *long || key == *short);
    if let Some(key) = config.keys().find(|key| !is_known(key)) {
        return Err(format!("expected no key {key:?} beside those of a device"));
    }
    let object = |long: &str, short: &str| match find(&config, long, short) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(format!("{long}: expected an object")),
        None => Err(format!("{long}: expected one, found none")),
    };
    let (device, origin) = (object("device", "dev")?, object("origin", "o")?);
    let names =
        [("identifiers", "ids"), ("connections", "cns")].map(|(long, short)| find(device, long, short));
    if names.iter().flatten().all(|it| it.as_array().is_some_and(Vec::is_empty)) {
        return Err("device: expected identifiers or connections, found none".to_owned());
    }
    if !origin.get("name").is_some_and(Value::is_string) {
        return Err("origin: expected a name, found none".to_owned());
    }
    let mut components = Vec::new();
    for (id, component) in object("components", "cmps")? {
        let component = component.as_object().ok_or_else(|| format!("{id}: expected an object"))?;
        let Some(Value::String(platform)) = find(component, "platform", "p") else {
            return Err(format!("{id}: expected a platform, found none"));
        };
        let known = known(platform).map_err(|problem| format!("{id}: {problem}"))?;
        if component.len() > 1 && find(component, "unique_id", "uniq_id").is_none() {
            return Err(format!("{id}: expected a unique_id, found none"));
        }
        let key = format!("{platform} {} {id}", ids.iter().rev().copied().collect::<Vec<_>>().join(" "));
        let entity = (component.len() > 1).then(|| {
            let mut component = component.clone();
            component.insert("device".to_owned(), Value::Object(device.clone()));
            for (long, short) in SHARED {
                if let (None, Some(shared)) = (find(&component, long, short), find(&config, long, short)) {
                    component.insert((*long).to_owned(), shared.clone());
                }
            }
            Announced::new(topic, known, &component).map_err(|problem| format!("{id}: {problem}"))
        });
        components.push(entity.transpose().map(|entity| (key, entity)));
    }
    Ok(components)
}

fn known(platform: &str) -> Result<Platform, String> {
    Platform::named(platform).ok_or_else(|| format!("expected a platform of entities, found {platform:?}"))
}

/// What a device in one message has of its own, with the short names.
const ROOT: &[(&str, &str)] = &[("device", "dev"), ("origin", "o"), ("components", "cmps")];
/// What it may say for all its components.
const SHARED: &[(&str, &str)] = &[
    ("availability", "avty"),
    ("availability_mode", "avty_mode"),
    ("availability_template", "avty_tpl"),
    ("availability_topic", "avty_t"),
    ("command_topic", "cmd_t"),
    ("encoding", "e"),
    ("message_expiry_interval", "msg_exp_int"),
    ("payload_available", "pl_avail"),
    ("payload_not_available", "pl_not_avail"),
    ("state_topic", "stat_t"),
    ("qos", "qos"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(components: &str, expected: Result<&str, &str>) {
        let payload = format!(
            r#"{{"dev":{{"ids":["pi"],"name":"Pi"}},"o":{{"name":"luigi"}},"avty":[{{"t":"a"}}]{components}}}"#
        );
        let found = super::components("t", "device/pi", &payload).map(|components| {
            let shown = components.into_iter().map(|it| match it {
                Ok((id, Some(it))) => format!("{id}={} {} {}", it.device, it.name, it.availability.len()),
                Ok((id, None)) => format!("{id}="),
                Err(problem) => problem,
            });
            shown.collect::<Vec<_>>().join("; ")
        });
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{payload}");
    }

    #[test]
    fn a_device_has_components_that_share_what_they_do_not_say() {
        let attic = r#""attic":{"p":"sensor","uniq_id":"u","name":"Attic","stat_t":"s""#;
        check(&format!(r#","cmps":{{{attic}}}}}"#), Ok("sensor pi attic=Pi Attic 1"));
        let own = r#","availability":[{"topic":"a"},{"topic":"b"}]"#;
        check(&format!(r#","cmps":{{{attic}{own}}}}}"#), Ok("sensor pi attic=Pi Attic 2"));
        let both = "attic: expected either availability_topic or availability, found both";
        check(&format!(r#","cmps":{{{attic},"avty_t":"a"}}}}"#), Ok(both));
        check(r#","cmps":{"gone":{"p":"switch"}}"#, Ok("switch pi gone="));
        check(
            &format!(r#","cmps":{{{attic}}},"bad":{{"p":"sensor","uniq_id":"v"}}}}"#),
            Ok("sensor pi attic=Pi Attic 1; bad: state_topic: expected one, found none"),
        );
    }

    #[test]
    fn one_mistake_of_the_device_and_none_of_it_is_taken() {
        for (components, problem) in [
            ("", "components: expected one, found none"),
            (r#","cmps":{},"name":"Pi""#, r#"expected no key "name" beside those of a device"#),
            (r#","cmps":[]"#, "components: expected an object"),
            (r#","cmps":{"a":1}"#, "a: expected an object"),
            (r#","cmps":{"a":{}}"#, "a: expected a platform, found none"),
            (r#","cmps":{"a":{"p":"senser"}}"#, r#"a: expected a platform of entities, found "senser""#),
            (r#","cmps":{"a":{"p":"sensor","stat_t":"s"}}"#, "a: expected a unique_id, found none"),
        ] {
            check(components, Err(problem));
        }
        for (payload, problem) in [
            (r#"{"cmps":{}}"#, "device: expected one, found none"),
            (
                r#"{"dev":{},"o":{"name":"a"},"cmps":{}}"#,
                "device: expected identifiers or connections, found none",
            ),
            (r#"{"dev":{"ids":["a"]},"o":{},"cmps":{}}"#, "origin: expected a name, found none"),
        ] {
            assert_eq!(components("t", "device/pi", payload).unwrap_err(), problem);
        }
    }
}
