//! Whatever an entity's configuration says, what it tells and what it is asked end in a state or a refusal.
//!
//! The input is lines: the platform, the configuration, then payloads: each is told on every topic that the entity reads, and where
//! it is a JSON object, asked of it too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::registry::PLATFORMS;
use luigi_mqtt::registry::capability::{Fields, Payload, offers, set, sources};
use serde_json::{Map, Value};

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|it| *it == b'\n');
    let platform = lines.next().and_then(|it| PLATFORMS.iter().find(|name| name.as_bytes() == it));
    let config = lines.next().and_then(|it| serde_json::from_slice::<Map<String, Value>>(it).ok());
    let (Some(platform), Some(config)) = (platform, config) else { return };
    let sources = sources(platform, &config);
    // What it offers is only to end.
    drop(offers(platform, &config));
    let mut fields = Fields::new();
    for payload in lines.take(MOST_PAYLOADS) {
        for retained in [false, true] {
            for source in &sources {
                let before = fields.clone();
                let told = source.read(&Payload::new(payload, retained), &mut fields);
                assert!(told || fields == before, "{}: {before:?} became {fields:?}", source.field);
                assert!(fields.bytes() <= Fields::MAX_BYTES);
            }
        }
        let Ok(wanted) = serde_json::from_slice::<Map<String, Value>>(payload) else { continue };
        match set(platform, &config, &fields, &wanted) {
            Ok(messages) => assert!(messages.iter().all(|it| it.payload.len() <= 1 << 20)),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

/// Enough for a state to depend on the one before.
const MOST_PAYLOADS: usize = 8;
