//! Tests of what entities tell.

use std::time::Duration;

use super::super::{BinarySensor, Sensor};
use super::*;

/// Whatever has no expected payload is to be refused.
#[track_caller]
fn check(entity: Entity, rows: impl IntoIterator<Item = (Value, Option<&'static str>)>) {
    for (value, expected) in rows {
        assert_eq!(entity.state_payload(&value).ok().as_deref(), expected, "{value:?}");
    }
}

fn plain_sensor() -> Sensor {
    Sensor::new("attic", "Attic")
}

fn of_class(class: &str) -> Entity {
    plain_sensor().device_class(class).build().unwrap()
}

fn temperature() -> Entity {
    plain_sensor().device_class("temperature").unit("°C").build().unwrap()
}

#[test]
fn a_number_is_finite_and_without_noise() {
    check(
        temperature(),
        [
            (21.5.into(), Some("21.5")),
            ((0.1 + 0.2).into(), Some("0.3")),
            (45.123_456_789.into(), Some("45.123457")),
            (100.0.into(), Some("100")),
            ((-0.0).into(), Some("0")),
            ((-1e-30).into(), Some("0")),
            (0.000_012_345_678_9.into(), Some("0.0000123457")),
            (1e15.into(), Some("1000000000000000")),
            (1e20.into(), Some("100000000000000000000")),
            (f64::NAN.into(), None),
            (f64::INFINITY.into(), None),
            (f64::MAX.into(), None),
        ],
    );
}

#[test]
fn where_a_number_is_expected_a_text_is_one() {
    let rows = || {
        [
            ("21.5".into(), Some("21.5")),
            ("1e3".into(), Some("1e3")),
            ("warm".into(), None),
            ("nan".into(), None),
            ("inf".into(), None),
            ("1e999".into(), None),
            ("".into(), None),
            (true.into(), None),
            (Value::Unknown, Some("None")),
        ]
    };
    check(temperature(), rows());
    check(of_class("aqi"), rows());
    check(plain_sensor().unit("widgets").build().unwrap(), rows());
    check(plain_sensor().state_class("total").build().unwrap(), rows());
    check(plain_sensor().precision(1).build().unwrap(), rows());
}

#[test]
fn a_sensor_with_neither_unit_nor_class_says_what_it_likes() {
    check(
        plain_sensor().build().unwrap(),
        [
            ("192.168.1.2".into(), Some("192.168.1.2")),
            (1.0.into(), Some("1")),
            ("None".into(), None),
            ("".into(), None),
            ("ä".repeat(256).into(), None),
            (false.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
    let longest = "ä".repeat(255);
    let payload = plain_sensor().build().unwrap().state_payload(&longest.as_str().into());
    assert_eq!(payload, Ok(longest));
}

#[test]
fn a_moment_has_a_zone() {
    for class in ["timestamp", "uptime"] {
        check(
            of_class(class),
            [
                ("2026-11-21T20:46:00Z".into(), Some("2026-11-21T20:46:00Z")),
                ("2026-11-21T20:46:00.25+01:00".into(), Some("2026-11-21T20:46:00.25+01:00")),
                ("2026-11-21T20:46:00".into(), None),
                ("2026-11-21".into(), None),
                ("2026-02-30T00:00:00Z".into(), None),
                (1.0.into(), None),
                (Value::Unknown, Some("None")),
            ],
        );
    }
}

#[test]
fn a_date_is_a_day_of_the_calendar() {
    check(
        of_class("date"),
        [
            ("2024-02-29".into(), Some("2024-02-29")),
            ("2026-02-29".into(), None),
            ("0000-01-01".into(), None),
            ("21.11.2026".into(), None),
            ("2026-11-21T20:46:00Z".into(), None),
            (20_261_121.0.into(), None),
        ],
    );
}

#[test]
fn an_enum_is_one_of_its_options() {
    let mode = plain_sensor().device_class("enum").options(["eco", "comfort"]).build().unwrap();
    check(
        mode,
        [
            ("eco".into(), Some("eco")),
            ("Eco".into(), None),
            (1.0.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
    check(of_class("enum"), [("anything".into(), Some("anything"))]);
}

#[test]
fn a_binary_sensor_is_on_or_off() {
    let motion = BinarySensor::new("hall", "Hall").payload_on("1").payload_off("0").build().unwrap();
    check(
        motion,
        [
            (true.into(), Some("1")),
            (false.into(), Some("0")),
            ("1".into(), Some("1")),
            ("ON".into(), None),
            (1.0.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
}

#[test]
fn a_refusal_names_the_entity_and_what_it_takes() {
    let motion = BinarySensor::new("hall", "Hall").build().unwrap();
    for (entity, value, expected) in [
        (
            temperature(),
            f64::NAN.into(),
            r#"sensor "attic": expected a finite number of at most 255 digits, found the number NaN"#,
        ),
        (
            of_class("timestamp"),
            "soon".into(),
            r#"sensor "attic": expected a time with its zone such as 2026-11-21T20:46:00+01:00, found "soon""#,
        ),
        (
            motion,
            Value::from("x".repeat(50)),
            "binary_sensor \"hall\": expected on or off (\"ON\" or \"OFF\"), \
             found \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" and 10 more characters",
        ),
    ] {
        assert_eq!(entity.state_payload(&value).unwrap_err().to_string(), expected);
    }
}

#[test]
fn states_are_retained_unless_they_expire() {
    assert!(temperature().retained());
    let expiring = plain_sensor().expire_after(Duration::from_secs(60)).build().unwrap();
    assert!(!expiring.retained());
}
