//! What a program may ask: [`Request`], in its [`Envelope`].

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::fields::Fields;
use super::{Failure, operation, payload_field};
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;

/// A request as it comes: with what its answer is to carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// A text or a number that the answer repeats.
    pub tag: Option<Json>,
    /// What is asked.
    pub request: Request,
}

/// What a program may ask.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Request {
    /// `hello`: which version is spoken, by whom, within which limits.
    Hello,
    /// `reading`: a new value of an entity, its attributes, whether it is available; at least one of them.
    Reading {
        /// Whose.
        entity: ObjectId,
        /// As the program has it; `null` is unknown. See [`value`](super::value).
        value: Option<Json>,
        /// In the place of those before.
        attributes: Option<Map<String, Json>>,
        /// Apart from its device.
        available: Option<bool>,
        /// For how long the answer may wait until the broker has acknowledged the value, up to an hour; at once where `None`.
        wait: Option<Duration>,
    },
    /// `publish`: a message on a topic of the program's choice.
    Publish {
        /// Where to.
        topic: Topic,
        /// Any bytes.
        payload: Vec<u8>,
        /// How surely; as configured where `None`.
        qos: Option<Qos>,
        /// Whether the broker keeps it.
        retain: bool,
        /// Which class of delivery.
        delivery: Delivery,
        /// As of a reading.
        wait: Option<Duration>,
    },
    /// `register`: have an entity announced.
    Register {
        /// See [`entity`](super::entity).
        description: Map<String, Json>,
        /// Whether it stays when the program leaves.
        permanent: bool,
    },
    /// `unregister`: have an entity that a program registered removed.
    Unregister {
        /// Which.
        entity: ObjectId,
    },
    /// `subscribe`: what is published on these topics comes as `message` events.
    Subscribe {
        /// On which topics.
        filter: TopicFilter,
        /// The highest quality of service at which messages come.
        qos: Qos,
    },
    /// `unsubscribe`.
    Unsubscribe {
        /// The number that the answer to `subscribe` gave.
        subscription: u64,
    },
    /// `devices`: what others announce to Home Assistant, as many as fit into a line.
    Devices {
        /// Behind which one to go on, by its id; from the first where `None`.
        after: Option<String>,
    },
    /// `watch`: what others announce comes as `device` events, now and whenever it changes.
    Watch,
    /// `get`: the state of an entity: of ours by its id, of others' by their unique id.
    Get {
        /// Which.
        entity: String,
    },
    /// `set`: ask an entity for a state.
    Set {
        /// Which, as of `get`.
        entity: String,
        /// A value, or an object of several.
        value: Json,
    },
    /// `status`: how the daemon fares.
    Status,
    /// `reload`: read the configuration again.
    Reload,
}

impl Envelope {
    /// The request in `line`, which has no end any more. Never panics, whatever it is.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and the tag where it has one.
    pub fn parse(line: &[u8]) -> Result<Envelope, (Option<Json>, Failure)> {
        let mut fields = Fields::default();
        let read = fields.read(line);
        let (tag, flaw) = match fields.tag() {
            Ok(tag) => (tag, None),
            Err(flaw) => (None, Some(flaw)),
        };
        let request = read.and_then(|()| flaw.map_or(Ok(()), Err)).and_then(|()| operation::read(&fields));
        match request {
            Ok(request) => Ok(Envelope { tag, request }),
            Err(failure) => Err((tag, failure)),
        }
    }
}

impl Request {
    /// The line that asks it, without its end.
    pub fn line(&self) -> String {
        Json::Object(self.fields()).to_string()
    }

    fn fields(&self) -> Map<String, Json> {
        let of = |op: &str, fields: &[(&str, Json)]| -> Map<String, Json> {
            let op = std::iter::once(("op", Json::from(op)));
            op.chain(fields.iter().cloned()).map(|(name, value)| (name.to_owned(), value)).collect()
        };
        match self {
            Request::Hello => of("hello", &[]),
            Request::Reading { entity, value, attributes, available, wait } => {
                let mut fields = of("reading", &[("entity", entity.as_str().into())]);
                add(&mut fields, "value", value.clone());
                add(&mut fields, "attributes", attributes.clone());
                add(&mut fields, "available", *available);
                add(&mut fields, "wait", wait.map(seconds));
                fields
            }
            Request::Publish { topic, payload, qos, retain, delivery, wait } => {
                let mut fields = of("publish", &[("topic", topic.as_str().into()), payload_field(payload)]);
                add(&mut fields, "qos", qos.map(Qos::level));
                add(&mut fields, "retain", Some(true).filter(|it| it == retain));
                add(&mut fields, "delivery", Some("latest").filter(|_| *delivery == Delivery::Latest));
                add(&mut fields, "wait", wait.map(seconds));
                fields
            }
            Request::Register { description, permanent } => {
                let mut fields = of("register", &[("entity", description.clone().into())]);
                add(&mut fields, "permanent", Some(true).filter(|it| it == permanent));
                fields
            }
            Request::Unregister { entity } => of("unregister", &[("entity", entity.as_str().into())]),
            Request::Subscribe { filter, qos } => {
                of("subscribe", &[("topic", filter.as_str().into()), ("qos", qos.level().into())])
            }
            Request::Unsubscribe { subscription } => {
                of("unsubscribe", &[("subscription", (*subscription).into())])
            }
            Request::Devices { after } => {
                let mut fields = of("devices", &[]);
                add(&mut fields, "after", after.clone());
                fields
            }
            Request::Watch => of("watch", &[]),
            Request::Get { entity } => of("get", &[("entity", entity.as_str().into())]),
            Request::Set { entity, value } => {
                of("set", &[("entity", entity.as_str().into()), ("value", value.clone())])
            }
            Request::Status => of("status", &[]),
            Request::Reload => of("reload", &[]),
        }
    }
}

fn add(fields: &mut Map<String, Json>, name: &str, value: Option<impl Into<Json>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

fn seconds(wait: Duration) -> Json {
    match wait.subsec_nanos() {
        0 => wait.as_secs().into(),
        _ => wait.as_secs_f64().into(),
    }
}
