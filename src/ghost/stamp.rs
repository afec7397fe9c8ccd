//! The date in what somebody has told, where there is one.

use serde_json::Value;
use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};

/// The newest date in `payload`, where that is a JSON object of 64 KiB at most: in its own fields of the names that
/// devices use, as a text (ISO 8601; without a zone it is taken for UTC) or as seconds or milliseconds since 1970.
pub(super) fn newest(payload: &[u8]) -> Option<OffsetDateTime> {
    if payload.len() > MOST_BYTES || payload.first() != Some(&b'{') {
        return None;
    }
    let Ok(Value::Object(told)) = serde_json::from_slice(payload) else { return None };
    let named = told.iter().filter(|(key, _)| NAMES.contains(&key.to_ascii_lowercase().as_str()));
    named.filter_map(|(_, value)| date(value)).max()
}

fn date(value: &Value) -> Option<OffsetDateTime> {
    match value {
        Value::String(text) => OffsetDateTime::parse(text, &Rfc3339).ok().or_else(|| {
            PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).ok().map(PrimitiveDateTime::assume_utc)
        }),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let seconds = if number < MILLISECONDS { number } else { number / 1_000.0 };
            // What is smaller counts something else: seconds since the start, for example.
            (EARLIEST..MILLISECONDS)
                .contains(&seconds)
                .then_some(seconds as i64)
                .and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok())
        }
        _ => None,
    }
}

/// Zigbee2MQTT has `last_seen`, Tasmota `Time`, Theengs and rtl_433 `time`; in lower case.
const NAMES: [&str; 8] =
    ["last_seen", "lastseen", "time", "timestamp", "ts", "last_updated", "last_update", "updated"];
const MOST_BYTES: usize = 64 * 1024;
/// In 2001, long before any of this.
const EARLIEST: f64 = 1e9;
/// From here on a number counts milliseconds: as seconds it would be in the year 5138.
const MILLISECONDS: f64 = 1e11;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, expected: Option<i64>) {
        assert_eq!(newest(payload.as_bytes()).map(OffsetDateTime::unix_timestamp), expected, "{payload}");
    }

    #[test]
    fn a_date_is_found_as_devices_write_it() {
        for (payload, expected) in [
            (r#"{"last_seen":"2026-11-22T06:00:00Z","state":"ON"}"#, Some(1_795_327_200)),
            (r#"{"last_seen":"2026-11-22T07:00:00+01:00"}"#, Some(1_795_327_200)),
            (r#"{"Time":"2026-11-22T06:00:00"}"#, Some(1_795_327_200)),
            (r#"{"last_seen":1795327200123}"#, Some(1_795_327_200)),
            (r#"{"ts":1795327200,"time":1795327100}"#, Some(1_795_327_200)),
            (r#"{"time":12}"#, None),
            (r#"{"time":1e300,"ts":-5,"timestamp":null,"updated":{"ts":1795327200}}"#, None),
            (r#"{"time":"noon"}"#, None),
            (r#"["2026-11-22T06:00:00Z"]"#, None),
            ("{", None),
            ("21.5", None),
        ] {
            check(payload, expected);
        }
        check(&format!(r#"{{"ts":1795327200,"x":"{}"}}"#, "x".repeat(65_536)), None);
    }
}
