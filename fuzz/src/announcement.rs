//! Whatever is announced and told, the registry stays within its bounds and says truly what to listen to.
//!
//! The input is lines: a topic, and the payload in the line below it; or `!`, an entity and a blank, and below it what it
//! is asked to do.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::model::{Incoming, Topic};
use luigi_mqtt::registry::{Change, Limits, Registry};

fuzz_target!(|text: &str| {
    let [discovery, layout] = ["homeassistant", "smarthome"].map(|it| Topic::new(it).unwrap());
    let mut registry = Registry::new(&discovery, Some(&layout), LIMITS);
    let mut listening = BTreeSet::new();
    let mut now = Instant::now();

    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let payload = lines.next().unwrap_or_default();
        now += Duration::from_secs(1);
        if let Some(id) = line.strip_prefix('!') {
            if let Ok(wanted) = serde_json::from_str(payload) {
                let _ = registry.set(id, &wanted);
            }
            continue;
        }
        let Ok(topic) = Topic::new(line) else { continue };
        let incoming = Incoming { topic, payload: payload.as_bytes().into(), retained: true };
        for change in registry.receive(&incoming, now) {
            match change {
                Change::Listen(topic, _) => drop(listening.insert(topic)),
                Change::Ignore(topic) => assert!(listening.remove(&topic), "{topic} was not listened to"),
                _ => {}
            }
        }
        assert!(registry.len() <= LIMITS.entities && registry.bytes() <= LIMITS.bytes, "{registry:?}");
        assert_eq!(registry.listening().map(|(topic, _)| topic.clone()).collect::<BTreeSet<_>>(), listening);
    }

    let devices = registry.devices(now);
    assert_eq!(devices.len(), registry.len());
    assert!(devices.is_sorted_by(|a, b| a.id < b.id));
    for device in &devices {
        assert_eq!(registry.device(&device.id, now).as_ref(), Some(device));
        assert!(registry.state(&device.id, now).is_some());
    }
});

/// Little enough to be reached.
const LIMITS: Limits = Limits { entities: 8, bytes: 16 << 10 };
