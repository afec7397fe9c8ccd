//! Whatever a program writes to the socket, it is a request that writes itself again, or is refused with a short reason and its tag.
//! What it registers can be announced, what it tells is a state of the entity.
//!
//! The input is a line.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::entity::{
    BinarySensor, Button, Device, Entity, Event, Light, Number, Other, Select, Sensor, Switch, Text, Update,
};
use luigi_mqtt::model::ObjectId;
use luigi_mqtt::protocol::{Code, Envelope, Failure, Reply, Request, entity, value};
use serde_json::Value as Json;

fuzz_target!(|line: &[u8]| {
    // As the command reads what the daemon answers.
    if let Err(flaw) = Reply::parse(line) {
        assert!(!flaw.is_empty());
    }
    let request = match Envelope::parse(line) {
        Ok(Envelope { request, .. }) => request,
        Err((tag, failure)) => return check_failure(failure, tag.as_ref()),
    };
    let again = Envelope::parse(request.line().as_bytes()).expect("it is one");
    assert!(is_same(&again.request, &request), "{request:?} became {:?}", again.request);
    match request {
        Request::Reading { value: Some(told), .. } | Request::Set { value: told, .. } => {
            for entity in &*ENTITIES {
                match value(entity, &told) {
                    Ok(value) => assert!(entity.state_payload(&value).is_ok(), "{entity:?}: {value:?}"),
                    Err(failure) => check_failure(failure, None),
                }
            }
        }
        Request::Register { description, .. } => match entity(&description, &DEVICE) {
            Ok(entity) => assert_eq!(description["id"], entity.id().as_str()),
            Err(failure) => check_failure(failure, None),
        },
        _ => {}
    }
});

/// It is short, and the program at the other end reads what was meant.
fn check_failure(failure: Failure, tag: Option<&Json>) {
    assert!(!failure.reason.is_empty() && failure.code != Code::Internal, "{failure:?}");
    let line = failure.clone().line(tag);
    assert!(line.len() < 64 << 10 && !line.contains('\n'), "{line}");
    assert_eq!(Reply::parse(line.as_bytes()), Ok(Reply::Failed(failure)));
}

/// Whether `one` is `other`, but for the last bit of numbers that have more digits than anybody measures.
fn is_same(one: &Request, other: &Request) -> bool {
    let read = |it: &Request| serde_json::from_str(&it.line()).expect("a request writes JSON");
    one == other || is_close(&read(one), &read(other))
}

fn is_close(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            let (one, other) = (one.as_f64().expect("finite"), other.as_f64().expect("finite"));
            (one - other).abs() <= one.abs() * 1e-15
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_close(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let same = |((name, one), (other_name, other))| name == other_name && is_close(one, other);
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        _ => one == other,
    }
}

static DEVICE: LazyLock<Device> = LazyLock::new(|| Device {
    identifier: ObjectId::new("pi").expect("it has nothing but letters"),
    name: "Pi".to_owned(),
    manufacturer: String::new(),
    model: String::new(),
    sw_version: String::new(),
    via: None,
});

/// One of each way to have a state.
static ENTITIES: LazyLock<Vec<Entity>> = LazyLock::new(|| {
    let entities = [
        Sensor::new("attic", "Attic").unit("°C").build(),
        Sensor::new("plain", "Plain").build(),
        Sensor::new("mode", "Mode").device_class("enum").options(["eco", "1"]).build(),
        Sensor::new("start", "Start").device_class("timestamp").build(),
        BinarySensor::new("door", "Door").payload_on("open").payload_off("1").build(),
        Switch::new("pump", "Pump").build(),
        Button::new("restart", "Restart").build(),
        Number::new("target", "Target").min(-5.5).max(30.0).build(),
        Select::new("speed", "Speed", ["slow", "7"]).build(),
        Text::new("code", "Code").max(8).pattern("[0-9a-z]+").mode("password").build(),
        Light::new("dimmer", "Dimmer").color_modes(["brightness"]).build(),
        Event::new("bell", "Bell", ["ring"]).build(),
        Update::new("firmware", "Firmware").build(),
        Other::new("cover", "gate", "Gate").states(true).build(),
    ];
    entities.map(|it| it.expect("as in the tests")).into()
});
