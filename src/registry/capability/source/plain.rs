//! The platforms whose topics each tell one thing.

use serde_json::Value;

use super::Source;
use super::reads::{Number, Reads, choices, on_off};
use super::report::Siren;
use crate::registry::capability::config::Config;

/// A topic's key, the field it tells, its template's key and how it is read.
type Row<'a> = (&'a str, &'static str, &'a str, Reads);

/// The sources of `platform`; none where it tells nothing, or is not known.
pub(super) fn sources(platform: &str, config: Config<'_>) -> Vec<Source> {
    let rows = rows(platform, config);
    // Climate and water heater: a template for all topics that have none of their own.
    let shared = matches!(platform, "climate" | "water_heater");
    let sources = rows.into_iter().filter_map(|(topic, field, template, reads)| {
        let template = if shared && !config.has(template) { "value_template" } else { template };
        Some(Source::at(config, topic, field, reads)?.with_template(config, template))
    });
    sources.collect()
}

fn rows(platform: &str, config: Config<'_>) -> Vec<Row<'static>> {
    let state = |reads| vec![("state_topic", "state", "value_template", reads)];
    match platform {
        "sensor" => state(sensor(config)),
        "binary_sensor" => state(on_off(config)),
        "switch" => state(switched(config)),
        "number" => state(Reads::Number(Number {
            min: Some(config.number_or("min", 0.0)),
            max: Some(config.number_or("max", 100.0)),
            whole: false,
            reset: Some(config.text_or("payload_reset", "None")),
        })),
        "select" => state(Reads::Choice(none_in_any_case().chain(named(config.list("options"))).collect())),
        "text" => state(Reads::Text),
        "date" | "time" | "datetime" => state(Reads::Text),
        "lock" => state(Reads::Choice(choices(
            config,
            &[
                ("state_locked", "LOCKED", "locked".into()),
                ("state_locking", "LOCKING", "locking".into()),
                ("state_unlocked", "UNLOCKED", "unlocked".into()),
                ("state_unlocking", "UNLOCKING", "unlocking".into()),
                ("state_open", "OPEN", "open".into()),
                ("state_opening", "OPENING", "opening".into()),
                ("state_jammed", "JAMMED", "jammed".into()),
                ("payload_reset", "None", Value::Null),
            ],
        ))),
        "alarm_control_panel" => state(Reads::Choice(words(ALARM_STATES))),
        "lawn_mower" => vec![(
            "activity_state_topic",
            "state",
            "activity_value_template",
            Reads::Choice(words(MOWER_STATES)),
        )],
        "device_tracker" => state(Reads::Words(choices(
            config,
            &[
                ("payload_home", "home", "home".into()),
                ("payload_not_home", "not_home", "not_home".into()),
                ("payload_reset", "None", Value::Null),
            ],
        ))),
        "event" => {
            vec![("state_topic", "event_type", "value_template", Reads::Event(config.list("event_types")))]
        }
        "update" => vec![
            ("state_topic", "installed_version", "value_template", Reads::Update),
            ("latest_version_topic", "latest_version", "latest_version_template", Reads::Text),
        ],
        "vacuum" => vec![("state_topic", "state", "", Reads::Vacuum)],
        "siren" => vec![("state_topic", "state", "state_value_template", Reads::Siren(Siren::new(config)))],
        "camera" => vec![("topic", "bytes", "", Reads::Length)],
        "image" => vec![
            ("image_topic", "bytes", "", Reads::Length),
            ("url_topic", "url", "url_template", Reads::Text),
        ],
        "tag" => vec![("topic", "tag", "value_template", Reads::Trigger(None))],
        "device_automation" => {
            vec![("topic", "trigger", "value_template", Reads::Trigger(config.text("payload")))]
        }
        "fan" => fan(config),
        "humidifier" => humidifier(config),
        "climate" => climate(config),
        "water_heater" => water_heater(config),
        _ => Vec::new(),
    }
}

/// A number where Home Assistant expects one: the sensor has a unit, a state class, a precision or a device class
/// that measures.
fn sensor(config: Config<'_>) -> Reads {
    let class = config.text("device_class");
    let measures =
        class.is_some_and(|class| !matches!(class.as_str(), "date" | "enum" | "timestamp" | "uptime"));
    let numeric = ["state_class", "unit_of_measurement", "suggested_display_precision"];
    let options = config.list("options");
    if measures || numeric.iter().any(|key| config.has(key)) {
        Reads::Number(Number { reset: Some("None".to_owned()), ..Number::default() })
    } else if !options.is_empty() {
        Reads::Choice(named(options).chain([("None".to_owned(), Value::Null)]).collect())
    } else {
        Reads::Words(vec![("None".to_owned(), Value::Null)])
    }
}

/// As [`on_off`], but the states may be told in other words than the commands.
pub(super) fn switched(config: Config<'_>) -> Reads {
    let word = |state: &str, payload: &str, default: &str| {
        config.text(state).filter(|it| !it.is_empty()).unwrap_or_else(|| config.text_or(payload, default))
    };
    Reads::Choice(vec![
        (word("state_on", "payload_on", "ON"), "on".into()),
        (word("state_off", "payload_off", "OFF"), "off".into()),
        ("None".to_owned(), Value::Null),
    ])
}

fn fan(config: Config<'_>) -> Vec<Row<'static>> {
    let presets = named(config.list("preset_modes"));
    let reset = (config.text_or("payload_reset_preset_mode", "None"), Value::Null);
    vec![
        ("state_topic", "state", "state_value_template", on_off(config)),
        (
            "percentage_state_topic",
            "percentage",
            "percentage_value_template",
            Reads::Percentage {
                low: config.number_or("speed_range_min", 1.0),
                high: config.number_or("speed_range_max", 100.0),
                reset: config.text_or("payload_reset_percentage", "None"),
            },
        ),
        (
            "preset_mode_state_topic",
            "preset_mode",
            "preset_mode_value_template",
            Reads::Choice([reset].into_iter().chain(presets).collect()),
        ),
        (
            "oscillation_state_topic",
            "oscillating",
            "oscillation_value_template",
            Reads::Choice(choices(
                config,
                &[
                    ("payload_oscillation_on", "oscillate_on", true.into()),
                    ("payload_oscillation_off", "oscillate_off", false.into()),
                ],
            )),
        ),
        ("direction_state_topic", "direction", "direction_value_template", Reads::Text),
    ]
}

fn humidifier(config: Config<'_>) -> Vec<Row<'static>> {
    let modes = named(config.list("modes"));
    let humidity = |min, max| {
        let reset = Some(config.text_or("payload_reset_humidity", "None"));
        Reads::Number(Number { min: Some(min), max: Some(max), whole: true, reset })
    };
    let (min, max) = (config.number_or("min_humidity", 0.0), config.number_or("max_humidity", 100.0));
    let reset = (config.text_or("payload_reset_mode", "None"), Value::Null);
    vec![
        ("state_topic", "state", "state_value_template", on_off(config)),
        ("action_topic", "action", "action_template", Reads::Choice(words(HUMIDIFIER_ACTIONS))),
        ("current_humidity_topic", "current_humidity", "current_humidity_template", humidity(0.0, 100.0)),
        ("target_humidity_state_topic", "humidity", "target_humidity_state_template", humidity(min, max)),
        (
            "mode_state_topic",
            "mode",
            "mode_state_template",
            Reads::Choice([reset].into_iter().chain(modes).collect()),
        ),
    ]
}

fn climate(config: Config<'_>) -> Vec<Row<'static>> {
    let number = || Reads::Number(Number { reset: Some("None".to_owned()), ..Number::default() });
    let modes = |key, default: &[&str]| {
        Reads::Choice(named(config.list_or(key, default)).chain([("None".to_owned(), Value::Null)]).collect())
    };
    let none = ["none", "None"].map(|it| (it.to_owned(), "none".into()));
    let presets = Reads::Choice(none.into_iter().chain(named(config.list("preset_modes"))).collect());
    vec![
        ("mode_state_topic", "hvac_mode", "mode_state_template", modes("modes", HVAC_MODES)),
        ("action_topic", "hvac_action", "action_template", Reads::Choice(words(HVAC_ACTIONS))),
        ("temperature_state_topic", "temperature", "temperature_state_template", number()),
        ("temperature_low_state_topic", "target_temp_low", "temperature_low_state_template", number()),
        ("temperature_high_state_topic", "target_temp_high", "temperature_high_state_template", number()),
        ("current_temperature_topic", "current_temperature", "current_temperature_template", number()),
        ("current_humidity_topic", "current_humidity", "current_humidity_template", number()),
        ("target_humidity_state_topic", "humidity", "target_humidity_state_template", number()),
        ("fan_mode_state_topic", "fan_mode", "fan_mode_state_template", modes("fan_modes", FAN_MODES)),
        ("preset_mode_state_topic", "preset_mode", "preset_mode_value_template", presets),
        (
            "swing_mode_state_topic",
            "swing_mode",
            "swing_mode_state_template",
            modes("swing_modes", SWING_MODES),
        ),
        (
            "swing_horizontal_mode_state_topic",
            "swing_horizontal_mode",
            "swing_horizontal_mode_state_template",
            modes("swing_horizontal_modes", SWING_MODES),
        ),
    ]
}

fn water_heater(config: Config<'_>) -> Vec<Row<'static>> {
    let number = || Reads::Number(Number { reset: Some("None".to_owned()), ..Number::default() });
    let modes = named(config.list_or("modes", WATER_HEATER_MODES)).chain([("None".to_owned(), Value::Null)]);
    vec![
        ("mode_state_topic", "operation_mode", "mode_state_template", Reads::Choice(modes.collect())),
        ("temperature_state_topic", "temperature", "temperature_state_template", number()),
        ("current_temperature_topic", "current_temperature", "current_temperature_template", number()),
    ]
}

fn named(options: Vec<String>) -> impl Iterator<Item = (String, Value)> {
    options.into_iter().map(|it| (it.clone(), it.into()))
}

/// These words as they are, and `None` for unknown.
fn words(words: &[&str]) -> Vec<(String, Value)> {
    named(words.iter().map(|&it| it.to_owned()).collect()).chain([("None".to_owned(), Value::Null)]).collect()
}

fn none_in_any_case() -> impl Iterator<Item = (String, Value)> {
    ["None", "none", "NONE"].into_iter().map(|it| (it.to_owned(), Value::Null))
}

const ALARM_STATES: &[&str] = &[
    "disarmed",
    "armed_home",
    "armed_away",
    "armed_night",
    "armed_vacation",
    "armed_custom_bypass",
    "pending",
    "arming",
    "disarming",
    "triggered",
];

const MOWER_STATES: &[&str] = &["error", "paused", "mowing", "docked", "returning", "idle"];

const HUMIDIFIER_ACTIONS: &[&str] = &["humidifying", "drying", "idle", "off"];

const HVAC_ACTIONS: &[&str] =
    &["cooling", "defrosting", "drying", "fan", "heating", "idle", "off", "preheating"];

/// What a climate entity can do where its configuration does not say.
pub(in super::super) const HVAC_MODES: &[&str] = &["auto", "off", "cool", "heat", "dry", "fan_only"];

/// The same for its fan.
pub(in super::super) const FAN_MODES: &[&str] = &["auto", "low", "medium", "high"];

/// The same for its louvres.
pub(in super::super) const SWING_MODES: &[&str] = &["on", "off"];

/// What a water heater can do where its configuration does not say.
pub(in super::super) const WATER_HEATER_MODES: &[&str] =
    &["off", "eco", "electric", "gas", "heat_pump", "high_demand", "performance"];
