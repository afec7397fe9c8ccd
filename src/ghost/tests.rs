//! What a broker keeps, and which of it are ghosts.

use time::format_description::well_known::Rfc3339;

use super::*;
use crate::model::ObjectId;

/// A broker's messages, and what is known to be ours.
struct Scene {
    hearing: Hearing,
    ours: Ours,
}

impl Scene {
    fn new() -> Scene {
        let id = |text| ObjectId::new(text).unwrap();
        let ours = Ours {
            identity: id("luigi-old"),
            node: id("luigi-pi"),
            availability: topic("luigi/pi/availability"),
            present: [topic("homeassistant/sensor/luigi-pi/load/config")].into(),
            remembered: BTreeMap::new(),
        };
        Scene { hearing: Hearing::new(&topic("homeassistant")), ours }
    }

    /// The broker keeps this.
    fn keeps(mut self, on: &str, payload: &str) -> Scene {
        self.hear(on, payload.as_bytes(), true);
        self
    }

    /// Somebody says this now.
    fn hears(mut self, on: &str, payload: &str) -> Scene {
        self.hear(on, payload.as_bytes(), false);
        self
    }

    fn hear(&mut self, on: &str, payload: &[u8], retained: bool) {
        self.hearing
            .receive(&Incoming { topic: topic(on), payload: payload.into(), retained }, Instant::now());
    }

    /// The ledger knows `on`, and that the broker may keep something on `retained`.
    fn remembers(mut self, on: &str, retained: &[&str]) -> Scene {
        let retained = retained.iter().map(|it| topic(it)).collect();
        let since = "2026-11-01T00:00:00Z".to_owned();
        self.ours.remembered.insert(topic(on), Remembered { since, retained });
        self
    }

    fn ghosts(&self) -> Vec<Ghost> {
        let now = OffsetDateTime::parse("2026-11-22T06:00:00Z", &Rfc3339).unwrap();
        self.hearing.ghosts(&self.ours, Instant::now(), now)
    }

    /// Sees that the ghosts are those: topic below the prefix, reason, and what else is to be removed.
    #[track_caller]
    fn check(self, expected: &[(&str, Reason, &[&str])]) {
        let ghosts = self.ghosts();
        let found: Vec<_> = ghosts
            .iter()
            .map(|it| {
                let place = it.topic.as_str().strip_prefix("homeassistant/").unwrap();
                let residue: Vec<&str> = it.residue.iter().map(Topic::as_str).collect();
                (place.strip_suffix("/config").unwrap(), it.reason, residue)
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(a, b, c)| (*a, *b, c.to_vec())).collect();
        assert_eq!(found, expected);
    }
}

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

/// An announcement by us: of the entity `id` with a state and attributes, available as the device is.
fn by_us(id: &str) -> String {
    format!(
        r#"{{"name":"N","unique_id":"luigi-pi_{id}","stat_t":"luigi/pi/{id}","json_attr_t":"luigi/pi/{id}/attributes",
        "avty_t":"luigi/pi/availability","dev":{{"ids":["luigi-pi"],"name":"Pi"}},"o":{{"name":"luigi-mqtt"}}}}"#
    )
}

/// An announcement by somebody else, who is available on `lamp/availability`.
const LAMP: &str = r#"{"name":"Lamp","uniq_id":"lamp","stat_t":"lamp/state","cmd_t":"lamp/set","avty_t":"lamp/availability"}"#;
const AT_LAMP: &str = "homeassistant/light/lamp/config";
const AT_ATTIC: &str = "homeassistant/sensor/luigi-pi/attic/config";

#[test]
fn what_is_configured_is_none_whatever_it_says() {
    Scene::new()
        .keeps("homeassistant/sensor/luigi-pi/load/config", &by_us("load"))
        .keeps("luigi/pi/availability", "offline")
        .check(&[]);
}

#[test]
fn what_we_announced_and_is_not_configured_is_certain_and_takes_its_own_with_it() {
    let scene = Scene::new()
        .keeps(AT_ATTIC, &by_us("attic"))
        .keeps("luigi/pi/availability", "online")
        .keeps("luigi/pi/attic", "21.5")
        .hears("luigi/pi/attic/attributes", "{}");
    assert!(scene.ghosts()[0].is_certain());
    // The attributes were only said. All of the device have the availability.
    scene.check(&[("sensor/luigi-pi/attic", Reason::NotConfigured, &["luigi/pi/attic"])]);
}

#[test]
fn what_somebody_else_reads_too_is_left() {
    Scene::new()
        .keeps(AT_ATTIC, &by_us("attic"))
        .keeps("homeassistant/binary_sensor/luigi-pi/attic/config", "not JSON")
        .keeps("homeassistant/sensor/other/config", r#"{"name":"O","state_topic":"luigi/pi/attic"}"#)
        .keeps("luigi/pi/attic", "21.5")
        .check(&[
            ("binary_sensor/luigi-pi/attic", Reason::Stray, &[]),
            ("sensor/luigi-pi/attic", Reason::NotConfigured, &[]),
        ]);
}

#[test]
fn what_the_ledger_knows_is_ours_wherever_it_is_and_however_broken() {
    let on = "homeassistant/sensor/luigi-older/attic/config";
    let scene = Scene::new().keeps(on, "{").remembers(on, &["luigi/older/attic", "luigi/pi/availability"]);
    let ghost = &scene.ghosts()[0];
    assert!(ghost.is_certain() && ghost.entities == 0);
    assert_eq!(ghost.last_sign.unwrap().to_string(), "2026-11-01 0:00:00.0 +00:00:00");
    scene.check(&[("sensor/luigi-older/attic", Reason::NotConfigured, &["luigi/older/attic"])]);
}

#[test]
fn what_only_has_our_name_may_be_another_programs() {
    let python = r#"{"name":"N","unique_id":"luigi-pi_x","state_topic":"luigi/pi/x"}"#;
    Scene::new()
        .keeps("luigi/pi/availability", "online")
        .keeps("homeassistant/sensor/luigi-pi/x/config", python)
        .keeps("homeassistant/sensor/luigi-old/y/config", &by_us("y"))
        .keeps("homeassistant/sensor/luigi-pi-doorbell/z/config", &by_us("z"))
        .keeps(
            "homeassistant/device/luigi-pi/config",
            r#"{"dev":{"ids":"luigi-pi"},"o":{"name":"luigi-mqtt"},"cmps":{"a":{"p":"sensor","uniq_id":"a","stat_t":"luigi/pi/a"}}}"#,
        )
        .keeps(
            "homeassistant/sensor/guest/config",
            r#"{"name":"G","state_topic":"g","device":{"identifiers":["luigi-old"]}}"#,
        )
        .check(&[
            ("device/luigi-pi", Reason::NotConfigured, &[]),
            ("sensor/guest", Reason::Stray, &[]),
            ("sensor/luigi-old/y", Reason::NotConfigured, &[]),
            ("sensor/luigi-pi/x", Reason::Stray, &[]),
        ]);
}

#[test]
fn of_others_it_is_never_certain() {
    let offline = Scene::new().keeps(AT_LAMP, LAMP).keeps("lamp/availability", "offline");
    let offline = offline.keeps("lamp/state", r#"{"last_seen":"2025-01-01T00:00:00Z"}"#);
    let ghost = &offline.ghosts()[0];
    assert!(!ghost.is_certain() && ghost.residue.is_empty());
    assert_eq!(ghost.last_sign.unwrap().year(), 2025);
    offline.check(&[("light/lamp", Reason::Offline, &[])]);
    Scene::new().keeps(AT_LAMP, LAMP).check(&[("light/lamp", Reason::Silent, &[])]);
}

#[test]
fn whoever_gives_a_sign_of_life_is_none() {
    let lamp = || Scene::new().keeps(AT_LAMP, LAMP);
    for alive in [
        lamp().keeps("lamp/availability", "online"),
        lamp().keeps("lamp/state", "ON"),
        lamp().hears("lamp/state", "ON"),
        lamp().hears("lamp/availability", "offline"),
        lamp().keeps("lamp/availability", "offline").hears(AT_LAMP, LAMP),
        lamp().keeps("lamp/availability", "offline").hears("lamp/state", "OFF"),
        Scene::new()
            .keeps(
                "homeassistant/sensor/w/config",
                r#"{"name":"W","stat_t":"w/+/state","avty_t":"w/availability"}"#,
            )
            .keeps("w/1/state", "7"),
        // It sleeps most of the time, and never says whether it does.
        Scene::new().keeps("homeassistant/sensor/pir/config", r#"{"name":"P","stat_t":"pir/state"}"#),
        // A device with one component that is available.
        Scene::new()
            .keeps(
                "homeassistant/device/d/config",
                r#"{"dev":{"ids":"d"},"o":{"name":"d"},"cmps":{
                "a":{"p":"sensor","uniq_id":"a","stat_t":"d/a","avty_t":"d/a/av"},
                "b":{"p":"sensor","uniq_id":"b","stat_t":"d/b"}}}"#,
            )
            .keeps("d/a/av", "offline"),
    ] {
        alive.check(&[]);
    }
}

#[test]
fn a_date_that_is_long_past_tells_of_one_who_never_says_offline() {
    let seen = |date: &str| {
        let scene = Scene::new().keeps(AT_LAMP, LAMP).keeps("lamp/availability", "online");
        scene.keeps("lamp/state", &format!(r#"{{"last_seen":"{date}"}}"#))
    };
    seen("2026-10-01T00:00:00Z").check(&[("light/lamp", Reason::Outdated, &[])]);
    seen("2026-11-01T00:00:00Z").check(&[]);
    seen("2036-11-01T00:00:00Z").check(&[]);
}

#[test]
fn silence_proves_nothing_where_not_all_is_heard() {
    let mut scene = Scene::new().keeps(AT_LAMP, LAMP).keeps(AT_ATTIC, &by_us("attic"));
    scene.hearing.miss();
    scene.check(&[("sensor/luigi-pi/attic", Reason::NotConfigured, &[])]);
}

#[test]
fn what_is_removed_meanwhile_or_was_never_kept_is_none() {
    for (on, announcement) in [(AT_LAMP, LAMP), (AT_ATTIC, &by_us("attic"))] {
        Scene::new().keeps(on, announcement).hears(on, "").check(&[]);
    }
    Scene::new().hears(AT_ATTIC, &by_us("attic")).check(&[]);
}

#[test]
fn strangers_may_say_what_they_like() {
    let mut scene = Scene::new();
    let deep = "[".repeat(100_000);
    for payload in ["null", "{}", "[]", "7", "\0", deep.as_str(), r#"{"avty_t":"+/#/x","stat_t":"","dev":7}"#]
    {
        for place in ["sensor/a", "device/b", "sensor/luigi-old/c", "nothing/d", "sensor/e e"] {
            scene.hear(&format!("homeassistant/{place}/config"), payload.as_bytes(), true);
        }
    }
    scene.hear("homeassistant/sensor/a/config", b"\xff\xfe", true);
    scene.check(&[("sensor/luigi-old/c", Reason::Stray, &[])]);
}
