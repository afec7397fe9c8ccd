//! Whatever a device announces for a template and then sends, rendering it ends, without a panic and alike each time.
//!
//! The input is a line with the template (`\n` in it is written as U+0001), and the payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::registry::capability::{Rendered, Template};

fuzz_target!(|text: &str| {
    let (template, payload) = text.split_once('\n').unwrap_or((text, ""));
    let template = Template::new(&template.replace('\u{1}', "\n"));
    let rendered = template.render(payload);
    assert_eq!(template.render(payload), rendered);
    assert!(template.is_understood() || rendered == Rendered::Raw);
    if let Rendered::Text(text) = rendered {
        assert_eq!(text, text.trim());
    }
});
