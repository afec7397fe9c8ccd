//! On which topics an entity tells what.

use serde_json::{Map, Value};

use crate::model::Topic;

use super::{Fields, Payload};

/// A topic on which an entity tells something of its state, and how to read it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is told.
    pub topic: Topic,
    /// The field that it is mainly about: `state`, `brightness`, `attributes`. One message can tell several.
    pub field: &'static str,
}

impl Source {
    /// Takes what `payload` tells into `fields`; false where it tells nothing (then all stays as it was).
    pub fn read(&self, payload: &Payload<'_>, fields: &mut Fields) -> bool {
        let _ = (payload.bytes(), payload.retained(), payload.json(), &fields);
        false
    }
}

/// Every topic on which an entity of `platform` with the discovery configuration `config` tells its state. A topic
/// comes several times where it tells several things; a topic that is none (a wildcard, too long) is left out.
/// Cheap enough to be made anew for each message.
pub fn sources(platform: &str, config: &Map<String, Value>) -> Vec<Source> {
    let _ = (platform, config);
    Vec::new()
}
