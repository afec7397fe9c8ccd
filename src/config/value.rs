//! Values: each function turns the text of one kind of value into its type, or says what is legal.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use super::error::Problem;

use crate::model::Delivery;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicError;
use crate::model::nearest;

/// Why a text is no value of the kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    /// What would be one.
    pub(super) expected: String,
    /// A legal text that is spelt much like it.
    pub(super) suggestion: Option<String>,
    /// Whether the text may hold a secret.
    pub(super) hidden: bool,
}

impl Refusal {
    /// A refusal that must not show what was found.
    fn hidden(expected: &str) -> Refusal {
        Refusal { hidden: true, ..expected.into() }
    }

    /// The problem that `found` was refused.
    pub(super) fn of(self, found: &str) -> Problem {
        match Problem::expected(self.expected, found) {
            Problem::Expected { expected, found, .. } => Problem::Expected {
                expected,
                found: found.filter(|_| !self.hidden),
                suggestion: self.suggestion,
            },
            other => other,
        }
    }
}

impl<T: Into<String>> From<T> for Refusal {
    fn from(expected: T) -> Refusal {
        Refusal { expected: expected.into(), suggestion: None, hidden: false }
    }
}

/// `yes` or `no`, in the spellings that Python's `configparser` knows.
pub(super) fn switch(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("yes or no".into()),
    }
}

/// A whole number, 0 to `most`.
pub(super) fn count(most: usize) -> impl Fn(&str) -> Result<usize, Refusal> {
    move |text| {
        let count = digits(text).and_then(|it| usize::try_from(it).ok()).filter(|it| *it <= most);
        count.ok_or_else(|| format!("0 to {most}").into())
    }
}

/// A whole number within `range`.
pub(super) fn whole(range: RangeInclusive<u16>) -> impl Fn(&str) -> Result<u16, Refusal> {
    move |text| {
        let number = digits(text).and_then(|it| u16::try_from(it).ok()).filter(|it| range.contains(it));
        number.ok_or_else(|| format!("{} to {}", range.start(), range.end()).into())
    }
}

/// A port, 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16, Refusal> {
    whole(1..=u16::MAX)(text)
}

/// A number of at least 0.
pub(super) fn amount(text: &str) -> Result<f64, Refusal> {
    let number = text.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 0.0);
    number.ok_or_else(|| "a number of at least 0".into())
}

/// One of `words`, whatever its case, as what stands beside it.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, Refusal> {
    move |text| match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let suggestion = nearest(text, names.iter().copied()).map(str::to_owned);
            let expected = match names.split_last() {
                Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
                _ => names.concat(),
            };
            Err(Refusal { suggestion, ..expected.into() })
        }
    }
}

/// A duration within `range`: a number with the unit `ms`, `s`, `m` or `h`; a bare one is seconds.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Refusal> {
    move |text| {
        let (number, unit) = split_unit(text);
        let unit_ms = match unit {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err("a duration such as 30, 30s, 5m or 1h".into()),
        };
        let number = digits(number).ok_or("a duration such as 30, 30s, 5m or 1h")?;
        match number.checked_mul(unit_ms).map(Duration::from_millis) {
            Some(duration) if range.contains(&duration) => Ok(duration),
            _ => {
                Err(format!("{} to {}", spell_duration(*range.start()), spell_duration(*range.end())).into())
            }
        }
    }
}

/// As [`duration`]; `never` and 0 are none.
pub(super) fn duration_or_never(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Option<Duration>, Refusal> {
    let duration = duration(range);
    move |text| match text.to_ascii_lowercase().as_str() {
        "never" | "0" => Ok(None),
        _ => duration(text).map(Some).map_err(|it| format!("{}, or never", it.expected).into()),
    }
}

/// A number of bytes within `range`: as it is, or in `k`, `M` or `G` of 1024 times the one before.
pub(super) fn size(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, Refusal> {
    move |text| {
        let (number, unit) = split_unit(text);
        let bytes = match unit {
            "" => Some(1),
            "k" | "K" => Some(1 << 10),
            "m" | "M" => Some(1 << 20),
            "g" | "G" => Some(1 << 30),
            _ => None,
        };
        let size = bytes.and_then(|it| usize::try_from(digits(number)?.checked_mul(it)?).ok());
        let legal = || format!("{} to {} bytes", spell_size(*range.start()), spell_size(*range.end())).into();
        size.filter(|it| range.contains(it)).ok_or_else(legal)
    }
}

/// A text of 1 to 65,535 bytes, what MQTT can carry (3.1.1, section 1.5.3).
pub(super) fn text(text: &str) -> Result<String, Refusal> {
    match text.len() {
        0 => Err("a text".into()),
        1..=MQTT_STRING_BYTES if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(format!("1 to {MQTT_STRING_BYTES} bytes without NUL").into()),
    }
}

/// Host names and addresses with commas between, each with a port behind it or none.
pub(super) fn hosts(text: &str) -> Result<Vec<(String, Option<u16>)>, Refusal> {
    if text.contains('@') {
        return Err(Refusal::hidden(
            "a host name or address; the user name and password have keys of their own",
        ));
    }
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    if let [item] = items[..] {
        return Ok(vec![host_and_port(item)?]);
    }
    if items.len() > MOST_HOSTS {
        return Err(format!("at most {MOST_HOSTS} brokers").into());
    }
    let numbered = |(number, item)| {
        let refused = |it: Refusal| format!("{} in item {number}", it.expected).into();
        host_and_port(item).map_err(refused)
    };
    (1..).zip(items).map(numbered).collect()
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), Refusal> {
    match (host(text), text.rsplit_once(':')) {
        // An IPv6 address without brackets too, whose last group looks like a port.
        (Ok(host), _) => Ok((host, None)),
        (Err(refusal), None) => Err(refusal),
        (Err(refusal), Some(_)) if text.contains('/') => Err(refusal),
        (Err(_), Some((name, number))) => {
            let name = host(name)?;
            if name.contains(':') && !text.starts_with('[') {
                return Err("an IPv6 address in brackets, as a port stands behind it".into());
            }
            let port = port(number).map_err(|it| format!("a port of {} behind the colon", it.expected))?;
            Ok((name, Some(port)))
        }
    }
}

/// A host name, an IPv4 address, or an IPv6 address with or without brackets.
fn host(text: &str) -> Result<String, Refusal> {
    let address = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    let without_zone = address.split_once('%').map_or(address, |(address, _)| address);
    if without_zone.parse::<Ipv6Addr>().is_ok() {
        return Ok(address.to_owned());
    }
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = (1..=HOST_NAME_BYTES).contains(&text.len()) && text.chars().all(legal);
    if is_name || text.parse::<IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("a host name or address, without mqtt:// before it".into())
    }
}

/// A topic that can have levels below it.
pub(super) fn topic(text: &str) -> Result<Topic, Refusal> {
    if text.ends_with('/') {
        return Err("a topic without / at its end".into());
    }
    Topic::new(text).map_err(|it| match it {
        TopicError::Empty => "a topic".into(),
        TopicError::Wildcard => "a topic without the wildcards + and #".into(),
        _ => format!("a topic of at most {MQTT_STRING_BYTES} bytes without NUL").into(),
    })
}

/// A quality of service, 0 to 2.
pub(super) fn qos(text: &str) -> Result<Qos, Refusal> {
    let level = digits(text).and_then(|it| u8::try_from(it).ok());
    level.and_then(Qos::from_level).ok_or_else(|| "0, 1 or 2".into())
}

/// Which messages are delivered after an outage.
pub(super) fn delivery(text: &str) -> Result<Delivery, Refusal> {
    word(&[("latest", Delivery::Latest), ("every", Delivery::Every)])(text)
}

/// The least important level to log, in Python's names.
pub(super) fn level(text: &str) -> Result<LevelFilter, Refusal> {
    match text.to_ascii_uppercase().as_str() {
        "DEBUG" => Ok(LevelFilter::Debug),
        "INFO" => Ok(LevelFilter::Info),
        "WARNING" | "WARN" => Ok(LevelFilter::Warn),
        "ERROR" | "CRITICAL" => Ok(LevelFilter::Error), // We have nothing beyond an error.
        _ => Err("DEBUG, INFO, WARNING, ERROR or CRITICAL".into()),
    }
}

/// An absolute path: the working directory of a service is nobody's.
pub(super) fn path(text: &str) -> Result<PathBuf, Refusal> {
    if Path::new(text).is_absolute() { Ok(text.into()) } else { Err("an absolute path".into()) }
}

/// An absolute path, or nothing.
pub(super) fn path_or_nothing(text: &str) -> Result<Option<PathBuf>, Refusal> {
    if text.is_empty() { Ok(None) } else { path(text).map(Some) }
}

/// The absolute path of a file with a secret. Other text may be the secret itself, in the wrong key.
pub(super) fn secret_path(text: &str) -> Result<PathBuf, Refusal> {
    path(text).map_err(|it| Refusal { hidden: true, ..it })
}

/// `duration` as the configuration spells it.
pub(super) fn spell_duration(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms % 1_000 != 0 => format!("{ms}ms"),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms => format!("{}s", ms / 1_000),
    }
}

fn spell_size(bytes: usize) -> String {
    match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{}G", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{}M", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}k", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

/// A number and what follows it, without the blanks between.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// A number of nothing but digits: `parse` alone would take `+5`.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The length prefix of a string on the wire has 16 bits (MQTT 3.1.1, section 1.5.3).
pub(super) const MQTT_STRING_BYTES: usize = 65_535;
/// RFC 1035, section 2.3.4.
const HOST_NAME_BYTES: usize = 253;
/// More than anybody has, and a round of attempts comes to its end.
const MOST_HOSTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(text: &str, expected: Result<u64, &str>) {
        let range = Duration::from_secs(1)..=Duration::from_secs(300);
        let expected = expected.map(Duration::from_millis).map_err(Refusal::from);
        assert_eq!(duration(range)(text), expected, "{text}");
    }

    #[test]
    fn a_bare_number_is_seconds() {
        for (text, ms) in
            [("60", 60_000), ("30s", 30_000), ("5m", 300_000), ("1500ms", 1_500), ("2 m", 120_000)]
        {
            check_duration(text, Ok(ms));
        }
    }

    #[test]
    fn a_duration_out_of_range_names_the_range() {
        for text in ["0", "250ms", "301", "1h", "18446744073709551615h"] {
            check_duration(text, Err("1s to 5m"));
        }
        for text in ["", "s", "-1", "+5", "1.5s", "5 minutes", "1d", "99999999999999999999h"] {
            check_duration(text, Err("a duration such as 30, 30s, 5m or 1h"));
        }
    }

    #[test]
    fn a_size_is_in_bytes_or_in_binary_units() {
        let size = size(1 << 10..=256 << 20);
        for (text, bytes) in [("1024", 1 << 10), ("1k", 1 << 10), ("1 M", 1 << 20), ("256M", 256 << 20)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for text in ["", "k", "1023", "257M", "1G", "1kB", "-1k", "18446744073709551615G"] {
            assert_eq!(size(text), Err("1k to 256M bytes".into()), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_alone() {
        for (text, expected) in [
            ("homeassistant.local", "homeassistant.local"),
            ("192.168.1.100", "192.168.1.100"),
            ("::1", "::1"),
            ("[fe80::1%wlan0]", "fe80::1%wlan0"),
            ("my_pi", "my_pi"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected));
        }
        for text in ["", "mqtt://x", "x:1883", "[::1]:1883", "a b", "x/y", &"x".repeat(254)] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check_hosts(text: &str, expected: &[(&str, Option<u16>)]) {
        let expected: Vec<_> = expected.iter().map(|(host, port)| (host.to_string(), *port)).collect();
        assert_eq!(hosts(text), Ok(expected), "{text}");
    }

    #[test]
    fn each_host_may_have_a_port_behind_it() {
        check_hosts("a", &[("a", None)]);
        check_hosts("a,b:8883 , 192.0.2.1:1", &[("a", None), ("b", Some(8883)), ("192.0.2.1", Some(1))]);
        check_hosts("fd00::1, [fd00::1]:1883", &[("fd00::1", None), ("fd00::1", Some(1883))]);
        // As long as it is an address as a whole, it is one.
        check_hosts("fd00::1:1883", &[("fd00::1:1883", None)]);
        check_hosts("[fe80::1%wlan0]:1884", &[("fe80::1%wlan0", Some(1884))]);
    }

    #[test]
    fn a_mistake_in_a_list_of_hosts_says_in_which_item() {
        let name = "a host name or address, without mqtt:// before it";
        let port = "a port of 1 to 65535 behind the colon";
        for (text, expected) in [
            ("a,", format!("{name} in item 2")),
            (",", format!("{name} in item 1")),
            ("a, mqtt://b:1883", format!("{name} in item 2")),
            ("a b", name.to_owned()),
            ("a b:1883", name.to_owned()),
            (":1883", name.to_owned()),
            ("a:", port.to_owned()),
            ("a, b:0", format!("{port} in item 2")),
            ("[::1]:65536", port.to_owned()),
            ("::1:65535", "an IPv6 address in brackets, as a port stands behind it".to_owned()),
            ("a,b,c,d,e,f,g,h,i", "at most 8 brokers".to_owned()),
        ] {
            assert_eq!(hosts(text), Err(expected.into()), "{text}");
        }
    }

    #[test]
    fn never_is_a_duration_of_its_own() {
        let interval = duration_or_never(Duration::from_secs(1)..=Duration::from_secs(86_400));
        assert_eq!((interval("never"), interval("0"), interval("Never")), (Ok(None), Ok(None), Ok(None)));
        assert_eq!(interval("5m"), Ok(Some(Duration::from_secs(300))));
        assert_eq!(interval("25h"), Err("1s to 24h, or never".into()));
        assert_eq!(interval("often"), Err("a duration such as 30, 30s, 5m or 1h, or never".into()));
    }

    #[test]
    fn a_password_in_the_wrong_key_is_not_shown() {
        for problem in [
            hosts("a, mqtt://me:hunter2@broker").unwrap_err().of("a, mqtt://me:hunter2@broker"),
            secret_path("hunter2").unwrap_err().of("hunter2"),
        ] {
            assert!(!format!("{problem} {problem:?}").contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn numbers_are_within_their_range() {
        assert_eq!((port("1"), port("65535")), (Ok(1), Ok(65_535)));
        assert_eq!((amount("0"), amount("0.1")), (Ok(0.0), Ok(0.1)));
        assert_eq!((qos("2"), count(99)("99")), (Ok(Qos::ExactlyOnce), Ok(99)));
        for text in ["", "0", "65536", "18x83", "+1", " 1", "1883 "] {
            assert_eq!(port(text), Err("1 to 65535".into()), "{text}");
        }
        for text in ["", "-0.1", "NaN", "inf", "1,5"] {
            assert_eq!(amount(text), Err("a number of at least 0".into()), "{text}");
        }
        assert_eq!(qos("3"), Err("0, 1 or 2".into()));
        assert_eq!(count(99)("100"), Err("0 to 99".into()));
        assert_eq!((whole(1..=1000)("1"), whole(1..=1000)("1000")), (Ok(1), Ok(1000)));
        for text in ["0", "1001", "65537", "ten"] {
            assert_eq!(whole(1..=1000)(text), Err("1 to 1000".into()), "{text}");
        }
    }

    #[test]
    fn a_topic_has_no_wildcard_and_no_empty_last_level() {
        assert_eq!(topic("luigi/pi").unwrap().as_str(), "luigi/pi");
        for (text, expected) in [
            ("", "a topic"),
            ("homeassistant/", "a topic without / at its end"),
            ("luigi/+", "a topic without the wildcards + and #"),
        ] {
            assert_eq!(topic(text), Err(expected.into()));
        }
    }
}
