//! Whatever the file has in it, it is read whole or refused with a reason.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::config::{Config, Environment};

fuzz_target!(|bytes: &[u8]| {
    let environment = Environment::new("pi", Path::new("/nowhere"));
    if let Err(errors) = Config::parse(bytes, &environment) {
        assert!(!errors.to_string().is_empty());
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for line in errors.iter().filter_map(|it| it.place.line()) {
            assert!((1..=lines).contains(&line), "line {line} of {lines}");
        }
    }
});
