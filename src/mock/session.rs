//! What the mock broker knows of a client beyond its connection: [`Session`] (MQTT 3.1.1, section 4.1).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;

use super::packet::ToClient;
use crate::model::Message;
use crate::model::Qos;
use crate::model::TopicFilter;

/// Subscriptions, and what is on its way in both directions. No input or output.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The number of the client's connection; `None` while the client is away.
    pub(super) connection: Option<u64>,
    /// Whether the session ends with that connection.
    pub(super) clean: bool,
    pub(super) subscriptions: BTreeMap<TopicFilter, Qos>,
    /// Identifiers of QoS 2 messages from the client that it has not released yet.
    inbound: BTreeSet<u16>,
    /// For the client and not sent yet, oldest first; at most [`MAX_WAITING`].
    waiting: VecDeque<Message>,
    /// Sent to the client and not acknowledged, oldest first; at most [`WINDOW`], with distinct identifiers.
    flights: VecDeque<Flight>,
    last_id: u16,
}

/// A message of QoS 1 or 2 that was sent to the client.
#[derive(Debug)]
struct Flight {
    id: u16,
    message: Message,
    /// QoS 2: the client has the message, and PUBCOMP is what is missing.
    received: bool,
}

impl Session {
    /// At which QoS a message on `topic` is to be delivered because of `filters`: once, at the highest that they grant,
    /// or, with `each`, for each one that matches.
    pub(super) fn granted<'a>(
        filters: impl IntoIterator<Item = (&'a TopicFilter, &'a Qos)>,
        topic: &str,
        each: bool,
    ) -> Vec<Qos> {
        let matching = filters.into_iter().filter(|(filter, _)| filter.matches(topic)).map(|(_, qos)| *qos);
        if each { matching.collect() } else { matching.max().into_iter().collect() }
    }

    /// Puts `message` in line for the client. A client that is away gets no QoS 0 later, and what finds no room is dropped.
    pub(super) fn deliver(&mut self, message: Message) {
        let wanted = self.connection.is_some() || message.qos != Qos::AtMostOnce;
        if wanted && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(message);
        }
    }

    /// The next message to send, if one waits and the client has acknowledged enough of those before it.
    pub(super) fn next(&mut self) -> Option<ToClient> {
        if self.waiting.front()?.qos == Qos::AtMostOnce {
            return Some(ToClient::Publish { id: 0, dup: false, message: self.waiting.pop_front()? });
        }
        if self.flights.len() >= WINDOW {
            return None;
        }
        let message = self.waiting.pop_front()?;
        let id = self.free_id();
        self.flights.push_back(Flight { id, message: message.clone(), received: false });
        Some(ToClient::Publish { id, dup: false, message })
    }

    /// What a client that came back to its session gets first: all that it has not acknowledged, once more.
    pub(super) fn again(&self) -> Vec<ToClient> {
        let again = |it: &Flight| match it.received {
            true => ToClient::PubRel(it.id),
            false => ToClient::Publish { id: it.id, dup: true, message: it.message.clone() },
        };
        self.flights.iter().map(again).collect()
    }

    /// The client has the QoS 1 message `id`. One that is not in flight is ignored, as everywhere below.
    pub(super) fn acknowledged(&mut self, id: u16) {
        self.flights.retain(|it| it.id != id || it.message.qos != Qos::AtLeastOnce);
    }

    /// The client has the QoS 2 message `id`.
    pub(super) fn received(&mut self, id: u16) {
        let flight = self.flights.iter_mut().find(|it| it.id == id && it.message.qos == Qos::ExactlyOnce);
        if let Some(flight) = flight {
            flight.received = true;
        }
    }

    /// The client is done with the QoS 2 message `id`.
    pub(super) fn completed(&mut self, id: u16) {
        self.flights.retain(|it| it.id != id || !it.received);
    }

    /// Notes the client's QoS 2 message `id`. Returns whether it is new, not sent again.
    pub(super) fn note_inbound(&mut self, id: u16) -> bool {
        self.inbound.insert(id)
    }

    /// The client has released its QoS 2 message `id`: the next one of that identifier is another.
    pub(super) fn release_inbound(&mut self, id: u16) {
        self.inbound.remove(&id);
    }

    /// An identifier that no flight has: there are more of them than flights.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.flights.iter().all(|it| it.id != self.last_id) {
                return self.last_id;
            }
        }
    }
}

/// Mosquitto's `max_inflight_messages`.
const WINDOW: usize = 20;
/// Mosquitto's `max_queued_messages`.
const MAX_WAITING: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Topic;

    fn message(text: &str, qos: Qos) -> Message {
        Message { retain: false, ..Message::retained(Topic::new("t").unwrap(), text.as_bytes(), qos) }
    }

    fn sent(session: &mut Session) -> Vec<(u16, String)> {
        std::iter::from_fn(|| session.next())
            .map(|it| match it {
                ToClient::Publish { id, dup: false, message } => {
                    (id, String::from_utf8_lossy(&message.payload).into_owned())
                }
                it => panic!("{it:?}"),
            })
            .collect()
    }

    #[test]
    fn at_most_twenty_messages_are_in_flight_and_order_is_kept() {
        let mut session = Session { connection: Some(1), ..Session::default() };
        for count in 0..30 {
            session.deliver(message(&count.to_string(), Qos::AtLeastOnce));
        }
        assert_eq!(sent(&mut session), (0..20).map(|it| (it + 1, it.to_string())).collect::<Vec<_>>());
        session.acknowledged(7);
        session.acknowledged(7);
        session.acknowledged(999);
        assert_eq!(sent(&mut session), [(21, "20".to_owned())]);
    }

    #[test]
    fn an_identifier_in_flight_is_not_used_again() {
        let mut session = Session { connection: Some(1), last_id: u16::MAX - 1, ..Session::default() };
        for text in ["a", "b"] {
            session.deliver(message(text, Qos::AtLeastOnce));
        }
        assert_eq!(sent(&mut session), [(65_535, "a".to_owned()), (1, "b".to_owned())]);
        session.last_id = 0;
        session.deliver(message("c", Qos::AtLeastOnce));
        assert_eq!(sent(&mut session), [(2, "c".to_owned())]);
    }

    #[test]
    fn a_client_that_is_away_misses_qos_0_and_what_comes_after_a_thousand() {
        let mut session = Session::default();
        session.deliver(message("lost", Qos::AtMostOnce));
        for count in 0..1_001 {
            session.deliver(message(&count.to_string(), Qos::AtLeastOnce));
        }
        let mut seen = Vec::new();
        loop {
            let some = sent(&mut session);
            let Some((last, text)) = some.last() else { break };
            seen.push(text.clone());
            for (id, _) in &some {
                session.acknowledged(*id);
            }
            assert!(*last <= 1_000);
        }
        assert_eq!(seen.last().unwrap(), "999");
    }

    #[test]
    fn a_qos_2_message_is_sent_again_until_received_and_released_until_complete() {
        let mut session = Session { connection: Some(1), ..Session::default() };
        session.deliver(message("a", Qos::ExactlyOnce));
        assert_eq!(sent(&mut session), [(1, "a".to_owned())]);
        assert!(matches!(session.again()[..], [ToClient::Publish { id: 1, dup: true, .. }]));
        session.acknowledged(1); // PUBACK is for QoS 1: it ends nothing here.
        session.completed(1); // Nor does PUBCOMP before PUBREC.
        assert_eq!(session.again().len(), 1);
        session.received(1);
        assert!(matches!(session.again()[..], [ToClient::PubRel(1)]));
        session.completed(1);
        assert!(session.again().is_empty());
    }

    #[test]
    fn the_highest_qos_of_all_matching_filters_counts_or_each_for_itself() {
        let filters = [("a/#", Qos::AtMostOnce), ("a/+", Qos::ExactlyOnce), ("b", Qos::AtLeastOnce)]
            .map(|(filter, qos)| (TopicFilter::new(filter).unwrap(), qos));
        let granted =
            |topic, each| Session::granted(filters.iter().map(|(filter, qos)| (filter, qos)), topic, each);
        assert_eq!(granted("a/b", false), [Qos::ExactlyOnce]);
        assert_eq!(granted("a/b", true), [Qos::AtMostOnce, Qos::ExactlyOnce]);
        assert_eq!(granted("a/b/c", false), [Qos::AtMostOnce]);
        assert_eq!(granted("c", false), []);
    }
}
