//! Who is whom: identifiers, conflicts, updates, migration.

use super::*;

const OLD: &str = "homeassistant/sensor/attic/t/config";
const NEW: &str = "homeassistant/device/attic/config";
const SINGLE: &str = r#"{"stat_t":"a/state","uniq_id":"attic_t","dev":{"ids":"attic"}}"#;
const DEVICE: &str = r#"{"dev":{"ids":"attic"},"o":{"name":"m"},
    "cmps":{"t":{"p":"sensor","uniq_id":"attic_t","stat_t":"a/state"}}}"#;

#[test]
fn an_entity_is_found_by_each_of_its_names_where_only_it_has_that_name() {
    let mut bench = Bench::new();
    bench.hear("homeassistant/sensor/n/one/config", r#"{"stat_t":"a","uniq_id":"u1"}"#);
    bench.hear("homeassistant/sensor/two/config", r#"{"stat_t":"b"}"#);
    bench.hear("homeassistant/switch/two/config", r#"{"cmd_t":"b","uniq_id":"u1"}"#);
    bench.hear("homeassistant/sensor/n/two/config", r#"{"stat_t":"c"}"#);
    assert_eq!(bench.ids(), ["sensor_n_two", "sensor_two", "switch_two", "u1"]);
    for (name, expected) in [
        ("u1", Some("u1")),
        ("sensor_one", Some("u1")),
        ("one", Some("u1")),
        ("switch_two", Some("switch_two")),
        ("two", None),
        ("three", None),
        ("", None),
    ] {
        let found = bench.registry.device(name, bench.now).map(|it| it.id);
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}

#[test]
fn who_was_announced_first_keeps_its_unique_id() {
    let mut bench = Bench::new();
    bench.hear(OLD, SINGLE);
    let other = "homeassistant/sensor/cellar/config";
    let refused = "refused: cannot take the announcement on homeassistant/sensor/cellar/config: \
                   attic_t was announced first with the same identity";
    assert_eq!(bench.hear(other, r#"{"stat_t":"c","uniq_id":"attic_t"}"#), [refused]);
    assert!(bench.hear(other, "").is_empty());
    bench.hear("a/state", "7");
    assert_eq!(bench.state("attic_t"), "7");
    // One that is not the first to have it as its identifier is as safe.
    bench.hear("homeassistant/number/x/config", r#"{"cmd_t":"x","uniq_id":"attic_t"}"#);
    let said = bench.hear("homeassistant/number/y/config", r#"{"cmd_t":"y","uniq_id":"attic_t"}"#);
    assert!(said[0].contains("number_x was announced first"), "{said:?}");
    assert_eq!(bench.ids(), ["attic_t", "number_x"]);
}

#[test]
fn an_update_keeps_the_state_where_it_is_told_on_the_same_topics() {
    let mut bench = Bench::new();
    bench.hear(OLD, SINGLE);
    bench.hear("a/state", "7");
    assert!(bench.hear(OLD, SINGLE).is_empty());
    let renamed = r#"{"stat_t":"a/state","uniq_id":"attic_t","name":"T","dev":{"ids":"attic"}}"#;
    assert_eq!(bench.hear(OLD, renamed), ["updated attic_t"]);
    assert_eq!((bench.state("attic_t").as_str(), bench.device("attic_t").name.as_str()), ("7", "T"));
    let moved = renamed.replace("a/state", "b/state");
    assert_eq!(bench.hear(OLD, &moved), ["listen b/state 0", "ignore a/state", "updated attic_t"]);
    assert_eq!(bench.state("attic_t"), "-");
    assert!(bench.hear("a/state", "8").is_empty());
    let sure = moved.replace('{', r#"{"qos":1,"#).replacen(r#""dev":{"qos":1,"#, r#""dev":{"#, 1);
    assert_eq!(bench.hear(OLD, &sure), ["listen b/state 1", "updated attic_t"]);
    let other = sure.replace("attic_t", "attic_u");
    assert_eq!(
        bench.hear(OLD, &other),
        ["ignore b/state", "removed attic_t", "listen b/state 1", "announced attic_u"]
    );
}

#[test]
fn a_device_takes_over_what_was_to_migrate_and_the_old_topic_removes_it_no_more() {
    let mut bench = Bench::new();
    bench.hear(OLD, SINGLE);
    bench.hear("a/state", "7");
    let said = bench.hear(NEW, DEVICE);
    assert!(said[0].contains("attic_t was announced first"), "{said:?}");
    assert!(bench.hear(NEW, "").is_empty(), "the one that was refused removes nothing");
    assert!(bench.hear(OLD, r#"{"migrate_discovery":true}"#).is_empty());
    assert_eq!(bench.hear(NEW, DEVICE), ["updated attic_t"]);
    assert!(bench.hear(OLD, "").is_empty());
    assert_eq!(bench.state("attic_t"), "7");
    assert_eq!(bench.hear(NEW, ""), ["ignore a/state", "removed attic_t"]);
    assert_eq!(bench.registry.bytes(), 0);
}

#[test]
fn a_device_can_migrate_back() {
    let mut bench = Bench::new();
    bench.hear(NEW, DEVICE);
    bench.hear(NEW, r#"{"migr_discvry":true}"#);
    assert_eq!(bench.hear(OLD, SINGLE), ["updated attic_t"]);
    assert!(bench.hear(NEW, "").is_empty());
    assert_eq!(bench.ids(), ["attic_t"]);
}

#[test]
fn without_a_unique_id_and_a_device_nothing_migrates() {
    for payload in [r#"{"stat_t":"a","uniq_id":"attic_t"}"#, r#"{"stat_t":"a","dev":{"ids":"attic"}}"#] {
        let mut bench = Bench::new();
        bench.hear(OLD, payload);
        bench.hear(OLD, r#"{"migrate_discovery":true}"#);
        let said = bench.hear(NEW, DEVICE);
        assert!(said[0].starts_with("refused"), "{said:?}");
    }
}
