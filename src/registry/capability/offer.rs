//! What can be asked of an entity.

use std::fmt;

use serde_json::{Map, Value};

use super::config::Config;
use super::source::{CHANNELS, FAN_MODES, HVAC_MODES, SWING_MODES, WATER_HEATER_MODES, json_color_modes};

/// One field that can be set on an entity, by [`Client::set_state`](crate::client::Client::set_state).
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The field's name: `brightness`.
    pub field: &'static str,
    /// Which values it takes.
    pub range: Range,
}

/// Which values a field takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Range {
    /// One of these words, in any case of letters.
    Options(Vec<String>),
    /// A number.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// The distance between two neighbours; 0 where any number will do.
        step: f64,
    },
    /// Text of so many characters.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// `true`, or `false` where that means something.
    Flag,
    /// A list of so many numbers, or an object of them by these letters: `[255, 0, 0]`, `{"r": 255, "g": 0, "b": 0}`.
    Color {
        /// The letters of the channels: `rgb`.
        channels: &'static str,
        /// The greatest value of each; the least is 0.
        max: &'static [f64],
    },
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Options(options) if options.len() == 1 => f.write_str(&options[0]),
            Range::Options(options) => write!(f, "one of {}", options.join(", ")),
            Range::Number { min, max, step } if *step > 0.0 => write!(f, "{min} to {max} in steps of {step}"),
            Range::Number { min, max, .. } => write!(f, "{min} to {max}"),
            Range::Text { min, max } => write!(f, "{min} to {max} characters"),
            Range::Flag => f.write_str("true or false"),
            Range::Color { channels, max } => {
                for (at, (channel, max)) in channels.chars().zip(*max).enumerate() {
                    write!(f, "{}{channel} 0 to {max}", if at > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

/// Everything that an entity of `platform` with the discovery configuration `config` can be asked, in the order
/// in which a person would look for it. Nothing where it takes no commands.
pub fn offers(platform: &str, config: &Map<String, Value>) -> Vec<Offer> {
    let config = Config(config);
    let mut offers = Offers { config, list: Vec::new() };
    match platform {
        "light" => offers.light(),
        "switch" => offers.on_off("command_topic"),
        "siren" => offers.siren(),
        "fan" => offers.fan(),
        "humidifier" => {
            offers.on_off("command_topic");
            let (min, max) = (config.number_or("min_humidity", 0.0), config.number_or("max_humidity", 100.0));
            offers.number_at("target_humidity_command_topic", "humidity", min, max, 1.0);
            offers.options_at("mode_command_topic", "mode", config.list("modes"));
        }
        "climate" => offers.climate(),
        "water_heater" => {
            offers.on_off("power_command_topic");
            offers.options_at(
                "mode_command_topic",
                "operation_mode",
                config.list_or("modes", WATER_HEATER_MODES),
            );
            let (min, max) = offers.temperatures((43.3, 60.0));
            offers.number_at("temperature_command_topic", "temperature", min, max, 0.0);
        }
        "cover" => {
            offers.verbs(&[("payload_open", "open"), ("payload_close", "close"), ("payload_stop", "stop")]);
            offers.number_at("set_position_topic", "position", 0.0, 100.0, 1.0);
            offers.number_at("tilt_command_topic", "tilt_position", 0.0, 100.0, 1.0);
        }
        "valve" => offers.valve(),
        "lock" => {
            offers.verbs(&[("payload_lock", "lock"), ("payload_unlock", "unlock")]);
            if config.has("payload_open") && config.has("command_topic") {
                offers.add_verb("open");
            }
            offers.code();
        }
        "alarm_control_panel" => offers.alarm(),
        "lawn_mower" => {
            let verbs = MOWER_VERBS.iter().filter(|(key, _)| config.has(key));
            offers.options("state", verbs.map(|(_, verb)| (*verb).to_owned()).collect());
        }
        "vacuum" => offers.vacuum(),
        "number" => {
            let (min, max) = (config.number_or("min", 0.0), config.number_or("max", 100.0));
            offers.number_at("command_topic", "value", min, max, config.number_or("step", 1.0));
        }
        "select" => offers.options_at("command_topic", "option", config.list("options")),
        "text" => {
            let bound = |key, default| config.number_or(key, default).clamp(0.0, 255.0) as usize;
            offers.at(
                "command_topic",
                "value",
                Range::Text { min: bound("min", 0.0), max: bound("max", 255.0) },
            );
        }
        "date" | "time" | "datetime" => offers.at("command_topic", "value", Range::Text { min: 1, max: 64 }),
        "notify" => offers.at("command_topic", "message", Range::Text { min: 0, max: 65_535 }),
        "button" => offers.at("command_topic", "press", Range::Flag),
        "scene" => offers.at("command_topic", "activate", Range::Flag),
        "update" if config.has("payload_install") => offers.at("command_topic", "install", Range::Flag),
        _ => {}
    }
    offers.list
}

/// The list in the making.
struct Offers<'a> {
    config: Config<'a>,
    list: Vec<Offer>,
}

impl Offers<'_> {
    fn add(&mut self, field: &'static str, range: Range) {
        self.list.push(Offer { field, range });
    }

    /// Offers `field` where the configuration has the topic for it.
    fn at(&mut self, topic: &str, field: &'static str, range: Range) {
        if self.config.has(topic) {
            self.add(field, range);
        }
    }

    fn number_at(&mut self, topic: &str, field: &'static str, min: f64, max: f64, step: f64) {
        self.at(topic, field, Range::Number { min, max, step });
    }

    fn options(&mut self, field: &'static str, options: Vec<String>) {
        if !options.is_empty() {
            self.add(field, Range::Options(options));
        }
    }

    fn options_at(&mut self, topic: &str, field: &'static str, options: Vec<String>) {
        if self.config.has(topic) {
            self.options(field, options);
        }
    }

    fn on_off(&mut self, topic: &str) {
        self.options_at(topic, "state", vec!["on".to_owned(), "off".to_owned()]);
    }

    /// The verbs whose payload is not taken away by `null`.
    fn verbs(&mut self, verbs: &[(&str, &str)]) {
        let taken_away = |key: &&str| self.config.0.get(*key).is_some_and(Value::is_null);
        let verbs = verbs.iter().filter(|(key, _)| !taken_away(key)).map(|(_, verb)| (*verb).to_owned());
        self.options_at("command_topic", "state", verbs.collect());
    }

    fn add_verb(&mut self, verb: &str) {
        match self.list.iter_mut().find(|offer| offer.field == "state").map(|offer| &mut offer.range) {
            Some(Range::Options(options)) => options.push(verb.to_owned()),
            _ => self.options("state", vec![verb.to_owned()]),
        }
    }

    fn code(&mut self) {
        if self.config.has("command_topic") {
            self.add("code", Range::Text { min: 0, max: 255 });
        }
    }

    fn light(&mut self) {
        if !self.config.has("command_topic") {
            return;
        }
        self.on_off("command_topic");
        match self.config.text("schema").as_deref() {
            Some("json") => self.json_light(),
            Some("template") => self.template_light(),
            _ => self.basic_light(),
        }
    }

    fn json_light(&mut self) {
        let modes = json_color_modes(self.config);
        if modes.iter().any(|mode| mode != "onoff") {
            self.level("brightness");
        }
        if modes.iter().any(|mode| mode == "color_temp") {
            self.color_temp();
        }
        for mode in &modes {
            self.color(mode);
        }
        if self.config.flag("effect", false) {
            self.options("effect", self.config.list("effect_list"));
        }
        if modes.iter().any(|mode| mode == "white") {
            self.level("white");
        }
        self.fades();
    }

    fn basic_light(&mut self) {
        let colored = ["rgb_command_topic", "rgbw_command_topic", "rgbww_command_topic"];
        let has = |key: &&str| self.config.has(key);
        if has(&"brightness_command_topic") || colored.iter().any(has) {
            self.level("brightness");
        }
        if self.config.has("color_temp_command_topic") {
            self.color_temp();
        }
        for (mode, ..) in CHANNELS {
            if self.config.has(&format!("{mode}_command_topic")) {
                self.color(mode);
            }
        }
        self.options_at("effect_command_topic", "effect", self.config.list("effect_list"));
        if self.config.has("white_command_topic") {
            self.level("white");
        }
    }

    fn template_light(&mut self) {
        if self.config.has("brightness_template") {
            self.level("brightness");
        }
        if self.config.has("color_temp_template") {
            self.color_temp();
        }
        self.options("effect", self.config.list("effect_list"));
        self.fades();
    }

    fn level(&mut self, field: &'static str) {
        self.add(field, Range::Number { min: 0.0, max: 255.0, step: 1.0 });
    }

    fn color_temp(&mut self) {
        let kelvin = |mireds: &str, kelvin: &str, default| match self.config.number(mireds) {
            Some(mireds) if mireds > 0.0 => (1e6 / mireds).floor(),
            _ => self.config.number_or(kelvin, default),
        };
        let min = kelvin("max_mireds", "min_kelvin", 2000.0);
        let max = kelvin("min_mireds", "max_kelvin", 6535.0);
        self.add("color_temp", Range::Number { min, max, step: 0.0 });
    }

    fn color(&mut self, mode: &str) {
        if let Some((mode, field, channels)) = CHANNELS.iter().find(|(found, ..)| *found == mode) {
            let max: &[f64] = match *mode {
                "hs" => &[360.0, 100.0],
                "xy" => &[1.0, 1.0],
                _ => &[255.0; 5],
            };
            self.add(field, Range::Color { channels, max });
        }
    }

    fn fades(&mut self) {
        if self.config.flag("transition", true) {
            self.add("transition", Range::Number { min: 0.0, max: 6553.0, step: 0.0 });
        }
        if self.config.flag("flash", true) {
            self.options("flash", vec!["short".to_owned(), "long".to_owned()]);
        }
    }

    fn siren(&mut self) {
        self.on_off("command_topic");
        self.options_at("command_topic", "tone", self.config.list("available_tones"));
        if self.config.flag("support_duration", true) {
            self.number_at("command_topic", "duration", 0.0, 86_400.0, 1.0);
        }
        if self.config.flag("support_volume_set", true) {
            self.number_at("command_topic", "volume_level", 0.0, 1.0, 0.0);
        }
    }

    fn fan(&mut self) {
        self.on_off("command_topic");
        self.number_at("percentage_command_topic", "percentage", 0.0, 100.0, 1.0);
        self.options_at("preset_mode_command_topic", "preset_mode", self.config.list("preset_modes"));
        self.at("oscillation_command_topic", "oscillating", Range::Flag);
        let directions = ["forward", "reverse"].map(str::to_owned).into();
        self.options_at("direction_command_topic", "direction", directions);
    }

    fn climate(&mut self) {
        let config = self.config;
        self.on_off("power_command_topic");
        self.options_at("mode_command_topic", "hvac_mode", config.list_or("modes", HVAC_MODES));
        let (min, max) = self.temperatures((7.0, 35.0));
        self.number_at("temperature_command_topic", "temperature", min, max, 0.0);
        self.number_at("temperature_low_command_topic", "target_temp_low", min, max, 0.0);
        self.number_at("temperature_high_command_topic", "target_temp_high", min, max, 0.0);
        let (min, max) = (config.number_or("min_humidity", 30.0), config.number_or("max_humidity", 99.0));
        self.number_at("target_humidity_command_topic", "humidity", min, max, 1.0);
        self.options_at("fan_mode_command_topic", "fan_mode", config.list_or("fan_modes", FAN_MODES));
        let mut presets = config.list("preset_modes");
        if !presets.is_empty() {
            presets.insert(0, "none".to_owned());
        }
        self.options_at("preset_mode_command_topic", "preset_mode", presets);
        self.options_at("swing_mode_command_topic", "swing_mode", config.list_or("swing_modes", SWING_MODES));
        let horizontal = config.list_or("swing_horizontal_modes", SWING_MODES);
        self.options_at("swing_horizontal_mode_command_topic", "swing_horizontal_mode", horizontal);
    }

    /// The least and the greatest temperature, in the entity's own unit.
    fn temperatures(&self, celsius: (f64, f64)) -> (f64, f64) {
        let fahrenheit = self.config.text("temperature_unit").as_deref() == Some("F");
        let default = |it: f64| if fahrenheit { (it * 1.8 + 32.0).round() } else { it };
        (
            self.config.number_or("min_temp", default(celsius.0)),
            self.config.number_or("max_temp", default(celsius.1)),
        )
    }

    fn valve(&mut self) {
        // One that reports its position may have no payloads: it is opened and closed by its position.
        self.verbs(&[("payload_open", "open"), ("payload_close", "close")]);
        if self.config.flag("reports_position", false) {
            self.number_at("command_topic", "position", 0.0, 100.0, 1.0);
        }
        if self.config.has("payload_stop") && self.config.has("command_topic") {
            self.add_verb("stop");
        }
    }

    fn alarm(&mut self) {
        let features = self.config.list_or("supported_features", &ALARM_VERBS[1..]);
        let verbs =
            ALARM_VERBS.iter().filter(|verb| **verb == "disarm" || features.iter().any(|it| it == *verb));
        self.options_at("command_topic", "state", verbs.map(|verb| (*verb).to_owned()).collect());
        self.code();
    }

    fn vacuum(&mut self) {
        let features = self.config.list_or("supported_features", VACUUM_FEATURES);
        let has = |feature: &str| features.iter().any(|it| it == feature);
        let verbs = VACUUM_VERBS.iter().filter(|(feature, ..)| has(feature));
        self.options_at("command_topic", "state", verbs.map(|(_, verb)| (*verb).to_owned()).collect());
        if has("fan_speed") {
            self.options_at("set_fan_speed_topic", "fan_speed", self.config.list("fan_speed_list"));
        }
        if has("send_command") {
            self.at("send_command_topic", "command", Range::Text { min: 1, max: 255 });
        }
    }
}

/// Key of the topic, and what is asked there.
pub(super) const MOWER_VERBS: &[(&str, &str)] = &[
    ("start_mowing_command_topic", "start_mowing"),
    ("pause_command_topic", "pause"),
    ("dock_command_topic", "dock"),
    ("stop_command_topic", "stop"),
];

const ALARM_VERBS: &[&str] =
    &["disarm", "arm_home", "arm_away", "arm_night", "arm_vacation", "arm_custom_bypass", "trigger"];

/// Home Assistant's word for the feature, and ours for asking for it, which is its service's.
const VACUUM_VERBS: &[(&str, &str)] = &[
    ("start", "start"),
    ("pause", "pause"),
    ("stop", "stop"),
    ("return_home", "return_to_base"),
    ("clean_spot", "clean_spot"),
    ("locate", "locate"),
];

const VACUUM_FEATURES: &[&str] = &["start", "stop", "return_home", "clean_spot"];
