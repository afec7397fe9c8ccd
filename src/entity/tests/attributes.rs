//! What entities say beside their states.

use serde_json::{Map, Value as Json, json};

use super::super::*;
use super::{cat, level, pump, strip};

/// The attributes of an entity, or why it does not have them.
#[track_caller]
fn attributes(entity: Result<Entity, EntityError>, attributes: Json, expected: Result<&str, &str>) {
    let Json::Object(attributes) = attributes else { panic!("{attributes} is no object") };
    let found = entity.unwrap().attributes_payload(&attributes).map_err(|error| error.to_string());
    assert_eq!(found.as_ref().map(String::as_str).map_err(String::as_str), expected);
}

#[test]
fn attributes_have_names_that_home_assistant_leaves_to_others() {
    const OWN: &str = "expected attributes without those that Home Assistant has of its own, found";
    attributes(
        pump().attributes(true).build(),
        json!({"flow": 3.5, "mode": "a"}),
        Ok(r#"{"flow":3.5,"mode":"a"}"#),
    );
    attributes(pump().attributes(true).build(), json!({}), Ok("{}"));
    attributes(
        pump().build(),
        json!({"flow": 3}),
        Err(
            r#"switch "pump": expected no attributes, for it is described without `attributes: true`, found "flow""#,
        ),
    );
    for key in ["state", "icon", "friendly_name"] {
        let expected = format!("switch \"pump\": {OWN} {key:?}");
        let object = Json::Object(Map::from_iter([(key.to_owned(), json!(1))]));
        attributes(pump().attributes(true).build(), object, Err(&expected));
    }
    attributes(
        level().attributes(true).build(),
        json!({"max": 1}),
        Err(&format!("number \"level\": {OWN} \"max\"")),
    );
    attributes(
        strip().attributes(true).build(),
        json!({"brightness": 1}),
        Err(&format!("light \"lamp\": {OWN} \"brightness\"")),
    );
}

#[test]
fn a_place_has_two_coordinates() {
    let cat = || cat().attributes(true).build();
    attributes(
        cat(),
        json!({"latitude": 52, "longitude": -13.5}),
        Ok(r#"{"latitude":52,"longitude":-13.5}"#),
    );
    attributes(cat(), json!({"gps_accuracy": "good"}), Ok(r#"{"gps_accuracy":"good"}"#));
    for (place, expected) in [
        (json!({"latitude": 52}), r#"longitude as a number from -180 to 180, found none"#),
        (json!({"latitude": "52", "longitude": 1}), r#"latitude as a number from -90 to 90, found "\"52\"""#),
        (json!({"latitude": 90.5, "longitude": 1}), r#"latitude as a number from -90 to 90, found "90.5""#),
        (
            json!({"latitude": 1, "longitude": 1, "gps_accuracy": null}),
            r#"gps_accuracy as a number from 0 up, found "null""#,
        ),
    ] {
        attributes(cat(), place, Err(&format!("device_tracker \"cat\": expected {expected}")));
    }
}
