//! Forms, abbreviations, `~`, removals and flaws.

use super::*;

const SENSOR: &str = "homeassistant/sensor/attic/config";

/// The topics to which the announcement `payload` on `topic` has us listen.
#[track_caller]
fn check_topics(topic: &str, payload: &str, expected: &[&str]) {
    let mut bench = Bench::new();
    let said = bench.hear(topic, payload);
    let mut topics: Vec<String> = bench.registry.listening().map(|(topic, _)| topic.to_string()).collect();
    topics.sort();
    assert_eq!(topics, expected, "{payload}: {said:?}");
}

#[test]
fn the_base_is_put_where_a_topic_begins_or_ends_with_it_and_nowhere_else() {
    for (payload, expected) in [
        (r#"{"~":"home/attic","stat_t":"~/state"}"#, ["home/attic/state"]),
        (r#"{"~":"attic","stat_t":"home/~"}"#, ["home/attic"]),
        (r#"{"~":"attic","stat_t":"home/~/state"}"#, ["home/~/state"]),
        (r#"{"~":"attic","state_topic":"~"}"#, ["attic"]),
        (r#"{"~":"a/","stat_t":"~state"}"#, ["a/state"]),
        (r#"{"~":"a","stat_t":"~/b/~"}"#, ["~/b/a"]),
        (r#"{"stat_t":"~/state"}"#, ["~/state"]),
        (r#"{"~":7,"stat_t":"~/state"}"#, ["7/state"]),
    ] {
        check_topics(SENSOR, payload, &expected);
    }
    check_topics(
        SENSOR,
        r#"{"~":"a","stat_t":"~/s","avty":[{"t":"~/lwt"},{"topic":"x/~"}]}"#,
        &["a/lwt", "a/s", "x/a"],
    );
    check_topics(SENSOR, r#"{"~":"a","stat_t":"s","avty":{"t":"~/lwt"}}"#, &["a/lwt", "s"]);
}

#[test]
fn the_short_keys_are_expanded_wherever_home_assistant_expands_them() {
    let mut bench = Bench::new();
    bench.hear(
        SENSOR,
        r#"{"stat_t":"a/state","uniq_id":"attic_t","dev_cla":"temperature","unit_of_meas":"°C",
            "dev":{"ids":"attic","cns":[["mac","02:5b"]],"name":"Attic","mf":"M","mdl":"D","mdl_id":"I","sw":"1","hw":"2",
                   "sn":"3","sa":"Roof","cu":"http://attic"},
            "o":{"name":"maker","sw":"4","url":"http://maker"}}"#,
    );
    let attic = bench.device("attic_t");
    assert_eq!(attic.name, "Attic");
    assert_eq!((attic.device_class.as_deref(), attic.unit.as_deref()), (Some("temperature"), Some("°C")));
    let device = attic.device.unwrap();
    assert_eq!(device.identifiers, ["attic"]);
    assert_eq!(device.connections, [("mac".to_owned(), "02:5b".to_owned())]);
    let words = [device.manufacturer, device.model, device.model_id, device.sw_version, device.hw_version];
    assert_eq!(words.map(Option::unwrap), ["M", "D", "I", "1", "2"]);
    let words = [device.serial_number, device.suggested_area, device.configuration_url];
    assert_eq!(words.map(Option::unwrap), ["3", "Roof", "http://attic"]);
    let origin = attic.origin.unwrap();
    assert_eq!((origin.name.as_str(), origin.sw_version.as_deref()), ("maker", Some("4")));
    assert_eq!(origin.support_url.as_deref(), Some("http://maker"));
}

#[test]
fn where_both_spellings_are_there_the_short_one_wins() {
    check_topics(SENSOR, r#"{"stat_t":"short","state_topic":"long"}"#, &["short"]);
}

#[test]
fn an_empty_payload_removes_and_what_is_no_announcement_leaves_all_as_it_was() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.hear(SENSOR, r#"{"stat_t":"a/state","qos":1}"#),
        ["listen a/state 1", "announced sensor_attic"]
    );
    let refused = "refused: cannot take the announcement on homeassistant/sensor/attic/config: ";
    for (payload, why) in [
        ("null", "expected the payload to be a JSON object"),
        ("[]", "expected the payload to be a JSON object"),
        ("{", "expected JSON"),
        (r#"{"stat_t":"b","o":{"sw":"1"}}"#, "expected name of origin"),
        (&"[".repeat(10_000), "expected JSON"),
        (&" ".repeat(300_000), "expected at most 262144 bytes, found 300000"),
    ] {
        assert_eq!(bench.hear(SENSOR, payload), [format!("{refused}{why}")]);
    }
    assert_eq!(bench.hear("homeassistant/sensor/a.b/config", "{}").len(), 1);
    assert!(bench.hear("homeassistant/toaster/attic/config", r#"{"stat_t":"x"}"#).is_empty());
    assert_eq!(bench.ids(), ["sensor_attic"]);
    assert_eq!(bench.hear(SENSOR, ""), ["ignore a/state", "removed sensor_attic"]);
    assert!(bench.hear(SENSOR, "").is_empty());
    assert!(bench.registry.is_empty());
    assert_eq!(bench.registry.bytes(), 0);
}

const DEVICE: &str = r#"{
    "dev":{"ids":"attic","name":"Attic"},"o":{"name":"maker"},"stat_t":"attic/state","qos":1,"avty_t":"attic/lwt",
    "cmps":{"t":{"p":"sensor","uniq_id":"attic_t","val_tpl":"{{ value_json.t }}"},
            "l":{"p":"light","uniq_id":"attic_l","cmd_t":"attic/set","stat_t":"attic/light","name":null}}}"#;

#[test]
fn components_have_what_the_device_has_for_all_and_their_own_wins() {
    let mut bench = Bench::new();
    let said = bench.hear("homeassistant/device/attic/config", DEVICE);
    assert_eq!(
        said,
        [
            "listen attic/light 1",
            "listen attic/lwt 1",
            "announced attic_l",
            "listen attic/state 1",
            "announced attic_t"
        ]
    );
    assert_eq!(bench.device("attic_l").name, "Attic");
    assert_eq!(bench.device("attic_t").device, bench.device("attic_l").device);
    bench.hear("attic/lwt", "online");
    assert_eq!(bench.availability("attic_t"), Availability::Available);
    bench.hear("attic/state", r#"{"t":7}"#);
    assert_eq!(bench.state("attic_t"), "7");
}

#[test]
fn a_component_is_removed_by_its_platform_alone_and_not_by_being_left_out() {
    let mut bench = Bench::new();
    let topic = "homeassistant/device/attic/config";
    bench.hear(topic, DEVICE);
    let without = r#"{"dev":{"ids":"attic"},"o":{"name":"maker"},"cmps":{}}"#;
    assert!(bench.hear(topic, without).is_empty());
    assert_eq!(bench.ids(), ["attic_l", "attic_t"]);
    let alone =
        r#"{"dev":{"ids":"attic"},"o":{"name":"maker"},"cmps":{"t":{"p":"sensor"},"x":{"p":"sensor"}}}"#;
    assert_eq!(bench.hear(topic, alone), ["ignore attic/state", "removed attic_t"]);
    assert_eq!(bench.hear(topic, "").last().unwrap(), "removed attic_l");
    assert_eq!(bench.registry.bytes(), 0);
}

#[test]
fn only_the_components_that_are_announced_otherwise_are_updated() {
    let mut bench = Bench::new();
    let topic = "homeassistant/device/attic/config";
    bench.hear(topic, DEVICE);
    assert!(bench.hear(topic, DEVICE).is_empty());
    let bytes = bench.registry.bytes();
    let changed = DEVICE.replace("value_json.t", "value_json.u");
    assert_eq!(bench.hear(topic, &changed), ["updated attic_t"]);
    assert_eq!(bench.registry.bytes(), bytes, "the older payload is forgotten");
}

#[test]
fn what_a_device_lacks_is_said_and_one_bad_component_costs_only_itself() {
    let mut bench = Bench::new();
    let topic = "homeassistant/device/attic/config";
    for (payload, why) in [
        (r#"{"o":{"name":"m"},"cmps":{}}"#, "expected device"),
        (
            r#"{"dev":{"name":"x"},"o":{"name":"m"},"cmps":{}}"#,
            "expected identifiers or connections of device",
        ),
        (r#"{"dev":{"ids":[]},"o":{"name":"m"},"cmps":{}}"#, "expected identifiers or connections of device"),
        (r#"{"dev":{"ids":"x"},"cmps":{}}"#, "expected origin"),
        (r#"{"dev":{"ids":"x"},"o":{"name":"m"}}"#, "expected components"),
        (r#"{"dev":{"ids":"x"},"o":{"name":"m"},"cmps":7}"#, "expected components to be a JSON object"),
        ("{}", "expected device"),
    ] {
        let said = bench.hear(topic, payload);
        assert!(said.len() == 1 && said[0].ends_with(why), "{payload}: {said:?}");
    }
    let said = bench.hear(
        topic,
        r#"{"dev":{"ids":"x"},"o":{"name":"m"},"cmps":{
            "a":{"p":"sensor","stat_t":"a"},"b":{"p":"toaster","uniq_id":"b"},"c":7,
            "d":{"p":"sensor","uniq_id":"d","stat_t":"d"}}}"#,
    );
    assert_eq!(
        said,
        [
            "refused: cannot take component \"a\" announced on homeassistant/device/attic/config: expected unique_id",
            "listen d 0",
            "announced d"
        ]
    );
}

#[test]
fn child_devices_have_entities_of_their_own() {
    let mut bench = Bench::new();
    bench.hear(
        "homeassistant/device/hub/config",
        r#"{"dev":{"ids":"hub","name":"Hub"},"o":{"name":"m"},"cdevs":[
            {"ids":"lamp","name":"Lamp","cmps":{"l":{"p":"light","uniq_id":"lamp_l","cmd_t":"lamp/set","name":null}}}]}"#,
    );
    let lamp = bench.device("lamp_l");
    let device = lamp.device.unwrap();
    assert_eq!((lamp.name.as_str(), device.identifiers.as_slice()), ("Lamp", ["lamp".to_owned()].as_slice()));
    assert_eq!(device.via_device.as_deref(), Some("hub"));
}

#[test]
fn a_name_of_no_letters_is_the_device_s() {
    let mut bench = Bench::new();
    bench.hear(
        "homeassistant/sensor/a/config",
        r#"{"name":"","stat_t":"a","dev":{"ids":"1","name":"Attic"}}"#,
    );
    assert_eq!(bench.device("a").name, "Attic");
}
