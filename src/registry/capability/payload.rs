//! One payload, looked at by many entities.

use std::cell::OnceCell;

use crate::model::Incoming;

use super::template::Py;

/// A payload that came. It is copied for templates, and its JSON is parsed, at most once, however many entities look at
/// it: a Zigbee2MQTT device tells all its sensors in one message.
#[derive(Debug)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    retained: bool,
    value: OnceCell<Py>,
    json: OnceCell<Option<Py>>,
}

impl<'a> Payload<'a> {
    /// The payload `bytes`, `retained` where it is a kept copy and not news.
    pub fn new(bytes: &'a [u8], retained: bool) -> Payload<'a> {
        Payload { bytes, retained, value: OnceCell::new(), json: OnceCell::new() }
    }

    /// The payload of `incoming`.
    pub fn of(incoming: &'a Incoming) -> Payload<'a> {
        Payload::new(&incoming.payload, incoming.retained)
    }

    /// The bytes as they came.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it is a kept copy from before we subscribed, not news.
    pub(super) fn retained(&self) -> bool {
        self.retained
    }

    /// The payload as text, where it is UTF-8: Home Assistant ignores all others.
    pub(super) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes).ok()
    }

    /// The payload as what a template calls `value`; empty where it is no text.
    pub(super) fn value(&self) -> &Py {
        self.value.get_or_init(|| Py::Str(self.text().unwrap_or_default().to_owned()))
    }

    /// The payload as JSON, where it is that.
    pub(super) fn json(&self) -> Option<&Py> {
        self.json.get_or_init(|| self.text().and_then(Py::parse)).as_ref()
    }
}
