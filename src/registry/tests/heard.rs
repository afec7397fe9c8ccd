//! States, availability, and the first seed's layout.

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
