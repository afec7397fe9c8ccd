//! Covers and valves: states, positions and tilts.

use serde_json::Value;

use super::Source;
use super::reads::{Reads, choices, percentage, shown};
use crate::registry::capability::Fields;
use crate::registry::capability::Payload;
use crate::registry::capability::config::Config;
use crate::registry::capability::template::Py;

/// How a cover tells what it does.
#[derive(Clone, Debug)]
pub(super) struct Cover {
    states: Vec<(String, Value)>,
    /// What the device says when it stands still, wherever that is.
    stopped: String,
    open: f64,
    closed: f64,
    tilt_min: f64,
    tilt_max: f64,
    has_state_topic: bool,
    has_position_topic: bool,
}

/// How a valve tells what it does.
#[derive(Clone, Debug)]
pub(super) struct Valve {
    states: Vec<(String, Value)>,
    open: f64,
    closed: f64,
    reports_position: bool,
}

/// The sources of a cover.
pub(super) fn sources(config: Config<'_>) -> Vec<Source> {
    let cover = Cover::new(config);
    let names: Vec<_> = [
        ("position_open", cover.open),
        ("position_closed", cover.closed),
        ("tilt_min", cover.tilt_min),
        ("tilt_max", cover.tilt_max),
    ]
    .map(|(name, value)| (name, Py::Int(value as i128)))
    .into();
    let rows = [
        ("state_topic", "state", "value_template", Reads::CoverState(cover.clone())),
        ("position_topic", "position", "position_template", Reads::CoverPosition(cover.clone())),
        ("tilt_status_topic", "tilt_position", "tilt_status_template", Reads::CoverTilt(cover)),
    ];
    let sources = rows.into_iter().filter_map(|(topic, field, template, reads)| {
        let source = Source::at(config, topic, field, reads)?.with_template(config, template);
        // Home Assistant gives them to all but the template of the state.
        Some(if field == "state" { source } else { Source { names: names.clone(), ..source } })
    });
    sources.collect()
}

/// The sources of a valve.
pub(super) fn valve_sources(config: Config<'_>) -> Vec<Source> {
    let valve = Valve::new(config);
    let names = [("position_open", valve.open), ("position_closed", valve.closed)];
    let names = names.map(|(name, value)| (name, Py::Int(value as i128))).into();
    let field = if valve.reports_position { "position" } else { "state" };
    let source = Source::at(config, "state_topic", field, Reads::Valve(valve));
    source.map(|it| Source { names, ..it.with_template(config, "value_template") }).into_iter().collect()
}

impl Cover {
    fn new(config: Config<'_>) -> Cover {
        Cover {
            states: choices(
                config,
                &[
                    ("state_opening", "opening", "opening".into()),
                    ("state_closing", "closing", "closing".into()),
                    ("state_open", "open", "open".into()),
                    ("state_closed", "closed", "closed".into()),
                    ("", "None", Value::Null),
                ],
            ),
            stopped: config.text_or("state_stopped", "stopped"),
            open: config.number_or("position_open", 100.0),
            closed: config.number_or("position_closed", 0.0),
            tilt_min: config.number_or("tilt_min", 0.0),
            tilt_max: config.number_or("tilt_max", 100.0),
            has_state_topic: config.has("state_topic"),
            has_position_topic: config.has("position_topic"),
        }
    }

    pub(super) fn read_state(&self, text: &str, fields: &mut Fields) -> bool {
        if text == self.stopped {
            let closed = if self.has_position_topic {
                fields.known("position") == Some(&Value::from(0))
            } else {
                matches!(fields.known("state").and_then(Value::as_str), Some("closed" | "closing"))
            };
            fields.put_known("state", if closed { "closed" } else { "open" });
            return true;
        }
        match self.states.iter().find(|(found, _)| found == text) {
            Some((_, shown)) => fields.put_known("state", shown.clone()),
            None => fields.put_raw("state", text),
        }
        true
    }

    pub(super) fn read_position(&self, text: &str, payload: &Payload<'_>, fields: &mut Fields) -> bool {
        let mut told = Py::Str(text.to_owned());
        if let Some(Py::Dict(members)) = payload.json().filter(|json| matches!(json, Py::Dict(_))) {
            if members.is_empty() {
                return false;
            }
            let json = payload.json().unwrap_or(&Py::None);
            let Some(position) = json.member("position") else { return false };
            if let Some(tilt) = json.member("tilt_position") {
                self.read_tilt(tilt, fields);
            }
            told = position.clone();
        }
        let percent = told.as_f64().and_then(|it| percentage(self.closed + 1.0, self.open, it));
        let Some(percent) = percent else {
            fields.put_raw("position", text);
            return true;
        };
        let percent = percent.clamp(0.0, 100.0);
        fields.put_known("position", shown(percent));
        if !self.has_state_topic {
            fields.put_known("state", if percent == 0.0 { "closed" } else { "open" });
        }
        true
    }

    pub(super) fn read_tilt(&self, told: &Py, fields: &mut Fields) -> bool {
        let (low, high) = (self.tilt_min.min(self.tilt_max), self.tilt_min.max(self.tilt_max));
        let tilt = told.as_f64().map(f64::round_ties_even).filter(|it| (low..=high).contains(it));
        match tilt.and_then(|it| percentage(self.tilt_min + 1.0, self.tilt_max, it)) {
            Some(percent) => fields.put_known("tilt_position", shown(percent)),
            None => fields.put_raw("tilt_position", &told.print()),
        }
        true
    }
}

impl Valve {
    fn new(config: Config<'_>) -> Valve {
        let reports_position = config.flag("reports_position", false);
        Valve {
            states: choices(
                config,
                &[
                    ("state_opening", "opening", "opening".into()),
                    ("state_closing", "closing", "closing".into()),
                    ("", "None", Value::Null),
                    ("state_open", "open", "open".into()),
                    ("state_closed", "closed", "closed".into()),
                ][..if reports_position { 3 } else { 5 }],
            ),
            open: config.number_or("position_open", 100.0),
            closed: config.number_or("position_closed", 0.0),
            reports_position,
        }
    }

    pub(super) fn read(&self, text: &str, payload: &Payload<'_>, fields: &mut Fields) -> bool {
        let plain = Py::Str(text.to_owned());
        let (state, position) = match payload.json() {
            Some(json @ Py::Dict(_)) => (json.member("state"), json.member("position")),
            _ => (Some(&plain), Some(&plain)),
        };
        let word = state.and_then(Py::as_str);
        let known = word.and_then(|word| self.states.iter().find(|(found, _)| found == word));
        if !self.reports_position {
            match known {
                Some((_, shown)) => fields.put_known("state", shown.clone()),
                None => fields.put_raw("state", text),
            }
            return true;
        }
        if let Some((_, Value::Null)) = known {
            fields.put_known("position", Value::Null);
            return true;
        }
        let percent =
            position.and_then(Py::as_f64).and_then(|it| percentage(self.closed + 1.0, self.open, it));
        if let Some(percent) = percent {
            let percent = percent.clamp(0.0, 100.0);
            fields.put_known("position", shown(percent));
            fields.put_known("state", if percent == 0.0 { "closed" } else { "open" });
        }
        match known {
            Some((_, shown)) => fields.put_known("state", shown.clone()),
            None if percent.is_none() => fields.put_raw("position", text),
            None => {}
        }
        true
    }
}
