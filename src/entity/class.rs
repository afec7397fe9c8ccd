//! The device classes of Home Assistant, with the units and state classes that each may have.
//!
//! From its 2026.11 source: `DEVICE_CLASS_UNITS` and `DEVICE_CLASS_STATE_CLASSES` in
//! `homeassistant/components/sensor/const.py`, and `homeassistant/components/binary_sensor`.

use std::fmt;

use Units::{AnyText, OneOf, OneOfOrNone, Unitless};

/// A device class of sensors.
#[derive(Debug, PartialEq)]
pub(super) struct SensorClass {
    /// As it stands in the discovery payload.
    pub(super) name: &'static str,
    /// What its unit may be.
    pub(super) units: Units,
    /// What its state class may be, if it has one; empty where the state is no number.
    pub(super) state_classes: &'static [StateClass],
}

/// Which units of measurement go with a device class.
#[derive(Debug, PartialEq)]
pub(super) enum Units {
    /// None: a bare number, or no number at all.
    Unitless,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One of these, or none.
    OneOfOrNone(&'static [&'static str]),
    /// Some text of the user's, such as a currency, or none.
    AnyText,
}

/// What a sensor's numbers mean over time, and so which statistics Home Assistant keeps of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateClass {
    /// A value at this moment: a temperature.
    Measurement,
    /// A direction at this moment, in °: 359 and 1 have the mean 0.
    MeasurementAngle,
    /// An amount that may rise and fall: the balance of a meter that runs both ways.
    Total,
    /// An amount that only rises, until it starts from zero again: a counter.
    TotalIncreasing,
}

impl SensorClass {
    /// The class called `name`.
    pub(super) fn named(name: &str) -> Option<&'static SensorClass> {
        SENSOR_CLASSES.iter().find(|class| class.name == name)
    }

    /// All names, in alphabetical order.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        SENSOR_CLASSES.iter().map(|class| class.name)
    }

    /// The names of those whose states are numbers, in alphabetical order.
    pub(super) fn numeric_names() -> impl Iterator<Item = &'static str> {
        SENSOR_CLASSES.iter().filter(|class| class.is_numeric()).map(|class| class.name)
    }

    /// Whether its state is a number.
    pub(super) fn is_numeric(&self) -> bool {
        !self.state_classes.is_empty()
    }
}

impl StateClass {
    /// Every state class.
    pub const ALL: [StateClass; 4] = [
        StateClass::Measurement,
        StateClass::MeasurementAngle,
        StateClass::Total,
        StateClass::TotalIncreasing,
    ];

    /// Those that a sensor of `device_class` may have, none where its states are no numbers; `None` where Home Assistant
    /// knows no such class.
    pub fn allowed(device_class: &str) -> Option<&'static [StateClass]> {
        SensorClass::named(device_class).map(|class| class.state_classes)
    }

    /// As it stands in the discovery payload.
    pub fn as_str(self) -> &'static str {
        match self {
            StateClass::Measurement => "measurement",
            StateClass::MeasurementAngle => "measurement_angle",
            StateClass::Total => "total",
            StateClass::TotalIncreasing => "total_increasing",
        }
    }
}

impl fmt::Display for StateClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The spelling of `unit` that Home Assistant prefers: the micro sign U+03BC, not U+00B5, and a small `var`.
pub(super) fn preferred_unit(unit: &str) -> String {
    match unit {
        "mVAr" | "VAr" | "kVAr" | "VArh" | "kVArh" => unit.replace("VAr", "var"),
        _ => unit.replace('\u{b5}', "\u{3bc}"),
    }
}

/// Whether Home Assistant 2023.12 takes a sensor of `class` with `unit` and `state_class`, without complaint.
pub(super) fn sensor_known_in_2023_12(
    class: Option<&str>,
    unit: Option<&str>,
    state_class: Option<StateClass>,
) -> bool {
    let Some(class) = class else { return state_class != Some(StateClass::MeasurementAngle) };
    // Its own micro sign was the other one, so it knew no unit of ours that has one.
    let newer_unit = |unit: &str| {
        unit.contains('\u{3bc}')
            || NEWER_UNITS.iter().any(|(at, units)| *at == class && units.contains(&unit))
    };
    let newer_state_class = match state_class {
        Some(StateClass::Total | StateClass::TotalIncreasing) => class == "weight",
        // An angle has the class wind_direction, which is newer itself.
        Some(StateClass::Measurement | StateClass::MeasurementAngle) | None => false,
    };
    !NEWER_CLASSES.contains(&class) && !unit.is_some_and(newer_unit) && !newer_state_class
}

/// Whether Home Assistant 2023.12 takes a binary sensor of `class`.
pub(super) fn binary_sensor_known_in_2023_12(class: Option<&str>) -> bool {
    class != Some("glass_break")
}

const fn class(name: &'static str, units: Units, state_classes: &'static [StateClass]) -> SensorClass {
    SensorClass { name, units, state_classes }
}

const ANGLE: &[StateClass] = &[StateClass::MeasurementAngle];
const MEASURED: &[StateClass] = &[StateClass::Measurement];
const TOTAL: &[StateClass] = &[StateClass::Total];
const METERED: &[StateClass] = &[StateClass::Total, StateClass::TotalIncreasing];
/// Home Assistant lists `measurement_angle` here too, but takes it with the unit ° only.
const ANY_STATE: &[StateClass] = &[StateClass::Measurement, StateClass::Total, StateClass::TotalIncreasing];
const NO_NUMBER: &[StateClass] = &[];

const ENERGY: Units = OneOf(&[
    "J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal", "thm",
]);
const DENSITY: Units = OneOf(&["μg/m³"]);
const PERCENT: Units = OneOf(&["%"]);
const PRESSURE: Units =
    OneOf(&["mPa", "Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "inH₂O", "psi", "atm"]);
const TEMPERATURE: Units = OneOf(&["°C", "°F", "K"]);
const VOLUME: Units = OneOf(&["ft³", "CCF", "MCF", "m³", "L", "mL", "gal", "fl. oz."]);

pub(super) const SENSOR_CLASSES: &[SensorClass] = &[
    class("absolute_humidity", OneOf(&["g/m³", "mg/m³"]), MEASURED),
    class("apparent_power", OneOf(&["mVA", "VA", "kVA"]), MEASURED),
    class("aqi", Unitless, MEASURED),
    class("area", OneOf(&["m²", "cm²", "km²", "mm²", "in²", "ft²", "yd²", "mi²", "ac", "ha"]), ANY_STATE),
    class("atmospheric_pressure", PRESSURE, MEASURED),
    class("battery", PERCENT, MEASURED),
    class("blood_glucose_concentration", OneOf(&["mg/dL", "mmol/L"]), MEASURED),
    class("carbon_dioxide", OneOf(&["ppm"]), MEASURED),
    class("carbon_monoxide", OneOf(&["ppb", "ppm", "mg/m³", "μg/m³"]), MEASURED),
    class("conductivity", OneOf(&["S/cm", "mS/cm", "μS/cm"]), MEASURED),
    class("current", OneOf(&["μA", "mA", "A"]), MEASURED),
    class(
        "data_rate",
        OneOf(&[
            "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "B/s", "kB/s", "MB/s", "GB/s", "KiB/s", "MiB/s", "GiB/s",
        ]),
        MEASURED,
    ),
    class(
        "data_size",
        OneOf(&[
            "bit", "kbit", "Mbit", "Gbit", "B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB", "KiB", "MiB",
            "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB",
        ]),
        ANY_STATE,
    ),
    class("date", Unitless, NO_NUMBER),
    class("distance", OneOf(&["mm", "cm", "m", "km", "in", "ft", "yd", "mi", "nmi"]), ANY_STATE),
    class("duration", OneOf(&["d", "h", "min", "s", "ms", "μs"]), ANY_STATE),
    class("energy", ENERGY, METERED),
    class("energy_distance", OneOf(&["kWh/100km", "Wh/km", "mi/kWh", "km/kWh"]), MEASURED),
    class("energy_storage", ENERGY, MEASURED),
    class("enum", Unitless, NO_NUMBER),
    class("frequency", OneOf(&["mHz", "Hz", "kHz", "MHz", "GHz"]), MEASURED),
    class("gas", OneOf(&["CCF", "MCF", "ft³", "m³", "L"]), METERED),
    class("humidity", PERCENT, MEASURED),
    class("illuminance", OneOf(&["lx"]), MEASURED),
    class("irradiance", OneOf(&["W/m²", "BTU/(h⋅ft²)"]), MEASURED),
    class("moisture", PERCENT, MEASURED),
    class("monetary", AnyText, TOTAL),
    class("nitrogen_dioxide", OneOf(&["ppb", "ppm", "μg/m³"]), MEASURED),
    class("nitrogen_monoxide", OneOf(&["ppb", "μg/m³"]), MEASURED),
    class("nitrous_oxide", DENSITY, MEASURED),
    class("ozone", OneOf(&["ppb", "ppm", "μg/m³"]), MEASURED),
    class("ph", Unitless, MEASURED),
    class("pm1", DENSITY, MEASURED),
    class("pm10", DENSITY, MEASURED),
    class("pm25", DENSITY, MEASURED),
    class("pm4", DENSITY, MEASURED),
    class("power", OneOf(&["mW", "W", "kW", "MW", "GW", "TW"]), MEASURED),
    class("power_factor", OneOfOrNone(&["%"]), MEASURED),
    class("precipitation", OneOf(&["in", "mm", "cm"]), ANY_STATE),
    class("precipitation_intensity", OneOf(&["in/d", "in/h", "mm/d", "mm/h"]), MEASURED),
    class("pressure", PRESSURE, MEASURED),
    class("radon", OneOf(&["Bq/m³", "pCi/L"]), MEASURED),
    class("reactive_energy", OneOf(&["varh", "kvarh"]), METERED),
    class("reactive_power", OneOf(&["mvar", "var", "kvar"]), MEASURED),
    class("signal_strength", OneOf(&["dB", "dBm"]), MEASURED),
    class("sound_pressure", OneOf(&["dB", "dBA"]), MEASURED),
    class(
        "speed",
        OneOf(&[
            "Beaufort", "ft/s", "in/s", "m/min", "m/s", "km/h", "kn", "mph", "mm/s", "in/d", "in/h", "mm/d",
            "mm/h",
        ]),
        MEASURED,
    ),
    class("sulphur_dioxide", OneOf(&["ppb", "μg/m³"]), MEASURED),
    class("temperature", TEMPERATURE, MEASURED),
    class("temperature_delta", TEMPERATURE, MEASURED),
    class("timestamp", Unitless, NO_NUMBER),
    class("uptime", Unitless, NO_NUMBER),
    class("volatile_organic_compounds", OneOf(&["μg/m³", "mg/m³"]), MEASURED),
    class("volatile_organic_compounds_parts", OneOf(&["ppb", "ppm"]), MEASURED),
    class("voltage", OneOf(&["μV", "mV", "V", "kV", "MV"]), MEASURED),
    class("volume", VOLUME, METERED),
    class(
        "volume_flow_rate",
        OneOf(&[
            "m³/h", "m³/min", "m³/s", "ft³/min", "L/h", "L/min", "L/s", "gal/h", "gal/min", "gal/d", "mL/s",
        ]),
        MEASURED,
    ),
    class("volume_storage", VOLUME, MEASURED),
    class("water", OneOf(&["CCF", "MCF", "ft³", "m³", "gal", "L"]), METERED),
    class("weight", OneOf(&["g", "kg", "mg", "μg", "oz", "lb", "st"]), ANY_STATE),
    class("wind_direction", OneOf(&["°"]), ANGLE),
    class(
        "wind_speed",
        OneOf(&["Beaufort", "ft/s", "in/s", "m/min", "m/s", "km/h", "kn", "mph", "mm/s"]),
        MEASURED,
    ),
];

/// Device classes of binary sensors.
pub(super) const BINARY_SENSOR_CLASSES: &[&str] = &[
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "glass_break",
    "heat",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];

/// Sensor classes that Home Assistant 2023.12 refuses, and the entity with them.
const NEWER_CLASSES: &[&str] = &[
    "absolute_humidity",
    "area",
    "blood_glucose_concentration",
    "conductivity",
    "energy_distance",
    "pm4",
    "radon",
    "reactive_energy",
    "temperature_delta",
    "uptime",
    "volume_flow_rate",
    "wind_direction",
];

const NEWER_ENERGY: &[&str] = &["J", "kJ", "mWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal", "thm"];

/// Units that Home Assistant 2023.12 complains of in a class it knows, beside those with a micro sign.
const NEWER_UNITS: &[(&str, &[&str])] = &[
    ("apparent_power", &["mVA", "kVA"]),
    ("atmospheric_pressure", &["mPa", "inH₂O", "atm"]),
    ("carbon_monoxide", &["ppb", "mg/m³"]),
    ("distance", &["nmi"]),
    ("energy", NEWER_ENERGY),
    ("energy_storage", NEWER_ENERGY),
    ("frequency", &["mHz"]),
    ("gas", &["MCF", "L"]),
    ("nitrogen_dioxide", &["ppb", "ppm"]),
    ("nitrogen_monoxide", &["ppb"]),
    ("ozone", &["ppb", "ppm"]),
    ("power", &["mW", "MW", "GW", "TW"]),
    ("pressure", &["mPa", "inH₂O", "atm"]),
    ("reactive_power", &["mvar", "kvar"]),
    ("speed", &["Beaufort", "in/s", "m/min", "mm/s"]),
    ("sulphur_dioxide", &["ppb"]),
    ("volatile_organic_compounds", &["mg/m³"]),
    ("voltage", &["kV", "MV"]),
    ("volume", &["MCF"]),
    ("volume_storage", &["MCF"]),
    ("water", &["MCF"]),
    ("wind_speed", &["Beaufort", "in/s", "m/min", "mm/s"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_names_nothing_twice() {
        let names: Vec<_> = SensorClass::names().collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert!(BINARY_SENSOR_CLASSES.is_sorted_by(|a, b| a < b));
        for class in SENSOR_CLASSES {
            if let OneOf(units) | OneOfOrNone(units) = class.units {
                for (at, unit) in units.iter().enumerate() {
                    assert_eq!(preferred_unit(unit), *unit);
                    assert!(!units[..at].contains(unit), "{} {unit}", class.name);
                }
            }
        }
    }

    #[test]
    fn what_is_newer_than_2023_12_is_in_the_table_of_today() {
        for name in NEWER_CLASSES {
            assert!(SensorClass::named(name).is_some(), "{name}");
        }
        for (name, newer) in NEWER_UNITS {
            let class = SensorClass::named(name).unwrap();
            let OneOf(units) = class.units else { panic!("{name} has no units to choose from") };
            assert!(newer.iter().all(|unit| units.contains(unit)), "{name}");
        }
    }

    #[test]
    fn what_home_assistant_2023_12_knew_is_known() {
        for (class, unit, state_class, expected) in [
            (None, None, None, true),
            (None, Some("μmol"), Some(StateClass::Measurement), true),
            (None, Some("°"), Some(StateClass::MeasurementAngle), false),
            (Some("temperature"), Some("°C"), Some(StateClass::Measurement), true),
            (Some("timestamp"), None, None, true),
            (Some("uptime"), None, None, false),
            (Some("power"), Some("kW"), None, true),
            (Some("power"), Some("mW"), None, false),
            (Some("pm25"), Some("μg/m³"), None, false),
            (Some("wind_direction"), Some("°"), Some(StateClass::MeasurementAngle), false),
            (Some("weight"), Some("kg"), Some(StateClass::Measurement), true),
            (Some("weight"), Some("kg"), Some(StateClass::Total), false),
        ] {
            assert_eq!(sensor_known_in_2023_12(class, unit, state_class), expected, "{class:?} {unit:?}");
        }
        assert!(binary_sensor_known_in_2023_12(Some("problem")));
        assert!(!binary_sensor_known_in_2023_12(Some("glass_break")));
    }
}
