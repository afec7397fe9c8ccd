//! Following what others announce, as a program does it.

use serde_json::{Value, json};

use luigi_mqtt::Client;
use luigi_mqtt::Config;
use luigi_mqtt::Error;
use luigi_mqtt::client::DeviceError;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::model::Topic;
use luigi_mqtt::registry::Availability;

use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::is_subscribed;
use crate::support::wait_until;

/// A client that follows what is announced at `broker`.
fn following(broker: &Broker) -> Client {
    let second = std::time::Duration::from_secs(1);
    let config = Config::builder("remote")
        .broker("127.0.0.1", broker.address().port())
        .reconnect_delays(second, second)
        .build();
    let client = Client::connect(config.unwrap()).unwrap();
    client.start_discovery().unwrap();
    client.wait_connected(LIMIT).unwrap();
    client
}

fn retain(broker: &Broker, topic: &str, payload: impl ToString) {
    broker.publish(&Topic::new(topic).unwrap(), payload.to_string(), true);
}

/// Two entities of one device, which has an availability.
fn announce_device(broker: &Broker) {
    let device = json!({
        "dev": {"ids": "fan_1", "name": "Fan"},
        "o": {"name": "test"},
        "avty_t": "fan/there",
        "cmps": {
            "motor": {"p": "switch", "uniq_id": "fan_motor", "cmd_t": "fan/set", "stat_t": "fan"},
            "speed": {"p": "number", "uniq_id": "fan_speed", "~": "fan", "cmd_t": "~/speed/set", "stat_t": "~/speed",
                      "min": 1, "max": 3, "val_tpl": "{{ value_json.now }}"},
        },
    });
    retain(broker, "homeassistant/device/fan/config", device);
}

#[track_caller]
fn wait_for_state(client: &Client, id: &str, expected: Value) {
    wait_until(&format!("{id} to be {expected}"), LIMIT, || {
        client.state(id).is_some_and(|it| it.fields.known("state") == Some(&expected))
    });
}

#[track_caller]
fn wait_for_availability(client: &Client, id: &str, expected: Availability) {
    wait_until(&format!("{id} to be {expected:?}"), LIMIT, || {
        client.state(id).is_some_and(|it| it.availability == expected)
    });
}

#[test]
fn a_device_is_found_with_its_state_and_does_what_it_offers() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    announce_device(&broker);
    retain(&broker, "fan", "OFF");
    retain(&broker, "fan/speed", r#"{"now": 2}"#);
    retain(&broker, "fan/there", "online");
    let client = following(&broker);
    wait_for_state(&client, "fan_motor", json!("off"));
    wait_for_state(&client, "fan_speed", json!(2));
    wait_for_availability(&client, "fan_motor", Availability::Available);
    let ids: Vec<_> = client.discovered_devices().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, ["fan_motor", "fan_speed"]);

    client.set_state("fan_motor", &json!({"state": "on"})).unwrap();
    client.set_state("fan_speed", &json!({"value": 3})).unwrap();
    witness.wait_for_line("fan/set", "ON");
    witness.wait_for_line("fan/speed/set", "3");
    for wanted in [json!({"value": 4}), json!({"brightness": 1}), json!({})] {
        let error = client.set_state("fan_speed", &wanted).unwrap_err();
        assert!(matches!(error, Error::Device(DeviceError::Refused { .. })), "{wanted}: {error}");
    }
}

/// What announces it, its states by topic, a field with its value, a wish, and the command for it.
type Thing = (
    &'static str,
    Value,
    &'static [(&'static str, &'static str)],
    (&'static str, Value),
    Value,
    &'static str,
);

#[test]
fn each_kind_of_device_tells_and_is_told_in_its_own_words() {
    let things: &[Thing] = &[
        (
            "light",
            json!({"schema": "json", "stat_t": "light", "cmd_t": "light/set", "brightness": true, "name": "Light",
                   "sup_clrm": ["color_temp"]}),
            &[(
                "light",
                r#"{"state": "ON", "brightness": 7, "color_mode": "color_temp", "color_temp": 250}"#,
            )],
            ("brightness", json!(7)),
            json!({"brightness": 100, "color_temp": 4000}),
            r#"light/set = {"state":"ON","brightness":100,"color_temp":250}"#,
        ),
        (
            "switch",
            json!({"stat_t": "switch", "cmd_t": "switch/set", "pl_on": "1", "pl_off": "0", "name": "Switch"}),
            &[("switch", "1")],
            ("state", json!("on")),
            json!({"state": false}),
            "switch/set = 0",
        ),
        (
            "cover",
            json!({"pos_t": "cover/position", "set_pos_t": "cover/position/set", "cmd_t": "cover/set", "name": "Cover"}),
            &[("cover/position", "40")],
            ("position", json!(40)),
            json!({"position": 75}),
            "cover/position/set = 75",
        ),
        (
            "lock",
            json!({"stat_t": "lock", "cmd_t": "lock/set", "name": "Lock"}),
            &[("lock", "LOCKED")],
            ("state", json!("locked")),
            json!({"state": "unlock"}),
            "lock/set = UNLOCK",
        ),
        (
            "select",
            json!({"stat_t": "select", "cmd_t": "select/set", "ops": ["eco", "boost"], "name": "Select"}),
            &[("select", "eco")],
            ("state", json!("eco")),
            json!({"option": "boost"}),
            "select/set = boost",
        ),
    ];
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    for (platform, announcement, states, ..) in things {
        retain(&broker, &format!("homeassistant/{platform}/it/config"), announcement);
        states.iter().for_each(|(topic, payload)| retain(&broker, topic, payload));
    }
    let client = following(&broker);
    for (platform, _, _, (field, value), wanted, command) in things {
        let id = format!("{platform}_it");
        wait_until(&format!("{field} of {id} to be {value}"), LIMIT, || {
            client.state(&id).is_some_and(|it| it.fields.known(field) == Some(value))
        });
        client.set_state(&id, wanted).unwrap();
        witness.wait_for(command, |_| witness.lines().iter().any(|it| it == command));
    }
}

#[test]
fn what_is_not_there_is_told_nothing() {
    let broker = Broker::start(Faults::default()).unwrap();
    announce_device(&broker);
    let client = following(&broker);
    wait_until("the device", LIMIT, || client.device("fan_motor").is_some());
    let refusal = |id: &str| match client.set_state(id, &json!({"state": "on"})).unwrap_err() {
        Error::Device(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(refusal("fan_motor"), DeviceError::Unavailable { id: "fan_motor".to_owned() });
    assert_eq!(refusal("nobody"), DeviceError::Unknown { id: "nobody".to_owned() });
    let error = client.set_state("fan_motor", &"on").unwrap_err();
    assert!(matches!(error, Error::Device(DeviceError::NotAnObject { .. })), "{error}");

    retain(&broker, "fan/there", "online");
    wait_for_availability(&client, "fan_motor", Availability::Available);
    client.set_state("fan_motor", &json!({"state": "on"})).unwrap();
}

#[test]
fn nothing_is_commanded_while_the_broker_is_away() {
    let mut broker = Broker::start(Faults::default()).unwrap();
    retain(&broker, "homeassistant/switch/lamp/config", json!({"command_topic": "lamp/set", "name": "Lamp"}));
    let client = following(&broker);
    wait_until("the lamp", LIMIT, || client.device("switch_lamp").is_some());
    broker.stop();
    wait_until("the end of the connection", LIMIT, || !client.is_connected());
    let error = client.set_state("switch_lamp", &json!({"state": "on"})).unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
}

#[test]
fn changes_and_removals_are_followed_over_a_cut() {
    let broker = Broker::start(Faults::default()).unwrap();
    retain(
        &broker,
        "homeassistant/switch/lamp/config",
        json!({"stat_t": "lamp", "cmd_t": "lamp/set", "name": "Lamp"}),
    );
    retain(&broker, "lamp", "ON");
    let client = following(&broker);
    wait_for_state(&client, "switch_lamp", json!("on"));
    let connects = broker.connect_count();
    broker.cut();
    wait_until("the next connection", LIMIT, || broker.connect_count() > connects && client.is_connected());
    retain(&broker, "lamp", "OFF");
    wait_for_state(&client, "switch_lamp", json!("off"));
    retain(&broker, "homeassistant/switch/lamp/config", "");
    wait_until("its end", LIMIT, || client.device("switch_lamp").is_none());
    wait_until("no subscription to its state", LIMIT, || !is_subscribed(&broker, "lamp"));
}

#[test]
fn who_no_longer_follows_is_subscribed_to_nothing_of_it() {
    let broker = Broker::start(Faults::default()).unwrap();
    announce_device(&broker);
    let client = following(&broker);
    wait_until("its state to be listened to", LIMIT, || is_subscribed(&broker, "fan/speed"));
    client.stop_discovery();
    wait_until("no subscription but that to the birth message", LIMIT, || broker.subscriptions().len() == 1);
    assert!(client.discovered_devices().is_empty());
    assert!(client.state("fan_motor").is_none());
}
