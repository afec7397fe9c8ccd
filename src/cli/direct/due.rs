//! Answers that are due, and when they can be given.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use super::house::House;
use super::{Direct, LIMIT};
use crate::model::Token;
use crate::model::Topic;
use crate::model::TopicFilter;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::Reply;

/// An answer that is due.
pub(super) struct Due {
    pub(super) answer: Awaited,
    /// When to answer that the broker takes too long.
    pub(super) deadline: Instant,
}

/// What an answer waits for.
pub(super) enum Awaited {
    /// For nothing.
    Nothing(Box<Reply>),
    /// For the broker to have messages.
    Delivery {
        tokens: Range<Token>,
        topic: Option<Topic>,
        limit: Duration,
    },
    /// For the broker's answer.
    Subscription {
        number: u64,
        filter: TopicFilter,
    },
    /// For what the broker keeps: never for long.
    Devices,
    Watch,
    Device {
        entity: String,
    },
    Setting {
        entity: String,
        wanted: Json,
    },
}

impl Direct {
    /// The next answer, if that can be given `now`.
    pub(super) fn answer(&mut self, now: Instant) -> Option<Reply> {
        let due = self.due.pop_front()?;
        match self.answer_to(due, now) {
            Ok(reply) => Some(reply),
            Err(due) => {
                self.due.push_front(due);
                None
            }
        }
    }

    /// # Errors
    ///
    /// `due`, while it is.
    fn answer_to(&mut self, due: Due, now: Instant) -> Result<Reply, Due> {
        let is_late = due.deadline <= now;
        let settled = self.settles().is_some_and(|it| it <= now);
        match due.answer {
            Awaited::Nothing(reply) => return Ok(*reply),
            Awaited::Delivery { ref tokens, ref topic, limit } => match &self.line {
                None => return Ok(Reply::Failed(self.lost(topic.as_ref()))),
                Some(line) if line.is_delivered(tokens) => {
                    return Ok(reply("delivered", json!({})));
                }
                Some(_) if is_late => {
                    let reason = format!("the broker has not acknowledged it within {limit:?}");
                    return Ok(Reply::Failed(Failure::new(Code::Timeout, reason)));
                }
                Some(_) => {}
            },
            _ if self.line.is_none() => return Ok(Reply::Failed(self.lost(None))),
            Awaited::Subscription { number, ref filter } => match self.granted.get(filter) {
                Some(true) => {
                    let fields = [("subscription".to_owned(), number.into())];
                    return Ok(Reply::Ok("subscribed".to_owned(), fields.into_iter().collect()));
                }
                Some(false) => {
                    self.subscriptions.remove(&number);
                    let reason = format!("the broker refuses the subscription to {filter}");
                    let failure = Failure::new(Code::Forbidden, reason);
                    return Ok(Reply::Failed(failure.expected("a user whom it allows to read there")));
                }
                None if is_late => {
                    let reason = format!("the broker has not answered the subscription to {filter}");
                    return Ok(Reply::Failed(Failure::new(Code::Timeout, reason)));
                }
                None => {}
            },
            Awaited::Devices if settled => {
                let devices = self.house.as_ref().map(|it| it.devices(now));
                return Ok(reply("devices", json!({ "devices": devices })));
            }
            Awaited::Watch if settled => {
                self.house.iter_mut().for_each(|it| it.watch(now));
                return Ok(reply("watching", json!({})));
            }
            Awaited::Device { ref entity } => {
                if let Some((house, name)) = self.known(entity, settled, now) {
                    let device = house.device(&name, now);
                    return Ok(
                        device.map_or_else(Reply::Failed, |it| reply("device", json!({ "device": it })))
                    );
                }
            }
            Awaited::Setting { ref entity, ref wanted } => {
                if let Some((house, name)) = self.known(entity, settled, now) {
                    let begun = house.messages(&name, wanted, now).and_then(|it| self.publish(it, LIMIT));
                    return match begun {
                        Ok((answer, limit)) => Err(Due { answer, deadline: now + limit }),
                        Err(failure) => Ok(Reply::Failed(failure)),
                    };
                }
            }
            Awaited::Devices | Awaited::Watch => {}
        }
        Err(due)
    }

    /// The house and what `entity` is called there, once enough of it is known.
    fn known(&self, entity: &str, settled: bool, now: Instant) -> Option<(&House, String)> {
        let (house, sensors) = (self.house.as_ref()?, self.sensors.as_ref()?);
        let name = house.name(entity, sensors.presence(), now);
        (settled || house.is_complete(&name, now)).then_some((house, name))
    }

    /// When all that others announce is taken for heard.
    pub(super) fn settles(&self) -> Option<Instant> {
        let (house, line) = (self.house.as_ref()?, self.line.as_ref()?);
        Some(house.settles(line.is_asking()))
    }

    /// The connection was lost; before the broker had acknowledged something on `topic`, where there was something. Some brokers
    /// end it rather than say that a user may not publish there.
    pub(super) fn lost(&self, topic: Option<&Topic>) -> Failure {
        let cause = &self.cause.0;
        match topic {
            None => Failure::new(Code::NotConnected, cause),
            Some(topic) => {
                let reason = format!("{cause} before it acknowledged the message on {topic}");
                Failure::new(Code::NotConnected, reason).expected("a user whom it allows to publish there")
            }
        }
    }
}

pub(super) fn ok(word: &str, fields: Json) -> Awaited {
    Awaited::Nothing(Box::new(reply(word, fields)))
}

pub(super) fn reply(word: &str, fields: Json) -> Reply {
    match fields {
        Json::Object(fields) => Reply::Ok(word.to_owned(), fields),
        _ => Reply::Ok(word.to_owned(), Map::new()),
    }
}
