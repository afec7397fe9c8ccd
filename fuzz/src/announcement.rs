//! Whatever is announced and told, the registry stays within its bounds and says truly what to listen to.
//!
//! The input is as `tests/data/announced/*/messages`: blocks with an empty line between them, each a topic, and below it the
//! payload. Instead of the topic there may also be `!` and an entity, which is asked to do what stands below, and `@` and
//! seconds, which pass.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::model::{Incoming, Topic, TopicFilter};
use luigi_mqtt::registry::capability::Fields;
use luigi_mqtt::registry::{Change, Limits, Registry};

fuzz_target!(|input: &[u8]| {
    let mut house = House::new();
    for (head, payload) in blocks(input) {
        match head.split_at_checked(1) {
            Some(("!", id)) => house.ask(id, payload),
            Some(("@", seconds)) => house.wait(seconds),
            _ => house.hear(head, payload, true),
        }
        house.check();
    }
    house.clear();
});

struct House {
    registry: Registry,
    discovery: Topic,
    listening: BTreeSet<TopicFilter>,
    announcements: BTreeSet<Topic>,
    now: Instant,
}

impl House {
    fn new() -> House {
        let [discovery, layout] = ["homeassistant", "smarthome"].map(|it| Topic::new(it).unwrap());
        House {
            registry: Registry::new(&discovery, Some(&layout), LIMITS),
            discovery,
            listening: BTreeSet::new(),
            announcements: BTreeSet::new(),
            now: Instant::now(),
        }
    }

    fn hear(&mut self, topic: &str, payload: &[u8], retained: bool) {
        let Ok(topic) = Topic::new(topic) else { return };
        if topic.as_str().starts_with(self.discovery.as_str()) {
            self.announcements.insert(topic.clone());
        }
        let incoming = Incoming { topic, payload: payload.into(), retained };
        for change in self.registry.receive(&incoming, self.now) {
            match change {
                Change::Listen(topic, _) => drop(self.listening.insert(topic)),
                Change::Ignore(topic) => {
                    assert!(self.listening.remove(&topic), "{topic} was not listened to")
                }
                Change::Announced(id) | Change::Updated(id) | Change::State(id) => assert!(!id.is_empty()),
                _ => {}
            }
        }
    }

    fn ask(&mut self, id: &str, payload: &[u8]) {
        let Ok(wanted) = serde_json::from_slice(payload) else { return };
        let known = self.registry.device(id, self.now).is_some();
        let answer = self.registry.set(id, &wanted);
        assert_eq!(answer.is_some(), known);
        match answer {
            Some(Ok(messages)) => assert!(messages.iter().all(|it| it.payload.len() <= 1 << 20)),
            Some(Err(error)) => assert!(!error.to_string().is_empty()),
            None => {}
        }
    }

    fn wait(&mut self, seconds: &str) {
        // A year at most: a clock may run out, and nobody waits for longer.
        let seconds = seconds.parse().unwrap_or(0).min(31_536_000);
        self.now += Duration::from_secs(seconds);
    }

    fn check(&self) {
        let House { registry, now, .. } = self;
        assert!(registry.len() <= LIMITS.entities && registry.bytes() <= LIMITS.bytes, "{registry:?}");
        let listening: BTreeSet<_> = registry.listening().map(|(topic, _)| topic.clone()).collect();
        assert_eq!(listening, self.listening);
        let devices = registry.devices(*now);
        assert_eq!(devices.len(), registry.len());
        assert!(devices.is_sorted_by(|a, b| a.id < b.id));
        for device in &devices {
            assert_eq!(registry.device(&device.id, *now).as_ref(), Some(device));
            let state = registry.state(&device.id, *now).unwrap();
            assert_eq!(state.availability, device.availability);
            assert!(state.fields.bytes() <= Fields::MAX_BYTES);
        }
    }

    /// Once all that was announced is taken back, nothing of it is left.
    fn clear(&mut self) {
        for topic in std::mem::take(&mut self.announcements) {
            self.hear(topic.as_str(), b"", false);
            self.check();
        }
        assert!(self.registry.devices(self.now).iter().all(|it| !it.announced), "{:?}", self.registry);
        if self.registry.is_empty() {
            assert_eq!(self.registry.bytes(), 0, "{:?}", self.registry);
        }
    }
}

/// The first line of each block, and what is below it. Of comments nothing is left.
fn blocks(input: &[u8]) -> Vec<(&str, &[u8])> {
    let mut blocks = Vec::new();
    let mut rest = input;
    while !rest.is_empty() && blocks.len() < MOST_BLOCKS {
        let end = rest.windows(2).position(|it| it == b"\n\n").unwrap_or(rest.len());
        let block = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        let line_end = block.iter().position(|it| *it == b'\n').unwrap_or(block.len());
        let (head, payload) = (&block[..line_end], block.get(line_end + 1..).unwrap_or_default());
        blocks
            .extend(std::str::from_utf8(head).ok().filter(|it| !it.starts_with('#')).map(|it| (it, payload)));
    }
    blocks
}

/// Little enough to be reached.
const LIMITS: Limits = Limits { entities: 8, bytes: 16 << 10 };
/// Enough for eight entities to come, tell and go.
const MOST_BLOCKS: usize = 64;
