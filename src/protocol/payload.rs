//! Payloads, which are any bytes, as fields of a line, which is text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

/// The field that carries `payload`: `payload`, a text, where it is one, else `payload_base64`.
pub fn payload_field(payload: &[u8]) -> (&'static str, Json) {
    match std::str::from_utf8(payload) {
        Ok(text) => ("payload", text.into()),
        Err(_) => ("payload_base64", STANDARD.encode(payload).into()),
    }
}

/// The payload that [`payload_field`] wrote among `fields`; `None` where there is none.
pub fn payload_of(fields: &Map<String, Json>) -> Option<Vec<u8>> {
    match (fields.get("payload"), fields.get("payload_base64")) {
        (Some(Json::String(text)), _) => Some(text.as_bytes().to_vec()),
        (_, Some(Json::String(text))) => decoded(text),
        _ => None,
    }
}

/// What `text` stands for, if it is base64 of the standard alphabet with its padding (RFC 4648, section 4).
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
