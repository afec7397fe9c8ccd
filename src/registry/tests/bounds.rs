//! How much is kept, and that nothing from outside ends the program.

use super::*;

#[test]
fn who_finds_no_room_is_refused_counted_and_said_once() {
    let mut bench = Bench::with(Limits { entities: 2, ..Limits::default() });
    for at in 0..5 {
        let said = bench.hear(&format!("homeassistant/sensor/s{at}/config"), r#"{"stat_t":"a"}"#);
        let expected = match at {
            0 => "listen a 0",
            1 => "announced sensor_s1",
            2 => {
                "refused: cannot take the announcement on homeassistant/sensor/s2/config: \
                  as many entities are known as there is room for"
            }
            _ => "",
        };
        assert_eq!(said.first().map_or("", String::as_str), expected);
    }
    assert_eq!(bench.registry.refused(), 3);
    assert_eq!(
        bench.hear("homeassistant/sensor/s0/config", r#"{"stat_t":"b"}"#).last().unwrap(),
        "updated sensor_s0"
    );
    bench.hear("homeassistant/sensor/s0/config", "");
    bench.hear("homeassistant/sensor/s3/config", r#"{"stat_t":"a"}"#);
    assert_eq!(bench.ids(), ["sensor_s1", "sensor_s3"]);
    assert!(bench.hear("homeassistant/sensor/s4/config", r#"{"stat_t":"a"}"#)[0].starts_with("refused"));
}

#[test]
fn bytes_are_bounded_too_whatever_takes_them() {
    let limits = Limits { bytes: 100_000, ..Limits::default() };
    let mut bench = Bench::with(limits);
    for at in 0..100 {
        let payload =
            format!(r#"{{"stat_t":"s/{at}","json_attr_t":"s/{at}","note":"{}"}}"#, "x".repeat(1_000));
        bench.hear(&format!("homeassistant/sensor/s{at}/config"), payload);
        assert!(bench.registry.bytes() <= limits.bytes);
    }
    let known = bench.registry.len();
    assert!((20..80).contains(&known), "{known}");
    for at in 0..100 {
        bench.hear(&format!("s/{at}"), format!(r#"{{"a":"{}"}}"#, "y".repeat(3_000)));
        assert!(bench.registry.bytes() <= limits.bytes, "{at}: {}", bench.registry.bytes());
    }
    assert_eq!(bench.registry.len(), known);
    for at in 0..100 {
        bench.hear(&format!("homeassistant/sensor/s{at}/config"), "");
    }
    assert_eq!(bench.registry.bytes(), 0);
}

#[test]
fn bytes_are_bounded_where_many_come_late_to_one_long_message() {
    let limits = Limits { bytes: 60_000, ..Limits::default() };
    let mut bench = Bench::with(limits);
    for at in 0..50 {
        bench.hear(&format!("homeassistant/sensor/s{at}/config"), r#"{"stat_t":"a","json_attr_t":"a"}"#);
        assert!(bench.registry.bytes() <= limits.bytes, "{at}: {}", bench.registry.bytes());
        if at == 0 {
            bench.hear("a", format!(r#"{{"a":"{}"}}"#, "y".repeat(9_000)));
        }
    }
    assert!(bench.registry.len() > 2 && bench.registry.refused() > 0, "{:?}", bench.ids());
}

#[test]
fn rules_that_come_and_go_take_no_more_room_each_time() {
    let mut bench = Bench::new();
    bench.hear("homeassistant/sensor/other/config", r#"{"stat_t":"a","avty_t":"lwt"}"#);
    let mut sizes = (0..20).map(|at| {
        let payload = format!(r#"{{"stat_t":"a","avty_t":"lwt","pl_avail":"{at:02}"}}"#);
        bench.hear("homeassistant/sensor/s/config", payload);
        bench.registry.bytes()
    });
    // Two places: the new rule is there before the old one goes.
    let settled = sizes.nth(2).unwrap();
    assert!(sizes.all(|it| it == settled));
}

#[test]
fn a_few_at_a_time_they_are_the_same_as_all_at_once() {
    let mut bench = Bench::with(Limits::default());
    bench.hear(
        "homeassistant/device/d/config",
        r#"{"dev":{"ids":"d"},"o":{"name":"o"},"cmps":{
        "a":{"p":"sensor","uniq_id":"a","stat_t":"a"},"c":{"p":"sensor","uniq_id":"c","stat_t":"c"}}}"#,
    );
    for id in ["b", "d"] {
        bench.hear(
            &format!("homeassistant/sensor/{id}/config"),
            format!(r#"{{"uniq_id":"{id}","stat_t":"t"}}"#),
        );
    }
    let all = bench.registry.devices(bench.now);
    let pairs = [None, Some("b"), Some("d")].map(|it| bench.registry.devices_after(it, 2, bench.now));
    assert_eq!(pairs.concat(), all);
    assert_eq!(pairs.map(|it| it.len()), [2, 2, 0]);
}

#[test]
fn no_bytes_make_it_panic() {
    let mut random = fastrand::Rng::with_seed(4);
    let messages = super::golden::all_messages();
    assert!(messages.len() > 40);
    let mut bench = Bench::with(Limits { entities: 200, bytes: 400_000 });
    for _ in 0..20_000 {
        let (topic, payload) = &messages[random.usize(..messages.len())];
        let mut payload = payload.clone().into_bytes();
        for _ in 0..random.usize(..4) {
            mutate(&mut payload, &mut random, &messages);
        }
        bench.hear(topic, payload);
        assert!(bench.registry.bytes() <= 400_000 && bench.registry.len() <= 200);
    }
    assert!(!bench.registry.devices(bench.now).is_empty());
    let ids = bench.ids();
    for (topic, _) in &messages {
        bench.hear(topic, "");
    }
    assert!(bench.registry.len() < ids.len());
}

fn mutate(payload: &mut Vec<u8>, random: &mut fastrand::Rng, messages: &[(String, String)]) {
    if payload.is_empty() {
        return;
    }
    let at = random.usize(..payload.len());
    let end = (at + random.usize(..20)).min(payload.len());
    match random.u8(..6) {
        0 => payload[at] = random.u8(..),
        1 => payload.truncate(at),
        2 => drop(payload.drain(at..end)),
        3 => payload.insert(at, *random.choice(b"{}[]\",:~\\\xff\x00").unwrap()),
        4 => {
            let piece = payload[at..end].to_vec();
            payload.splice(at..at, piece);
        }
        _ => {
            let other = messages[random.usize(..messages.len())].1.as_bytes();
            let from = random.usize(..other.len().max(1)).min(other.len());
            payload.splice(at..end, other[from..].iter().take(40).copied());
        }
    }
}

#[test]
fn what_is_nested_deep_does_not_exhaust_the_stack_of_a_bridge() {
    let nested = |levels: usize| format!("{}{}", r#"{"a":"#.repeat(levels) + "1", "}".repeat(levels));
    let body = move || {
        let mut bench = Bench::with(Limits::default());
        for levels in [31, 32, 33, 120, 126, 127, 128, 100_000] {
            let deep = nested(levels);
            let config = format!(r#"{{"stat_t":"s","json_attr_t":"s","dev":{deep},"cmps":{deep}}}"#);
            bench.hear("homeassistant/sensor/deep/config", &config);
            bench.hear("homeassistant/device/deep/config", &config);
            bench.hear(
                "homeassistant/sensor/plain/config",
                r#"{"stat_t":"s","json_attr_t":"s","val_tpl":"{{ value_json.a.a }}"}"#,
            );
            bench.hear("s", &deep);
            let _ = bench.registry.device("sensor_plain", Instant::now());
        }
    };
    // As large as that of the thread `bridge`.
    std::thread::Builder::new().stack_size(256 << 10).spawn(body).unwrap().join().unwrap();
}
