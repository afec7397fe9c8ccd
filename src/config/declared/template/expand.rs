//! From a section with a template to the entities that it stands for.

use std::collections::BTreeMap;
use std::mem;

use super::{Argument, Channel, Kind, Variant, table};
use crate::config::declared::description::name_of;
use crate::config::declared::section::Given;
use crate::config::declared::values;
use crate::config::document::Entry;
use crate::config::error::{Place, Problem};
use crate::config::settings::{Located, Reported, Settings};
use crate::config::value::Refusal;
use crate::model::nearest;

/// One entity of a section.
pub(in crate::config::declared) struct Part {
    pub(in crate::config::declared) id: String,
    /// Its name, where the section has none for it.
    pub(in crate::config::declared) name: String,
    /// What is set for it.
    pub(in crate::config::declared) entries: Entries,
}

type Entries = BTreeMap<String, Given>;

/// The entities of the section at `place`, which has these `entries`: one, unless its template has several.
///
/// # Errors
///
/// When there is no such template for this `kind`, or what the template needs is missing or wrong.
pub(in crate::config::declared) fn expand(
    settings: &mut Settings<'_>,
    kind: Kind,
    id: &str,
    place: &Place,
    mut entries: Entries,
) -> Result<Vec<Part>, Reported> {
    let alone = |entries| vec![Part { id: id.to_owned(), name: name_of(id), entries }];
    let given = entries.remove("TEMPLATE").filter(|it| !it.entry.text.is_empty());
    let Some(Given { entry, .. }) = given else { return Ok(alone(entries)) };
    let Located { value: variant, place: origin } = settings.value(entry, |text| variant(kind, text))?;

    let mut keys: Vec<(&str, String)> = to_owned(variant.keys);
    if let Some(argument) = variant.argument {
        let argument = take_argument(settings, argument, place, &mut entries)?;
        for (_, command) in keys.iter_mut().filter(|(key, _)| *key == "COMMAND") {
            command.push(' ');
            command.push_str(&argument);
        }
    }
    if variant.channels.is_empty() {
        fill(&mut entries, &keys, &origin);
        return Ok(alone(entries));
    }

    let given = entries.remove("CHANNELS").filter(|it| !it.entry.text.is_empty());
    let chosen = given.and_then(|it| settings.value(it.entry, |text| channels(variant, text)).ok());
    let chosen = chosen.map_or_else(|| variant.channels.iter().collect(), |it| it.value);
    let mut own = own_entries(settings, variant, &chosen, &mut entries);
    let parts = chosen.into_iter().map(|channel| {
        let mut entries = entries.clone();
        if let Some(name) = entries.get_mut("NAME").filter(|it| !it.entry.text.is_empty()) {
            name.entry.text.push(' ');
            name.entry.text.push_str(channel.name);
        }
        entries.extend(own.remove(channel.suffix).unwrap_or_default());
        fill(&mut entries, &to_owned(channel.keys), &origin);
        fill(&mut entries, &keys, &origin);
        let name = format!("{} {}", name_of(id), channel.name);
        Part { id: format!("{id}_{}", channel.suffix), name, entries }
    });
    Ok(parts.collect())
}

/// The template called `name`, for this `kind`.
fn variant(kind: Kind, name: &str) -> Result<&'static Variant, Refusal> {
    let of = |template: &'static super::Template| template.variants.iter().find(|it| it.kind == kind);
    let fitting = || table::TEMPLATES.iter().filter_map(move |it| Some((it.name, of(it)?)));
    match fitting().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, variant)) => Ok(variant),
        None => {
            let names: Vec<&str> = fitting().map(|(name, _)| name).collect();
            let expected = match names.as_slice() {
                [] => format!("no template in [{} …]: there is none for it", kind.as_str()),
                names => format!("a template for [{} …]: {}", kind.as_str(), names.join(", ")),
            };
            let suggestion = nearest(name, names.into_iter()).map(str::to_owned);
            Err(Refusal { suggestion, ..expected.into() })
        }
    }
}

/// Those of the template's channels that `text` lists.
fn channels(variant: &'static Variant, text: &str) -> Result<Vec<&'static Channel>, Refusal> {
    let refused = || {
        let names: Vec<&str> = variant.channels.iter().map(|it| it.suffix).collect();
        Refusal::from(format!("some of {}, each once", names.join(", ")))
    };
    let mut chosen: Vec<&Channel> = Vec::new();
    for name in values::list(text).map_err(|_| refused())? {
        let channel = variant.channels.iter().find(|it| it.suffix.eq_ignore_ascii_case(&name));
        match channel.filter(|it| !chosen.iter().any(|other| other.suffix == it.suffix)) {
            Some(channel) => chosen.push(channel),
            None => return Err(refused()),
        }
    }
    Ok(chosen)
}

/// Takes out what is set for one channel alone, `TEMPERATURE_OFFSET`; by channel, without the channel. A key that only one
/// can have and that is set for all is a problem, so is one of a channel that is not chosen.
fn own_entries(
    settings: &mut Settings<'_>,
    variant: &Variant,
    chosen: &[&'static Channel],
    entries: &mut Entries,
) -> BTreeMap<&'static str, Entries> {
    let mut own: BTreeMap<&'static str, Entries> = BTreeMap::new();
    let mut refuse = |place: Place, expected: String| {
        settings.refuse(place, Problem::expected_hidden(expected));
    };
    for (key, given) in mem::take(entries) {
        let of = |channel: &Channel| {
            key.strip_prefix(&channel.suffix.to_ascii_uppercase())?.strip_prefix('_').map(str::to_owned)
        };
        match variant.channels.iter().find_map(|it| Some((it, of(it)?))) {
            Some((channel, rest)) if chosen.iter().any(|it| it.suffix == channel.suffix) => {
                own.entry(channel.suffix).or_default().insert(rest, given);
            }
            Some((channel, _)) => {
                refuse(given.entry.place, format!("this only with {} among the CHANNELS", channel.suffix));
            }
            None if ALONE.contains(&key.as_str()) => {
                let keys: Vec<String> =
                    chosen.iter().map(|it| format!("{}_{key}", it.suffix.to_ascii_uppercase())).collect();
                let expected = format!("it for one of the template's channels: {}", keys.join(", "));
                refuse(given.entry.place, expected);
            }
            None => drop(entries.insert(key, given)),
        }
    }
    own
}

/// Takes out what the command of a template is about.
fn take_argument(
    settings: &mut Settings<'_>,
    argument: Argument,
    place: &Place,
    entries: &mut Entries,
) -> Result<String, Reported> {
    let fits = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || argument.signs.contains(c);
        !text.starts_with('-') && text.chars().all(legal)
    };
    let given = entries.remove(argument.key).filter(|it| !it.entry.text.is_empty());
    let Some(Given { entry, .. }) = given else {
        let problem = Problem::expected_hidden(argument.expected);
        return Err(settings.refuse(place.with_key(argument.key), problem));
    };
    let parse = |text: &str| if fits(text) { Ok(text.to_owned()) } else { Err(argument.expected.into()) };
    settings.value(entry, parse).map(|it| it.value)
}

/// Sets those of `keys` that are not set, as from `origin`.
fn fill(entries: &mut Entries, keys: &[(&str, String)], origin: &Place) {
    // A shell line takes the place of a template's command.
    let has_shell = entries.contains_key("SHELL");
    for (key, text) in keys.iter().filter(|(key, _)| !(has_shell && *key == "COMMAND")) {
        entries.entry((*key).to_owned()).or_insert_with(|| {
            let entry = Entry { place: origin.clone(), text: text.clone() };
            Given { entry, by_template: true }
        });
    }
}

fn to_owned(keys: &'static [(&'static str, &'static str)]) -> Vec<(&'static str, String)> {
    keys.iter().map(|(key, text)| (*key, (*text).to_owned())).collect()
}

/// What means something to one channel only.
const ALONE: [&str; 10] = [
    "CHANNEL",
    "DEAD_BAND",
    "DEVICE_CLASS",
    "ENTITY_ID",
    "OFFSET",
    "PRECISION",
    "SCALE",
    "STATE_CLASS",
    "UNIT",
    "VALID",
];
