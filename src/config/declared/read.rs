//! From the sections of the file to the entities that they declare.

use std::collections::BTreeMap;

use super::defaults;
use super::description::Description;
use super::input::{self, Read};
use super::kind::Kind;
use super::lines;
use super::output;
use super::section::{Given, Section};
use super::template::{self, Part};
use super::values;
use super::{Declared, Initial, Input, Output, Target};
use crate::config::document;
use crate::config::error::{Place, Problem};
use crate::config::owner::Owner;
use crate::config::settings::{Reported, Settings};
use crate::config::value::{self, Refusal};
use crate::entity::Entity;
use crate::entity::LightState;
use crate::entity::Platform;
use crate::model::ObjectId;
use crate::model::Value;
use crate::model::nearest;

impl Declared {
    /// Every entity that a section declares, in the order of the file. To a program of somebody's they are the
    /// daemon's, and nothing.
    ///
    /// # Errors
    ///
    /// When any of it is wrong.
    pub(in crate::config) fn read(settings: &mut Settings<'_>) -> Result<Vec<Declared>, Reported> {
        let sections = settings.take_named();
        if *settings.owner() != Owner::Daemon {
            return Ok(Vec::new());
        }
        let mut result = Ok(Vec::new());
        let mut ids: BTreeMap<String, Place> = BTreeMap::new();
        for section in sections {
            let place = section.place.clone();
            let Some((kind, id)) = heading(settings, &place, &mut result) else { continue };
            for part in parts(settings, kind, &id, section, &mut result) {
                let key = part.id.to_ascii_lowercase();
                if let Some(first_line) = ids.get(&key).and_then(Place::line) {
                    result = Err(settings.refuse(place.clone(), Problem::IdTwice { first_line }));
                } else {
                    ids.insert(key, place.clone());
                }
                match one(settings, kind, &place, part) {
                    Ok(it) => drop(result.as_mut().map(|all| all.push(it))),
                    Err(reported) => result = Err(reported),
                }
            }
        }
        let declared = result?;
        lines::check(settings, &declared)?;
        Ok(declared)
    }
}

/// What the heading at `place` declares, and the id; `None` where it declares nothing.
fn heading(
    settings: &mut Settings<'_>,
    place: &Place,
    result: &mut Result<Vec<Declared>, Reported>,
) -> Option<(Kind, String)> {
    let (word, id) = place.section()?.split_once(' ')?;
    let problem = match Kind::named(word) {
        Some(kind) if ObjectId::new(id).is_ok() => return Some((kind, id.to_owned())),
        Some(_) => Problem::expected("an id of 1 to 64 of a-z A-Z 0-9 _ -", id),
        None => {
            let known = Kind::ALL.map(Kind::as_str);
            let kind = nearest(word, known.into_iter()).map(|kind| format!("[{kind} {id}]"));
            let plain = || settings.section_like(word).map(|it| format!("[{it}]"));
            Problem::UnknownSection { suggestion: kind.or_else(plain) }
        }
    };
    *result = Err(settings.refuse(place.clone(), problem));
    None
}

/// The entities of one section, as its template has them.
fn parts(
    settings: &mut Settings<'_>,
    kind: Kind,
    id: &str,
    section: document::Section,
    result: &mut Result<Vec<Declared>, Reported>,
) -> Vec<Part> {
    let by_user = |(key, entry)| (key, Given { entry, by_template: false });
    let entries: BTreeMap<String, Given> = section.entries.into_iter().map(by_user).collect();
    match template::expand(settings, kind, id, &section.place, entries) {
        Ok(parts) => parts,
        Err(reported) => {
            *result = Err(reported);
            Vec::new()
        }
    }
}

/// The entity of one part of a section.
fn one(settings: &mut Settings<'_>, kind: Kind, place: &Place, part: Part) -> Result<Declared, Reported> {
    let mut section = Section::new(settings, kind, part.id, place.clone(), part.entries);
    let description = Description::read(&mut section, &part.name);
    let read = match kind {
        Kind::Sensor | Kind::BinarySensor | Kind::Event => fed(&mut section, description),
        _ => moved(&mut section, description),
    };
    let heading = place.section().unwrap_or_default().split_once(' ').map_or("", |(_, id)| id);
    let spelt = format!("{} {heading}", kind.as_str());
    let finished = section.finish();
    let (entity, input, output) = read?;
    finished?;
    Ok(Declared { section: spelt, place: place.clone(), entity, input, output })
}

type Halves = (Entity, Option<Input>, Option<Output>);

/// An entity that tells what comes from somewhere.
fn fed(section: &mut Section, description: Description) -> Result<Halves, Reported> {
    let decimals = match section.kind {
        Kind::Sensor => section.set("PRECISION", values::decimals),
        _ => None,
    };
    let read = input::read(section, description.device_class(), decimals);
    let (input, expire_after) = match read {
        Ok(Read { input, expire_after }) => (Ok(input), expire_after),
        Err(reported) => (Err(reported), None),
    };
    let feed = input.as_ref().ok().map(|it| &it.feed);
    let entity = match section.kind {
        Kind::Sensor => description.sensor(section, feed, decimals, expire_after),
        Kind::BinarySensor => description.binary_sensor(section, expire_after),
        _ => description.event(section),
    };
    Ok((entity?, Some(input?), None))
}

/// An entity that takes commands.
fn moved(section: &mut Section, description: Description) -> Result<Halves, Reported> {
    let has_brightness = match section.kind {
        Kind::Light => section.set("BRIGHTNESS", value::switch).unwrap_or(false),
        _ => false,
    };
    let moved = output::read(section, has_brightness);
    let on_off = moved.as_ref().ok().and_then(|it| it.on_off.clone());
    let full = match moved.as_ref().ok().and_then(|it| it.target.as_ref()) {
        Some(Target::File { full, .. }) => *full,
        _ => defaults::FULL,
    };
    let input = match section.kind {
        Kind::Button => Ok(None),
        _ => input::read_state(section, on_off, has_brightness.then_some(full)),
    };
    let entity = description.settable(section, has_brightness);
    let target = moved.map(|it| it.target);
    let (mut initial, mut safe) = (Initial::Keep, None);
    if section.kind != Kind::Button && !matches!(target, Ok(None)) {
        match &entity {
            Ok(entity) => {
                initial = section.set("INITIAL_STATE", |text| initial_state(entity, text)).unwrap_or(initial);
                safe = section.set("SAFE_STATE", |text| state(entity, text));
            }
            // Of what has no limits, nobody can say.
            Err(_) => {
                ["INITIAL_STATE", "SAFE_STATE"].iter().for_each(|it| drop(section.set(it, value::text)))
            }
        }
    }
    let output = target?.map(|target| Output { target, initial, safe });
    Ok((entity?, input?, output))
}

fn initial_state(entity: &Entity, text: &str) -> Result<Initial, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "keep" => Ok(Initial::Keep),
        "restore" => Ok(Initial::Restore),
        _ => state(entity, text)
            .map(Initial::Value)
            .map_err(|it| Refusal { expected: format!("keep, restore, or a state: {}", it.expected), ..it }),
    }
}

/// A state that `entity` can be set to.
fn state(entity: &Entity, text: &str) -> Result<Value, Refusal> {
    let switched = value::switch(text).map(Value::Switch);
    let (value, expected) = match entity.platform() {
        Platform::Switch => (switched, "on or off"),
        Platform::Light => {
            let bright = value::whole(1..=255)(text).map(|it| LightState::on().brightness(it.into()).into());
            // 1 is the faintest light, not on.
            (bright.or(switched), "on, off or, with BRIGHTNESS=yes, 1 to 255")
        }
        Platform::Number => (values::number(text).map(Value::Number), "a number"),
        _ => (Ok(Value::Text(text.to_owned())), "a text"),
    };
    let Ok(value) = value else { return Err(expected.into()) };
    match entity.state_payload(&value) {
        Ok(_) => Ok(value),
        Err(error) => Err(error.expected.into()),
    }
}
