//! What is told without being asked: a [`message`] of the broker, a [`device`] that somebody else announces.

use serde_json::{Map, Value as Json, json};

use super::payload_field;
use super::{Code, Failure};
use crate::model::Incoming;
use crate::registry::Availability;
use crate::registry::Discovered;
use crate::registry::FieldValue;
use crate::registry::Fields;
use crate::registry::State;

/// What stands in the event `message` of the subscription with the number `subscription`, after `dropped` others that were not
/// taken in time: `{"subscription":1,"topic":"a/b","payload":"on","retained":false}`. What is no UTF-8 stands in
/// `payload_base64` instead (RFC 4648, section 4, with padding); `dropped` is left out where it is 0.
pub fn message(subscription: u64, incoming: &Incoming, dropped: u64) -> Json {
    let mut event = json!({
        "subscription": subscription,
        "topic": incoming.topic.as_str(),
        "retained": incoming.retained,
    });
    let (field, payload) = payload_field(&incoming.payload);
    event[field] = payload;
    if dropped > 0 {
        event["dropped"] = dropped.into();
    }
    event
}

/// What stands in the event `device`, in the list of `devices`, and in the answer to `get`: an entity as somebody announces it,
/// with what it has told. What is not known is left out.
///
/// ```text
/// {"id":"lamp","unique_id":"lamp","name":"Lamp","platform":"light","device":{"name":"House","identifiers":["h"]},
///  "origin":"zigbee2mqtt 2.1","availability":"available","state":{"state":"on","brightness":80},
///  "offers":{"state":"one of on, off","brightness":"0 to 255 in steps of 1"}}
/// ```
///
/// `availability` is `available`, `unavailable` or `expired`. What an entity tells in words that are not understood stands in
/// `raw` rather than in `state`. `announced` is false of what is only heard of. `offers` says what it can be set to; it is
/// empty where it takes no commands.
pub fn device(discovered: &Discovered, state: Option<&State>) -> Json {
    let it = discovered;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("id", Some(it.id.as_str().into()));
    put("unique_id", it.unique_id.as_deref().map(Json::from));
    put("name", Some(it.name.as_str().into()));
    put("platform", Some(it.platform.into()));
    put("device_class", it.device_class.as_deref().map(Json::from));
    put("unit", it.unit.as_deref().map(Json::from));
    put(
        "device",
        it.device.as_ref().map(|device| {
            let texts = [
                ("name", &device.name),
                ("manufacturer", &device.manufacturer),
                ("model", &device.model),
                ("sw_version", &device.sw_version),
                ("suggested_area", &device.suggested_area),
                ("via_device", &device.via_device),
            ];
            let known =
                texts.into_iter().filter_map(|(name, text)| Some((name, Json::from(text.as_deref()?))));
            let known = known.map(|(name, text)| (name.to_owned(), text));
            let identifiers = ("identifiers".to_owned(), Json::from(device.identifiers.as_slice()));
            known.chain([identifiers]).collect::<Map<String, Json>>().into()
        }),
    );
    put(
        "origin",
        it.origin.as_ref().map(|origin| match &origin.sw_version {
            Some(version) => format!("{} {version}", origin.name).into(),
            None => origin.name.as_str().into(),
        }),
    );
    put("announced", Some(it.announced.into()));
    put("availability", Some(word(it.availability).into()));
    if let Some(state) = state {
        put(
            "state",
            Some(told(&state.fields, |it| match it {
                FieldValue::Known(value) => Some(value.clone()),
                FieldValue::Raw(_) => None,
            })),
        );
        let raw = told(&state.fields, |it| match it {
            FieldValue::Raw(words) => Some(words.as_str().into()),
            FieldValue::Known(_) => None,
        });
        put("raw", Some(raw).filter(|it| it.as_object().is_some_and(|it| !it.is_empty())));
    }
    let offers = it.offers.iter().map(|offer| (offer.field.to_owned(), offer.range.to_string().into()));
    put("offers", Some(offers.collect::<Map<String, Json>>().into()));
    fields.into()
}

/// That nobody announces an entity that is called `id`.
pub fn no_device(id: &str) -> Failure {
    let failure = Failure::new(Code::UnknownEntity, format!("nobody announces {id:?}"));
    failure.expected("one of those that `devices` lists")
}

fn told(fields: &Fields, value: impl Fn(&FieldValue) -> Option<Json>) -> Json {
    let told = fields.iter().filter_map(|(name, it)| Some((name.to_owned(), value(it)?)));
    told.collect::<Map<String, Json>>().into()
}

fn word(availability: Availability) -> &'static str {
    match availability {
        Availability::Available => "available",
        Availability::Unavailable => "unavailable",
        Availability::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::model::Topic;
    use crate::registry::Limits;
    use crate::registry::Registry;

    fn incoming(topic: &str, payload: &[u8]) -> Incoming {
        Incoming { topic: Topic::new(topic).unwrap(), payload: payload.into(), retained: true }
    }

    #[test]
    fn a_payload_that_is_no_text_is_told_in_base64_and_what_was_missed_is_counted() {
        for (payload, dropped, expected) in [
            (&b"on"[..], 0, json!({"subscription": 3, "topic": "a/b", "payload": "on", "retained": true})),
            (b"", 0, json!({"subscription": 3, "topic": "a/b", "payload": "", "retained": true})),
            (
                b"\xff\x00",
                7,
                json!({"subscription": 3, "topic": "a/b", "payload_base64": "/wA=", "retained": true, "dropped": 7}),
            ),
        ] {
            assert_eq!(message(3, &incoming("a/b", payload), dropped), expected);
        }
    }

    #[test]
    fn a_device_is_told_with_its_state_and_what_it_can_be_set_to() {
        let prefix = Topic::new("homeassistant").unwrap();
        let (mut registry, now) = (Registry::new(&prefix, None, Limits::default()), Instant::now());
        for (topic, payload) in [
            (
                "homeassistant/light/lamp/config",
                r#"{"name":"Lamp","uniq_id":"lamp","stat_t":"lamp","cmd_t":"lamp/set","bri_stat_t":"lamp/bri",
                    "bri_val_tpl":"{{ now() }}","dev":{"ids":"h","name":"House"},"o":{"name":"z2m","sw":"2.1"}}"#,
            ),
            ("lamp", "ON"),
            ("lamp/bri", "many"),
        ] {
            registry.receive(&incoming(topic, payload.as_bytes()), now);
        }
        let (lamp, state) = (registry.device("lamp", now).unwrap(), registry.state("lamp", now));
        let expected = json!({
            "id": "lamp", "unique_id": "lamp", "name": "Lamp", "platform": "light",
            "device": {"name": "House", "identifiers": ["h"]}, "origin": "z2m 2.1", "announced": true,
            "availability": "available", "state": {"state": "on"}, "raw": {"brightness": "many"},
            "offers": {"state": "one of on, off"},
        });
        assert_eq!(device(&lamp, state.as_ref()), expected);
    }
}
