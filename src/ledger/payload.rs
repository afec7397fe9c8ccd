//! What tells Home Assistant to forget an entity, or that it will come back elsewhere.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::entity::Origin;

use super::Record;

/// Unloads what was announced here, and leaves it in the registry: whoever is announced elsewhere with the same unique id is
/// the same entity.
pub(super) const MIGRATE: &str = r#"{"migrate_discovery": true}"#;

/// A device's message with the platforms of `records` and nothing else about them: removes them, and leaves alone all that
/// it does not name. All are of one topic and have an id each.
pub(super) fn without(records: &[&Record]) -> String {
    device(records, |_| None)
}

/// Announces `records` as little as Home Assistant takes: what it has in its registry and does not have loaded it removes for
/// nobody. All are of one topic and have an id each.
pub(super) fn revival(records: &[&Record]) -> String {
    match records {
        [record] if !record.is_component() => to_json(&Alone {
            device: Device { identifiers: [&record.unique_id] },
            entity: Minimal::new(record),
        }),
        _ => device(records, |it| Some(Minimal::new(it))),
    }
}

fn device<'a>(records: &[&'a Record], entity: impl Fn(&'a Record) -> Option<Minimal<'a>>) -> String {
    let component =
        |it: &'a Record| (it.entity.as_str(), Component { platform: &it.platform, entity: entity(it) });
    to_json(&Whole {
        // Any will do: nothing is left to belong to it.
        device: Device { identifiers: [records.first().map_or("", |it| &it.unique_id)] },
        origin: Named { name: Origin::OURS.name },
        components: records.iter().map(|it| component(it)).collect(),
    })
}

#[derive(Serialize)]
struct Whole<'a> {
    device: Device<'a>,
    origin: Named,
    components: BTreeMap<&'a str, Component<'a>>,
}

#[derive(Serialize)]
struct Component<'a> {
    platform: &'a str,
    #[serde(flatten)]
    entity: Option<Minimal<'a>>,
}

#[derive(Serialize)]
struct Alone<'a> {
    device: Device<'a>,
    #[serde(flatten)]
    entity: Minimal<'a>,
}

/// What the platforms that we announce ask for. What one of them does not know, it does not mind.
#[derive(Serialize)]
struct Minimal<'a> {
    unique_id: &'a str,
    /// Where nobody tells anything.
    state_topic: String,
    command_topic: String,
    /// Not for a sensor, which must have a device class then.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<[&'static str; 1]>,
    event_types: [&'static str; 1],
}

#[derive(Serialize)]
struct Device<'a> {
    identifiers: [&'a str; 1],
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
}

impl<'a> Minimal<'a> {
    fn new(record: &'a Record) -> Minimal<'a> {
        let nowhere = format!("{}/removed", record.config);
        Minimal {
            unique_id: &record.unique_id,
            state_topic: nowhere.clone(),
            command_topic: nowhere,
            options: (record.platform == "select").then_some(["removed"]),
            event_types: ["removed"],
        }
    }
}

fn to_json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).expect("a struct of strings always serializes")
}
