//! A program that embeds the library announces, changes and removes entities, whatever the broker does meanwhile.

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};

use luigi_mqtt::entity::BinarySensor;
use luigi_mqtt::entity::Entity;
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::mock::View;
use luigi_mqtt::model::ObjectId;
use luigi_mqtt::model::Value;

use crate::support::AVAILABILITY;
use crate::support::LIMIT;
use crate::support::Station;
use crate::support::Witness;
use crate::support::config;
use crate::support::hasty;
use crate::support::retained;
use crate::support::wait_for_retained;
use crate::support::wait_until;
use crate::support::wait_until_or;

fn start(entities: impl IntoIterator<Item = Entity>) -> (Broker, Witness, Station) {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let station = Station::start(&hasty(&config(broker.address().port(), &[])), entities);
    (broker, witness, station)
}

fn attic(name: &str) -> Sensor {
    Sensor::new("attic", name).device_class("temperature").unit("°C")
}

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

/// What Home Assistant shows: entity, state, unit.
fn view(witness: &Witness) -> Vec<(String, String, String)> {
    let mut view = View::new("homeassistant");
    witness.publishes().iter().for_each(|publish| view.update(publish));
    assert_eq!(view.problems().collect::<Vec<_>>(), []);
    view.rows().into_iter().map(|it| (it.entity, it.state, it.unit)).collect()
}

/// Waits until Home Assistant shows just `expected`.
#[track_caller]
fn wait_for_view(witness: &Witness, expected: &[(&str, &str, &str)]) {
    let shown = || view(witness).iter().map(|(a, b, c)| format!("{a}|{b}|{c}")).collect::<Vec<_>>();
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| format!("{a}|{b}|{c}")).collect();
    wait_until_or(&format!("{expected:?}"), LIMIT, || shown() == expected, shown);
}

#[test]
fn an_entity_registered_while_connected_is_announced_and_then_has_its_state() {
    let (broker, witness, station) = start([]);
    witness.wait_for_line(AVAILABILITY, "online");
    station.client.register(attic("Attic").build().unwrap()).unwrap();
    station.offer("attic", 21.5);
    wait_for_view(&witness, &[("Attic", "21.5", "°C")]);
    let topics: Vec<_> = witness.publishes().into_iter().map(|it| it.topic).collect();
    assert_eq!(topics[1].as_str(), CONFIG);
    assert_eq!(topics[2].as_str(), STATE);
    assert_eq!(retained(&broker, STATE).as_deref(), Some("21.5"));
}

#[test]
fn an_entity_registered_anew_is_announced_as_it_is_now() {
    let (broker, witness, station) = start([attic("Attic").build().unwrap()]);
    station.offer("attic", 21.5);
    wait_for_view(&witness, &[("Attic", "21.5", "°C")]);
    station.client.register(attic("Loft").build().unwrap()).unwrap();
    wait_for_view(&witness, &[("Loft", "21.5", "°C")]);
    assert!(retained(&broker, CONFIG).unwrap().contains("Loft"));
    station.offer("attic", 22.0);
    wait_for_view(&witness, &[("Loft", "22", "°C")]);
    assert_eq!(witness.announcements(), 2, "nothing else was announced again");
}

#[test]
fn a_state_that_waits_does_not_outlive_the_entity_it_was_read_for() {
    let (mut broker, witness, station) = start([attic("Attic").build().unwrap()]);
    station.wait_for_delivered(2);
    broker.stop();
    station.wait_for_link(false);
    station.offer("attic", 20.0);
    wait_until("the reading to wait", LIMIT, || station.health.waiting() == 1);
    station.client.register(attic("Attic").unit("°F").build().unwrap()).unwrap();
    station.client.register(Sensor::new("cellar", "Cellar").build().unwrap()).unwrap();
    station.offer("cellar", "wet");
    broker.restart().unwrap();
    // States go in the order in which they came.
    witness.wait_for_line("luigi/pi/cellar", "wet");
    assert_eq!(witness.on(STATE), ["None"], "20 °F");
}

#[test]
fn an_entity_that_changes_its_platform_leaves_nothing_behind() {
    let (broker, witness, station) = start([Sensor::new("attic", "Attic").build().unwrap()]);
    station.offer("attic", "open");
    wait_for_view(&witness, &[("Attic", "open", "")]);
    let window = BinarySensor::new("attic", "Attic window").device_class("window").build().unwrap();
    station.client.register(window).unwrap();
    wait_for_view(&witness, &[("Attic window", "unknown", "")]);
    wait_for_retained(&broker, CONFIG, None);
    assert_eq!(retained(&broker, STATE), None, "`open` is no state of a binary sensor");
    station.offer("attic", true);
    wait_for_view(&witness, &[("Attic window", "on", "")]);
    assert!(retained(&broker, "homeassistant/binary_sensor/luigi-pi/attic/config").is_some());
}

#[test]
fn an_entity_whose_states_expire_from_now_on_leaves_none_of_them_retained() {
    let (broker, witness, station) = start([attic("Attic").build().unwrap()]);
    station.offer("attic", 21.5);
    wait_for_retained(&broker, STATE, Some("21.5"));
    station.client.register(attic("Attic").expire_after(HOUR).build().unwrap()).unwrap();
    station.offer("attic", 22.0);
    wait_for_view(&witness, &[("Attic", "22", "°C")]);
    // 21.5 would look fresh to a Home Assistant that starts tomorrow.
    wait_for_retained(&broker, STATE, None);
}

#[test]
fn an_entity_that_is_unregistered_is_gone_with_its_state() {
    let cellar = || Sensor::new("cellar", "Cellar").build().unwrap();
    let (broker, witness, station) = start([attic("Attic").build().unwrap(), cellar()]);
    station.offer("attic", 21.5);
    station.offer("cellar", "wet");
    wait_for_view(&witness, &[("Attic", "21.5", "°C"), ("Cellar", "wet", "")]);
    station.client.unregister(id("attic"));
    station.client.unregister(id("never_there"));
    wait_for_view(&witness, &[("Cellar", "wet", "")]);
    wait_for_retained(&broker, STATE, None);
    assert_eq!(retained(&broker, CONFIG), None);
    let removals: Vec<_> = witness.publishes().into_iter().filter(|it| it.payload.is_empty()).collect();
    assert_eq!(removals.len(), 2, "{removals:#?}");
    assert!(removals.iter().all(|it| it.retain), "{removals:#?}");

    // What is still read for it goes nowhere, and it does not come back with the next connection.
    station.offer("attic", 22.0);
    wait_until("the reading to be dropped", LIMIT, || station.health.dropped() == 1);
    broker.cut();
    witness.wait_for_lines(AVAILABILITY, "online", 2);
    wait_for_view(&witness, &[("Cellar", "wet", "")]);
}

#[test]
fn an_entity_that_is_unregistered_while_the_broker_is_away_is_removed_when_it_is_back() {
    let (mut broker, witness, station) = start([attic("Attic").build().unwrap()]);
    station.offer("attic", 21.5);
    wait_for_retained(&broker, STATE, Some("21.5"));
    broker.stop();
    station.wait_for_link(false);
    station.offer("attic", 22.0);
    station.client.unregister(id("attic"));
    broker.restart().unwrap();
    wait_for_retained(&broker, CONFIG, None);
    wait_for_retained(&broker, STATE, None);
    wait_for_view(&witness, &[]);
    assert!(!witness.on(STATE).contains(&"22".to_owned()), "{:#?}", witness.lines());
}

#[test]
fn an_entity_that_is_unregistered_and_registered_again_while_the_broker_is_away_is_there() {
    let (mut broker, witness, station) = start([attic("Attic").build().unwrap()]);
    station.offer("attic", 21.5);
    wait_for_retained(&broker, STATE, Some("21.5"));
    broker.stop();
    station.wait_for_link(false);
    station.client.unregister(id("attic"));
    station.client.register(attic("Loft").build().unwrap()).unwrap();
    station.offer("attic", 23.0);
    broker.restart().unwrap();
    wait_for_view(&witness, &[("Loft", "23", "°C")]);
    wait_for_retained(&broker, STATE, Some("23"));
}

#[test]
fn a_state_that_expires_is_not_retained_and_not_told_again_once_it_has() {
    // Longer than states are held back while Home Assistant settles, on a busy machine too.
    let short = attic("Attic").expire_after(Duration::from_secs(10)).build().unwrap();
    let long = Sensor::new("cellar", "Cellar").expire_after(HOUR).build().unwrap();
    let plain = Sensor::new("shed", "Shed").build().unwrap();
    let (broker, witness, station) = start([short, long, plain]);
    station.wait_for_delivered(4);
    let states =
        [(STATE, "attic", 21.0), ("luigi/pi/cellar", "cellar", 12.0), ("luigi/pi/shed", "shed", 3.0)];
    let read = Instant::now();
    for (topic, id, value) in states {
        station.offer(id, value);
        witness.wait_for(topic, |it| it.iter().any(|it| it.topic.as_str() == topic));
    }
    let publishes = witness.publishes();
    let kept = |topic| publishes.iter().find(|it| it.topic.as_str() == topic).unwrap().retain;
    assert_eq!(states.map(|(topic, ..)| kept(topic)), [false, false, true]);

    wait_until("the state to expire", LIMIT, || read.elapsed() > Duration::from_secs(11));
    witness.clear();
    broker.cut();
    witness.wait_for_line("luigi/pi/cellar", "12");
    witness.wait_for_line("luigi/pi/shed", "3");
    station.wait_for_delivered(4 + 3 + 4 + 2);
    assert_eq!(witness.on(STATE), [""; 0]);
    assert_eq!(retained(&broker, "luigi/pi/cellar"), None);
}

#[test]
fn a_value_that_home_assistant_would_refuse_is_dropped_and_told_once() {
    listen();
    let (broker, witness, station) = start([Sensor::new("picky", "Picky").unit("°C").build().unwrap()]);
    let dropped = |count| {
        wait_until_or("drops", LIMIT, || station.health.dropped() == count, || station.health.clone());
    };
    for value in [Value::from("warm"), f64::NAN.into(), true.into()] {
        station.offer("picky", value);
    }
    dropped(3);
    station.offer("picky", 20.0);
    witness.wait_for_line("luigi/pi/picky", "20");
    assert_eq!(warnings(), 1, "one for all of them");
    station.offer("picky", f64::INFINITY);
    dropped(4);
    wait_until_or("another warning", LIMIT, || warnings() == 2, warnings);
    assert_eq!(witness.on("luigi/pi/picky"), ["20"]);
    assert_eq!(retained(&broker, "luigi/pi/picky").as_deref(), Some("20"));
}

#[test]
fn an_entity_that_home_assistant_would_refuse_is_an_error_and_is_not_announced() {
    let error = attic("Attic").unit("kg").build().unwrap_err().to_string();
    assert!(error.contains("unit_of_measurement: expected") && error.contains("°C"), "{error}");

    // These are fine by themselves, and wrong on this device.
    let (_broker, witness, station) = start([]);
    let named_after_device = Sensor::new("attic", "Luigi-pi attic").build().unwrap();
    let error = station.client.register(named_after_device).unwrap_err().to_string();
    assert!(error.starts_with("sensor \"attic\": name: "), "{error}");
    let taken = Sensor::new("availability", "Attic").build().unwrap();
    assert!(station.client.register(taken).unwrap_err().to_string().contains("id: "));
    station.client.register(Sensor::new("cellar", "Cellar").build().unwrap()).unwrap();
    wait_for_view(&witness, &[("Cellar", "unknown", "")]);
    assert_eq!(witness.announcements(), 1);
}

/// Warnings of the entity `picky`, since [`listen`].
fn warnings() -> usize {
    WARNINGS.lock().unwrap().len()
}

/// Keeps warnings of the entity `picky` from now on.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Listener).unwrap();
        log::set_max_level(LevelFilter::Warn);
    });
}

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        if line.starts_with("sensor \"picky\": expected a finite number") {
            WARNINGS.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());
const CONFIG: &str = "homeassistant/sensor/luigi-pi/attic/config";
const STATE: &str = "luigi/pi/attic";
const HOUR: Duration = Duration::from_secs(3600);
