//! States, availability, and the layout.

use super::*;

const SENSOR: &str = "homeassistant/sensor/attic/config";

#[test]
fn entities_that_share_a_topic_each_read_their_own_of_it() {
    let mut bench = Bench::new();
    for name in ["t", "h"] {
        let payload = format!(r#"{{"stat_t":"a/state","val_tpl":"{{{{ value_json.{name} }}}}"}}"#);
        bench.hear(&format!("homeassistant/sensor/{name}/config"), payload);
    }
    let said = bench.hear("a/state", r#"{"t":7,"h":40}"#);
    assert_eq!(said, ["state sensor_t", "state sensor_h"]);
    assert_eq!((bench.state("sensor_t"), bench.state("sensor_h")), ("7".to_owned(), "40".to_owned()));
    assert!(bench.hear("b/state", "1").is_empty());
    assert!(
        bench.hear("homeassistant/sensor/t/config", "")[0].starts_with("removed"),
        "h reads the topic still"
    );
}

#[test]
fn a_topic_with_wildcards_is_read_wherever_it_is_told() {
    let mut bench = Bench::new();
    let payload = r#"{"stat_t":"+/+/BTtoMQTT/A4C1","avty_t":"+/+/LWT","val_tpl":"{{ value_json.tempc | is_defined }}"}"#;
    assert_eq!(
        bench.hear("homeassistant/sensor/ble/config", payload),
        ["listen +/+/BTtoMQTT/A4C1 0", "listen +/+/LWT 0", "announced sensor_ble"]
    );
    let listening: Vec<&str> = bench.registry.listening().map(|(it, _)| it.as_str()).collect();
    assert!(listening.contains(&"+/+/LWT"), "{listening:?}");
    bench.hear("home/attic/LWT", "online");
    assert_eq!(bench.hear("home/attic/BTtoMQTT/A4C1", r#"{"tempc":21.5}"#), ["state sensor_ble"]);
    assert_eq!(bench.hear("home/cellar/BTtoMQTT/A4C1", r#"{"tempc":22.5}"#), ["state sensor_ble"]);
    assert_eq!((bench.state("ble").as_str(), bench.availability("ble")), ("22.5", Availability::Available));
    for topic in ["home/attic/BTtoMQTT/B5D2", "attic/BTtoMQTT/A4C1", "$home/attic/BTtoMQTT/A4C1"] {
        assert!(bench.hear(topic, r#"{"tempc":1}"#).is_empty(), "{topic}");
    }
    // Who comes later knows what was said, and one that reads the topic itself is told as well.
    bench.hear("homeassistant/sensor/later/config", payload);
    bench.hear("homeassistant/sensor/exact/config", r#"{"stat_t":"home/attic/BTtoMQTT/A4C1"}"#);
    assert_eq!(bench.state("later"), "22.5");
    let said = bench.hear("home/attic/BTtoMQTT/A4C1", r#"{"tempc":23}"#);
    assert_eq!(said, ["state sensor_exact", "state sensor_ble", "state sensor_later"]);
    bench.hear("homeassistant/sensor/later/config", "");
    assert_eq!(
        bench.hear("homeassistant/sensor/ble/config", ""),
        ["ignore +/+/BTtoMQTT/A4C1", "ignore +/+/LWT", "removed sensor_ble"]
    );
    assert_eq!(bench.hear("home/attic/BTtoMQTT/A4C1", "{}"), ["state sensor_exact"]);
    bench.hear("homeassistant/sensor/exact/config", "");
    assert_eq!(bench.registry.bytes(), 0);
}

#[test]
fn a_topic_with_wildcards_in_the_layout_is_no_announcement_of_its_devices() {
    let mut bench = Bench::new();
    let said = bench.hear("homeassistant/sensor/log/config", r#"{"stat_t":"smarthome/+/+/state"}"#);
    assert_eq!(said, ["listen smarthome/+/+/state 0", "announced sensor_log"]);
    let said = bench.hear("smarthome/switch/fan/state", "ON");
    assert_eq!(said, ["announced switch_fan", "state switch_fan", "state sensor_log"]);
}

#[test]
fn who_comes_after_the_message_knows_it_all_the_same() {
    let mut bench = Bench::new();
    let payload = r#"{"stat_t":"a/state","avty_t":"a/lwt"}"#;
    bench.hear("homeassistant/sensor/first/config", payload);
    bench.hear("a/state", "7");
    bench.hear("a/lwt", "online");
    assert_eq!(bench.hear("homeassistant/sensor/second/config", payload), ["announced sensor_second"]);
    assert_eq!(bench.state("sensor_second"), "7");
    assert_eq!(bench.availability("sensor_second"), Availability::Available);
    // The same topic, said in other words.
    let other = r#"{"stat_t":"a/state","avty_t":"a/lwt","pl_avail":"up","pl_not_avail":"online"}"#;
    bench.hear("homeassistant/sensor/third/config", other);
    assert_eq!(bench.availability("sensor_third"), Availability::Unavailable);
    assert_eq!(bench.hear("a/lwt", "up"), ["state sensor_third"]);
    assert_eq!(bench.availability("sensor_first"), Availability::Available);
}

#[test]
fn what_was_not_yet_heard_to_be_available_is_not() {
    let mut bench = Bench::new();
    bench.hear(SENSOR, r#"{"stat_t":"a/state","avty":[{"t":"a/lwt"},{"t":"bridge/lwt"}],"avty_mode":"all"}"#);
    assert_eq!(bench.availability("attic"), Availability::Unavailable);
    assert!(bench.hear("a/lwt", "online").is_empty());
    assert_eq!(bench.availability("attic"), Availability::Unavailable);
    assert_eq!(bench.hear("bridge/lwt", "online"), ["state sensor_attic"]);
    assert_eq!(bench.availability("attic"), Availability::Available);
    assert!(bench.hear("bridge/lwt", "whatever").is_empty());
    assert_eq!(bench.hear("a/lwt", "offline"), ["state sensor_attic"]);
    assert_eq!(bench.availability("attic"), Availability::Unavailable);
    bench.hear("homeassistant/sensor/cellar/config", r#"{"stat_t":"c"}"#);
    assert_eq!(bench.availability("cellar"), Availability::Available);
}

#[test]
fn a_state_that_is_not_told_again_expires() {
    let mut bench = Bench::new();
    bench.hear(SENSOR, r#"{"stat_t":"a/state","exp_aft":30}"#);
    assert_eq!(bench.availability("attic"), Availability::Expired);
    bench.hear("a/state", "7");
    bench.wait(Duration::from_secs(29));
    assert_eq!(bench.availability("attic"), Availability::Available);
    bench.hear("a/state", "7");
    bench.wait(Duration::from_secs(29));
    assert_eq!(bench.availability("attic"), Availability::Available);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.availability("attic"), Availability::Expired);
    assert_eq!(bench.state("attic"), "7");
}

#[test]
fn a_binary_sensor_with_an_off_delay_is_off_so_long_after_it_was_last_on() {
    let mut bench = Bench::new();
    bench.hear("homeassistant/binary_sensor/attic/config", r#"{"stat_t":"a/state","off_dly":30}"#);
    bench.hear("a/state", "ON");
    bench.wait(Duration::from_secs(29));
    assert_eq!(bench.state("attic"), "on");
    bench.hear("a/state", "ON");
    bench.wait(Duration::from_secs(29));
    assert_eq!(bench.state("attic"), "on");
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.state("attic"), "off");
    bench.hear("a/state", "ON");
    assert_eq!(bench.state("attic"), "on");
}

#[test]
fn a_device_of_the_layout_is_known_by_what_it_says() {
    let mut bench = Bench::new();
    assert_eq!(bench.hear("smarthome/switch/fan/state", "ON"), ["announced switch_fan", "state switch_fan"]);
    assert_eq!(bench.availability("switch_fan"), Availability::Available);
    assert!(bench.hear("smarthome/switch/fan/set", "OFF").is_empty());
    bench.hear("smarthome/switch/fan/availability", "offline");
    assert_eq!(bench.availability("switch_fan"), Availability::Unavailable);
    bench.hear("smarthome/switch/fan/availability", "online");
    assert_eq!(bench.availability("switch_fan"), Availability::Available);
    assert!(!bench.device("switch_fan").announced);
    bench.hear("smarthome/thermostat/hall/state", "21");
    assert_eq!(bench.device("thermostat_hall").platform, "sensor");
    assert!(bench.hear("smarthome/switch/none/state", "").is_empty());
    assert_eq!(bench.registry.listening().count(), 0, "the filters cover them");
}

#[test]
fn an_announced_entity_has_no_twin_in_the_layout() {
    let announcement =
        r#"{"stat_t":"smarthome/switch/fan/state","cmd_t":"smarthome/switch/fan/set","uniq_id":"fan_1"}"#;
    let topic = "homeassistant/switch/fan/config";
    let mut bench = Bench::new();
    bench.hear("smarthome/switch/fan/state", "ON");
    assert_eq!(bench.hear(topic, announcement), ["removed switch_fan", "announced fan_1"]);
    bench.hear("smarthome/switch/fan/state", "OFF");
    bench.hear("smarthome/switch/fan/availability", "online");
    assert_eq!(bench.ids(), ["fan_1"]);
    bench.hear(topic, "");
    bench.hear("smarthome/switch/fan/state", "ON");
    assert_eq!(bench.ids(), ["switch_fan"]);
    // Without a unique_id the announced one has the very identifier that the heard one had.
    bench.hear(topic, announcement.replace(r#","uniq_id":"fan_1""#, ""));
    assert!(bench.device("switch_fan").announced);
}

#[test]
fn a_device_that_takes_its_commands_in_the_layout_is_known_once() {
    let mut bench = Bench::new();
    let payload = r#"{"cmd_t":"smarthome/switch/fan/set","stat_t":"elsewhere/fan","uniq_id":"the_fan"}"#;
    bench.hear("smarthome/switch/fan/state", "ON");
    assert_eq!(
        bench.hear("homeassistant/switch/f/config", payload),
        ["removed switch_fan", "listen elsewhere/fan 0", "announced the_fan"]
    );
    assert!(bench.hear("smarthome/switch/fan/state", "ON").is_empty());
    assert!(bench.hear("smarthome/switch/fan/set", "ON").is_empty());
    assert_eq!(bench.ids(), ["the_fan"]);
    bench.hear("homeassistant/switch/f/config", "");
    assert_eq!(bench.hear("smarthome/switch/fan/state", "ON")[0], "announced switch_fan");
}

#[test]
fn on_and_off_of_the_layout_count_in_any_case_of_letters() {
    for (topic, payload, expected) in [
        ("smarthome/light/lamp/state", r#"{"state":"on","brightness":10}"#, "on"),
        ("smarthome/light/lamp/state", r#"{"state":"OFF"}"#, "off"),
        ("smarthome/light/lamp/state", "on", "on"),
        ("smarthome/switch/lamp/state", r#"{"state":"off"}"#, "off"),
        ("smarthome/switch/lamp/state", "on", "on"),
        ("smarthome/binary_sensor/lamp/state", "Off", "off"),
        ("smarthome/binary_sensor/lamp/state", r#"{"state":"perhaps"}"#, "raw PERHAPS"),
    ] {
        let mut bench = Bench::new();
        bench.hear(topic, payload);
        assert_eq!(bench.state(&bench.ids()[0]), expected, "{topic} {payload}");
    }
    let mut bench = Bench::new();
    bench.hear("homeassistant/light/l/config", r#"{"schema":"json","cmd_t":"l/set","stat_t":"l"}"#);
    bench.hear("l", r#"{"state":"on"}"#);
    assert_eq!(bench.state("l"), "raw on", "Home Assistant would not take it");
}
