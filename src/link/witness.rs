//! How a session that the broker has kept is told from one that it has made since.
//!
//! CONNACK says whether a session is present, not which. A broker that has lost ours makes a new one for the next
//! login; where its answer to that gets lost, it says to the login after it that a session is present. To send a
//! message again is right in either. But PUBREL is answered by PUBCOMP also where the message is unknown, which then
//! would be taken for delivered and be lost.
//!
//! So each session has a subscription to a topic of our own. The broker reads our packets in order: once it has
//! received a message, it had read SUBSCRIBE before. So the session in which a message waits for PUBCOMP has the
//! subscription, and one that nobody has used has none. In doubt something goes to that topic, and where it comes
//! back the session is ours.

use rumqttc::Publish;
use rumqttc::QoS;
use rumqttc::Request;

use crate::model::Incoming;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;

/// The topic, and what was asked there last.
#[derive(Debug)]
pub(super) struct Witness {
    topic: Topic,
    /// What is to come back; `None` once it has.
    question: Option<String>,
}

impl Witness {
    /// A witness below `topic`, `None` where that leaves no room.
    pub(super) fn below(topic: &Topic) -> Option<Witness> {
        Some(Witness { topic: topic.join(LEVEL).ok()?, question: None })
    }

    /// What each session is to be subscribed to.
    pub(super) fn subscription(&self) -> (TopicFilter, Qos) {
        (self.topic.clone().into(), Qos::AtMostOnce)
    }

    /// Whether `filter` is for the witness alone.
    pub(super) fn is_at(&self, filter: &TopicFilter) -> bool {
        filter.as_str() == self.topic.as_str()
    }

    /// Asks. Returns what is to be written for it.
    pub(super) fn ask(&mut self) -> Request {
        let question = format!("{:016x}", fastrand::u64(..));
        let publish = Publish::new(self.topic.as_str(), QoS::AtMostOnce, question.as_str());
        self.question = Some(question);
        Request::Publish(publish)
    }

    /// Whether the session is as old as it should be, by what was heard since it was asked.
    pub(super) fn has_answered(&self) -> bool {
        self.question.is_none()
    }

    /// Takes `message` where it is for the witness, and returns whether it was.
    pub(super) fn hears(&mut self, message: &Incoming) -> bool {
        let is_ours = message.topic == self.topic;
        if is_ours && self.question.as_ref().is_some_and(|it| *it.as_bytes() == *message.payload) {
            self.question = None;
        }
        is_ours
    }
}

/// Below the topic of the will, where most brokers let us read and write already.
const LEVEL: &str = "session";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_last_question_counts() {
        let mut witness = Witness::below(&Topic::new("luigi/pi/availability").unwrap()).unwrap();
        let mut answer = || match witness.ask() {
            Request::Publish(it) => Incoming {
                topic: Topic::new(it.topic).unwrap(),
                payload: it.payload[..].into(),
                retained: false,
            },
            other => panic!("{other:?}"),
        };
        let (old, new) = (answer(), answer());
        assert_eq!(new.topic.as_str(), "luigi/pi/availability/session");
        assert!(witness.hears(&old) && !witness.has_answered());
        assert!(!witness.hears(&Incoming { topic: Topic::new("luigi/pi").unwrap(), ..new.clone() }));
        assert!(!witness.has_answered());
        assert!(witness.hears(&new) && witness.has_answered());
    }
}
