//! Plans as messages, plans as played by a house, and the file.

mod chance;
mod house;
mod kept;
mod messages;

use std::path::Path;

use crate::entity::Form;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;

use super::{Ledger, Record};

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

fn topic(text: impl AsRef<str>) -> Topic {
    Topic::new(text).unwrap()
}

/// The ledger in `folder` of the machine with the serial number 1, called `pi`.
fn open(folder: &Path) -> Ledger {
    Ledger::open(folder, "1", &id("pi"))
}

/// Where records come from in these tests: a device with one way to announce.
#[derive(Clone, Debug)]
struct Way {
    prefix: &'static str,
    node: &'static str,
    form: Form,
    state: &'static str,
    availability: &'static str,
}

impl Way {
    const USUAL: Way = Way { prefix: "ha", node: "pi", form: Form::Entity, state: "s", availability: "a" };

    /// The record of the entity that `[Sensor <name>]` has announced.
    fn record(&self, platform: &str, name: &str) -> Record {
        let Way { prefix, node, state, availability, .. } = self;
        let config = match self.form {
            Form::Entity => topic(format!("{prefix}/{platform}/{node}/{name}/config")),
            Form::Device => topic(format!("{prefix}/device/{node}/config")),
        };
        Record {
            config,
            form: self.form,
            owner: format!("Sensor {name}"),
            since: "2026-01-01T00:00:00Z".to_owned(),
            entity: id(name),
            platform: platform.to_owned(),
            unique_id: format!("pi_{name}"),
            retained: vec![topic(format!("{state}/{name}")), topic(*availability)],
        }
    }

    fn sensors(&self, names: &[&str]) -> Vec<Record> {
        names.iter().map(|it| self.record("sensor", it)).collect()
    }
}

/// `message`, which is retained as all of a plan are, as `topic payload`.
fn shown(message: &Message) -> String {
    assert!(message.retain && message.qos == Qos::AtLeastOnce, "{message:?}");
    let payload = std::str::from_utf8(&message.payload).unwrap();
    format!("{} {payload}", message.topic).trim_end().to_owned()
}
