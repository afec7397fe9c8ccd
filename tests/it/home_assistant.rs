//! What a real Home Assistant made of our messages, held against them: what it showed then is what is sent now, and
//! what the mock's view shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::mock::View;
use serde_json::Value;

use crate::support::Configuration;
use crate::support::Launch;
use crate::support::Witness;

/// The lines of the file of what Home Assistant showed, split at ` | `.
fn shown() -> Vec<[String; 8]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/home-assistant/pi-zero-w.states");
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|it| !it.starts_with('#'));
    let split = |line: &str| line.split(" | ").map(str::to_owned).collect::<Vec<_>>().try_into().expect(line);
    lines.map(split).collect()
}

/// How Home Assistant writes the state `state`.
fn in_its_words(state: &str) -> String {
    state.strip_suffix('Z').map_or(state.to_owned(), |instant| format!("{instant}+00:00"))
}

#[test]
fn home_assistant_showed_what_is_sent_and_what_the_view_shows() {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/host/pi-zero-w");
    let everything = Configuration::new(broker.address().port()).text();
    let _daemon = Launch::new(&everything).env("LUIGI_MQTT_ROOT", machine).start();
    // The bridge's own figures come last, some seconds after the start.
    witness.wait_for("the last state", |it| it.iter().any(|it| it.topic.as_str().ends_with("/reconnects")));

    let mut view = View::new("homeassistant");
    let mut announced = BTreeMap::new();
    for publish in witness.publishes() {
        view.update(&publish);
        if publish.topic.as_str().ends_with("/config") {
            let payload: Value = serde_json::from_slice(&publish.payload).unwrap();
            announced.insert(publish.topic.as_str().split('/').nth(3).unwrap().to_owned(), payload);
        }
    }
    assert_eq!(view.problems().count(), 0, "{}", view.table());
    let rows = view.rows();
    for [id, name, state, unit, class, state_class, category, icon] in shown() {
        let payload = announced.remove(&id).unwrap_or_else(|| panic!("{id} was not announced"));
        let said = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        let keys = ["name", "unit_of_measurement", "device_class", "state_class", "entity_category", "icon"];
        assert_eq!(keys.map(said), [name.clone(), unit, class, state_class, category, icon], "{id}");
        let row = rows.iter().find(|row| row.entity == name).unwrap_or_else(|| panic!("{id} is not shown"));
        assert!(state == "any" || in_its_words(&row.state) == state, "{id}: {} for {state}", row.state);
    }
    // Home Assistant had these two in its registry, disabled, as they ask for.
    assert_eq!(announced.keys().collect::<Vec<_>>(), ["load_15m", "load_5m"]);
    assert!(announced.values().all(|it| it["enabled_by_default"] == false));
}
