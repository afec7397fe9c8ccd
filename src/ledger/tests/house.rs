//! A broker with what it retains, and a Home Assistant with what it has loaded and what is in its registry, by the rules at the
//! head of `plan.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::Message;
use crate::model::Qos;

use super::super::Record;

/// By which Home Assistant knows an announcement: platform, node, id.
type Hash = (String, String, String);
/// By which it knows an entity: platform, unique id.
type Registered = (String, String);

#[derive(Default)]
pub(super) struct House {
    pub(super) retained: BTreeMap<String, String>,
    loaded: BTreeMap<Hash, Loaded>,
    /// Each with a number that no other entry ever had: a new one is a history that begins anew.
    pub(super) registry: BTreeMap<Registered, u32>,
    entries: u32,
    /// What is still being worked on since the last pause.
    busy: BTreeSet<Hash>,
    unloading: BTreeSet<Registered>,
    /// What was lost for it came too early.
    pub(super) lost: Vec<String>,
}

struct Loaded {
    topic: String,
    unique_id: String,
}

impl House {
    pub(super) fn publish(&mut self, message: &Message) {
        let payload = std::str::from_utf8(&message.payload).unwrap();
        if message.retain {
            match payload {
                "" => self.retained.remove(message.topic.as_str()),
                _ => self.retained.insert(message.topic.to_string(), payload.to_owned()),
            };
        }
        self.read(message.topic.as_str(), payload);
    }

    /// Announces `records`, and has each tell something on all its topics.
    pub(super) fn announcements(records: &[Record]) -> Vec<Message> {
        let mut payloads: BTreeMap<_, Value> = BTreeMap::new();
        let mut told = Vec::new();
        for it in records {
            let payload = payloads.entry(&it.config).or_insert_with(|| serde_json::json!({}));
            if it.is_component() {
                let component = serde_json::json!({"platform": it.platform, "unique_id": it.unique_id});
                payload["components"][it.entity.as_str()] = component;
            } else {
                payload["unique_id"] = it.unique_id.as_str().into();
            }
            told.extend(it.retained.iter().map(|topic| (topic.clone(), "told".to_owned())));
        }
        let payloads = payloads.into_iter().map(|(topic, payload)| (topic.clone(), payload.to_string()));
        let message =
            |(topic, payload): (_, String)| Message::retained(topic, payload.into_bytes(), Qos::AtLeastOnce);
        payloads.chain(told).map(message).collect()
    }

    /// All that was said is done.
    pub(super) fn pause(&mut self) {
        self.busy.clear();
        self.unloading.clear();
    }

    /// Home Assistant forgets all but its registry, and reads what is retained.
    pub(super) fn restart(&mut self) {
        self.pause();
        self.loaded.clear();
        let lost = self.lost.len();
        for (topic, payload) in self.retained.clone() {
            self.read(&topic, &payload);
        }
        // A last word that takes something back has nothing to take back yet. If more is lost, that shows elsewhere.
        self.lost.truncate(lost);
        self.pause();
    }

    /// Whether `record` is loaded from where it says.
    pub(super) fn has_loaded(&self, record: &Record) -> bool {
        let topic = record.config.as_str();
        self.loaded.iter().any(|((platform, ..), it)| {
            *platform == record.platform && it.topic == topic && it.unique_id == record.unique_id
        })
    }

    fn read(&mut self, topic: &str, payload: &str) {
        let levels: Vec<&str> = topic.split('/').collect();
        let config: Value = serde_json::from_str(payload).unwrap_or_default();
        let migrates = config.get("migrate_discovery").is_some();
        match levels[..] {
            ["ha", "device", node, "config"] if payload.is_empty() || migrates => {
                let of_node = self.loaded.keys().filter(|(_, it, _)| it == node).cloned();
                for hash in of_node.collect::<Vec<_>>() {
                    if self.is_lost(&hash, topic) {
                        return;
                    }
                    self.take(hash, topic, None, migrates);
                }
            }
            ["ha", "device", node, "config"] => {
                for (name, component) in config["components"].as_object().unwrap() {
                    let platform = component["platform"].as_str().unwrap();
                    let hash = (platform.to_owned(), node.to_owned(), name.clone());
                    if self.is_lost(&hash, topic) {
                        return;
                    }
                    self.take(hash, topic, component["unique_id"].as_str(), false);
                }
            }
            ["ha", platform, node, name, "config"] => {
                let hash = (platform.to_owned(), node.to_owned(), name.to_owned());
                self.take(hash, topic, config["unique_id"].as_str(), migrates);
            }
            _ => {}
        }
    }

    /// Whether the rest of a device's message is lost at `hash`.
    fn is_lost(&mut self, hash: &Hash, topic: &str) -> bool {
        let is_lost = self.busy.contains(hash);
        if is_lost {
            self.lost.push(format!("{topic} at {hash:?}"));
        }
        is_lost
    }

    fn take(&mut self, hash: Hash, topic: &str, unique_id: Option<&str>, migrates: bool) {
        if let Some(loaded) = self.loaded.get(&hash) {
            if loaded.topic == topic && unique_id.is_none() {
                let entity = (hash.0.clone(), loaded.unique_id.clone());
                self.loaded.remove(&hash);
                if !migrates {
                    self.registry.remove(&entity);
                }
                self.unloading.insert(entity);
                self.busy.insert(hash);
            }
        } else if let Some(unique_id) = unique_id {
            let entity = (hash.0.clone(), unique_id.to_owned());
            let is_taken = self
                .loaded
                .iter()
                .any(|((platform, ..), it)| (platform, &it.unique_id) == (&entity.0, &entity.1));
            if is_taken || self.unloading.contains(&entity) {
                self.lost.push(format!("{topic} of {entity:?}"));
                return;
            }
            self.registry.entry(entity).or_insert_with(|| {
                self.entries += 1;
                self.entries
            });
            self.busy.insert(hash.clone());
            self.loaded.insert(hash, Loaded { topic: topic.to_owned(), unique_id: unique_id.to_owned() });
        }
    }
}
