//! Which of our messages a packet identifier stands for.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rumqttc::Event;
use rumqttc::Outgoing;
use rumqttc::Packet;
use rumqttc::SubscribeReasonCode;

use crate::model::Incoming;
use crate::model::Qos;
use crate::model::Token;
use crate::model::Topic;

use super::LinkError;
use super::orders::{End, Limits, Orders};
use super::question::{self, Asked};

/// The messages of one connection that the broker has not acknowledged. rumqttc says only which packet
/// identifiers it wrote, in order; the orders say which messages those were.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) orders: Orders,
    /// By packet identifier. QoS 0 is never in here.
    pub(super) unacknowledged: BTreeMap<u16, Sent>,
    /// How many steps towards delivery there were on this connection; each numbers what it moved.
    steps: u64,
    limits: Limits,
    /// The packet identifier that rumqttc took last, or 0: below [`Limits::identifiers`].
    last: u16,
    /// Whether the broker has answered a SUBSCRIBE or UNSUBSCRIBE, and that is still to be passed on.
    answered: bool,
}

/// A message that has a packet identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sent {
    pub(super) token: Token,
    pub(super) phase: Phase,
    /// Higher in what came to its phase later.
    pub(super) place: u64,
    /// Whether it comes from an earlier connection and was not written on this one yet.
    pub(super) due: bool,
}

/// What a message waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// QoS 1: PUBACK.
    Acknowledgement,
    /// QoS 2: PUBREC, which rumqttc answers with PUBREL.
    Receipt,
    /// QoS 2 after that: PUBCOMP.
    Completion,
}

/// What an event of rumqttc's means to us.
#[derive(Debug)]
pub(super) enum Meaning {
    /// Nothing.
    Nothing,
    /// The broker has this message, by its own word.
    Acknowledged(Token),
    /// This message of QoS 0 was written.
    Written(Token),
    /// A message for us.
    Received(Incoming),
    /// The connection is to end now.
    End(LinkError),
}

impl InFlight {
    /// Those of an earlier connection, `unacknowledged`; others are announced by `orders`.
    pub(super) fn new(orders: Orders, unacknowledged: BTreeMap<u16, Sent>) -> InFlight {
        let steps = unacknowledged.values().map(|it| it.place + 1).max().unwrap_or(0);
        InFlight { limits: orders.limits(), orders, unacknowledged, steps, last: 0, answered: false }
    }

    /// Whether everything is delivered that was ever ordered.
    pub(super) fn is_empty(&self) -> bool {
        self.unacknowledged.is_empty() && self.orders.len() == 0
    }

    /// A number that grows with each step of a message towards its delivery.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// What `event` means. `sure` is false for what is left over of a failed connection and will be
    /// published again: an acknowledgement there is as good as any, but what is said to have been written
    /// may not have been.
    pub(super) fn meaning(&mut self, event: Event, sure: bool) -> Meaning {
        match event {
            Event::Outgoing(Outgoing::Publish(packet_id)) => self.published(packet_id, sure),
            Event::Outgoing(Outgoing::Subscribe(packet_id)) => {
                self.asked(question::Packet::Subscribe, packet_id);
                Meaning::Nothing
            }
            Event::Outgoing(Outgoing::Unsubscribe(packet_id))
                if self.asked(question::Packet::Unsubscribe, packet_id) =>
            {
                Meaning::Nothing
            }
            // An UNSUBSCRIBE that asks nothing is there to wake us up.
            Event::Outgoing(Outgoing::Disconnect | Outgoing::Unsubscribe(_)) => Meaning::End(self.reason()),
            // The bridge's window makes it impossible; rumqttc's way out of it loses messages.
            Event::Outgoing(Outgoing::AwaitAck(_)) => in_use(),
            Event::Incoming(Packet::PubAck(it)) => self.acknowledged(it.pkid, Phase::Acknowledgement),
            Event::Incoming(Packet::PubRec(it)) => self.received(it.pkid),
            Event::Incoming(Packet::PubComp(it)) => self.acknowledged(it.pkid, Phase::Completion),
            Event::Incoming(Packet::SubAck(it)) => {
                let agreed = |it: &SubscribeReasonCode| matches!(it, SubscribeReasonCode::Success(_));
                let agreed: Vec<bool> = it.return_codes.iter().map(agreed).collect();
                self.answered |= self.orders.answered(question::Packet::Subscribe, it.pkid, &agreed);
                Meaning::Nothing
            }
            Event::Incoming(Packet::UnsubAck(it)) => {
                self.answered |= self.orders.answered(question::Packet::Unsubscribe, it.pkid, &[]);
                Meaning::Nothing
            }
            Event::Incoming(Packet::Publish(it)) => match Topic::new(&it.topic) {
                // A copy: the packet is a slice of rumqttc's read buffer and would hold on to all of it.
                Ok(topic) => {
                    Meaning::Received(Incoming { topic, payload: it.payload[..].into(), retained: it.retain })
                }
                // No broker may send that (MQTT 3.1.1, section 3.3.2.1), and nobody can have asked for it.
                Err(_) => Meaning::Nothing,
            },
            _ => Meaning::Nothing,
        }
    }

    /// What was asked in SUBSCRIBE or UNSUBSCRIBE, once, when it is answered and there is room for the next.
    ///
    /// Each takes a packet identifier, and while one message waits for a slow acknowledgement any number of them may
    /// be answered. So that the identifiers do not come round to that message, an answer is held back until as many
    /// are free as may be taken before the next answer: those of the messages that may be waiting, which are more than
    /// the bridge's window, and one for the next question. While messages flow there are always that many.
    ///
    /// (The identifier of a question that is not answered may come round to a message. That confuses nobody: what
    /// answers the one answers not the other.)
    pub(super) fn answer(&mut self) -> Option<Asked> {
        if !self.answered || self.free_ahead() <= self.limits.waiting {
            return None;
        }
        self.answered = false;
        self.orders.take_answer()
    }

    /// How many packet identifiers rumqttc can take before it meets one that is in use.
    fn free_ahead(&self) -> u16 {
        let identifiers = self.limits.identifiers();
        let later = self.unacknowledged.range(self.last + 1..).next();
        let Some((next, _)) = later.or(self.unacknowledged.first_key_value()) else { return identifiers };
        match next.checked_sub(self.last + 1) {
            Some(free) => free,
            None => identifiers - (self.last + 1 - next),
        }
    }

    /// Notes that rumqttc has just written `packet` as `packet_id`. Returns whether it asks something.
    fn asked(&mut self, packet: question::Packet, packet_id: u16) -> bool {
        self.took(packet_id);
        self.orders.written(packet, packet_id)
    }

    /// rumqttc took `packet_id`, and begins anew after its last one.
    fn took(&mut self, packet_id: u16) {
        self.last = if packet_id < self.limits.identifiers() { packet_id } else { 0 };
    }

    /// Notes what rumqttc has just written as `packet_id`: a message of an earlier connection, or that of
    /// the next order.
    fn published(&mut self, packet_id: u16, sure: bool) -> Meaning {
        if let Some(Sent { due: due @ true, .. }) = self.unacknowledged.get_mut(&packet_id) {
            *due = false;
            return Meaning::Nothing;
        }
        let Some((token, qos)) = self.orders.take_message() else {
            return Meaning::End(LinkError::Protocol("a packet was sent that nobody ordered".to_owned()));
        };
        let place = self.steps;
        self.steps += 1;
        let phase = match qos {
            Qos::AtMostOnce if sure => return Meaning::Written(token),
            Qos::AtMostOnce => return Meaning::Nothing,
            Qos::AtLeastOnce => Phase::Acknowledgement,
            Qos::ExactlyOnce => Phase::Receipt,
        };
        self.took(packet_id);
        match self.unacknowledged.entry(packet_id) {
            Entry::Vacant(entry) => {
                entry.insert(Sent { token, phase, place, due: false });
                Meaning::Nothing
            }
            Entry::Occupied(_) => in_use(),
        }
    }

    /// The broker has a message of QoS 2. From here on it is PUBREL that is sent again, whether or not
    /// rumqttc, which would have us send the message first, takes PUBREC for an error.
    fn received(&mut self, packet_id: u16) -> Meaning {
        let place = self.steps;
        if let Some(it @ Sent { phase: Phase::Receipt, .. }) = self.unacknowledged.get_mut(&packet_id) {
            *it = Sent { phase: Phase::Completion, place, due: false, ..*it };
            self.steps += 1;
        }
        Meaning::Nothing
    }

    /// Only what answers the phase that a message is in is a delivery: rumqttc reports acknowledgements
    /// before it checks them, repeated and invented ones too.
    fn acknowledged(&mut self, packet_id: u16, phase: Phase) -> Meaning {
        match self.unacknowledged.entry(packet_id) {
            Entry::Occupied(entry) if entry.get().phase == phase => {
                self.steps += 1;
                if phase == Phase::Completion {
                    self.orders.completed();
                }
                Meaning::Acknowledged(entry.remove().token)
            }
            _ => Meaning::Nothing,
        }
    }

    /// Why the packet that ends a connection was written. Without an order it was the link's own, to stop.
    fn reason(&self) -> LinkError {
        match self.orders.take_end() {
            Some(End::Abandon) => LinkError::Unacknowledged,
            _ => LinkError::Disconnected,
        }
    }
}

fn in_use() -> Meaning {
    Meaning::End(LinkError::Protocol("a packet identifier came round while it was in use".to_owned()))
}

#[cfg(test)]
mod tests {
    use rumqttc::{PubAck, PubComp, PubRec};

    use super::*;
    use crate::link::orders::Order;
    use crate::link::session::limits;
    use crate::model::TopicFilter;

    /// A table whose orders are messages with tokens 1, 2, … of these levels.
    fn in_flight(levels: &[Qos]) -> InFlight {
        let orders = Orders::new(limits(100));
        for (token, qos) in (1..).zip(levels) {
            orders.place(Order::Publish(Token(token), *qos), || true).unwrap();
        }
        InFlight::new(orders, BTreeMap::new())
    }

    fn wrote(packet_id: u16) -> Event {
        Event::Outgoing(Outgoing::Publish(packet_id))
    }

    fn puback(packet_id: u16) -> Event {
        Event::Incoming(Packet::PubAck(PubAck::new(packet_id)))
    }

    fn pubcomp(packet_id: u16) -> Event {
        Event::Incoming(Packet::PubComp(PubComp::new(packet_id)))
    }

    fn pubrec(packet_id: u16) -> [Event; 2] {
        [
            Event::Incoming(Packet::PubRec(PubRec::new(packet_id))),
            Event::Outgoing(Outgoing::PubRel(packet_id)),
        ]
    }

    /// The tokens that `events` deliver, and whether they end the connection.
    fn deliveries(levels: &[Qos], sure: bool, events: impl IntoIterator<Item = Event>) -> (Vec<u64>, bool) {
        let mut in_flight = in_flight(levels);
        let (mut tokens, mut ended) = (Vec::new(), false);
        for event in events {
            match in_flight.meaning(event, sure) {
                Meaning::Acknowledged(token) | Meaning::Written(token) => tokens.push(token.0),
                Meaning::End(_) => ended = true,
                _ => {}
            }
        }
        (tokens, ended)
    }

    #[test]
    fn acknowledgements_out_of_order_find_their_messages() {
        let events = [wrote(1), wrote(2), wrote(3), puback(3), puback(1), puback(2)];
        assert_eq!(deliveries(&[Qos::AtLeastOnce; 3], true, events), (vec![3, 1, 2], false));
    }

    #[test]
    fn repeated_and_invented_acknowledgements_deliver_nothing() {
        let events = [puback(1), wrote(1), puback(7), puback(1), puback(1), pubcomp(1)];
        assert_eq!(deliveries(&[Qos::AtLeastOnce], true, events), (vec![1], false));
    }

    #[test]
    fn a_message_of_qos_2_is_delivered_by_pubcomp_after_pubrec_alone() {
        let levels = [Qos::ExactlyOnce];
        assert_eq!(deliveries(&levels, true, [wrote(1), puback(1), pubcomp(1)]), (vec![], false));
        let [received, released] = pubrec(1);
        let events = [wrote(1), received, released, puback(1), pubcomp(1), pubcomp(1)];
        assert_eq!(deliveries(&levels, true, events), (vec![1], false));
    }

    #[test]
    fn a_message_of_qos_1_is_not_delivered_by_pubcomp() {
        let [received, released] = pubrec(1);
        let events = [wrote(1), received, released, pubcomp(1)];
        assert_eq!(deliveries(&[Qos::AtLeastOnce], true, events), (vec![], false));
    }

    #[test]
    fn qos_0_is_delivered_once_written_unless_it_goes_again() {
        let levels = [Qos::AtMostOnce, Qos::AtLeastOnce];
        let events = || [wrote(0), wrote(1), puback(1)];
        assert_eq!(deliveries(&levels, true, events()), (vec![1, 2], false));
        assert_eq!(deliveries(&levels, false, events()), (vec![2], false));
    }

    #[test]
    fn an_identifier_that_comes_round_in_use_ends_the_connection() {
        let levels = [Qos::AtLeastOnce; 2];
        assert_eq!(deliveries(&levels, true, [wrote(1), wrote(1)]), (vec![], true));
        let collision = Event::Outgoing(Outgoing::AwaitAck(1));
        assert_eq!(deliveries(&levels, true, [wrote(1), collision]), (vec![], true));
    }

    #[test]
    fn an_unsubscribe_that_asks_nothing_ends_the_connection_whatever_else_is_asked() {
        let unsubscribe = |packet_id| Event::Outgoing(Outgoing::Unsubscribe(packet_id));
        let filters = vec![(TopicFilter::new("a").unwrap(), true)];
        for (asked, ends) in [(Asked::Subscribe(filters), [true, true]), (Asked::Unsubscribe, [false, true])]
        {
            let mut in_flight = in_flight(&[]);
            in_flight.orders.ask(asked, || true).unwrap();
            let found = [1, 2].map(|it| matches!(in_flight.meaning(unsubscribe(it), true), Meaning::End(_)));
            assert_eq!(found, ends);
        }
    }

    #[test]
    fn identifiers_are_free_up_to_the_next_that_is_in_use_round_and_round() {
        for (last, in_use, free) in [
            (0, &[][..], 256),
            (7, &[7], 255),
            (7, &[8], 0),
            (7, &[3, 5], 251),
            (0, &[5], 4),
            (0, &[256], 255),
        ] {
            let mut in_flight = in_flight(&[]);
            let sent = Sent { token: Token(1), phase: Phase::Acknowledgement, place: 0, due: false };
            in_flight.unacknowledged = in_use.iter().map(|it| (*it, sent)).collect();
            in_flight.took(if last == 0 { 256 } else { last });
            assert_eq!(in_flight.free_ahead(), free, "after {last}, {in_use:?}");
        }
    }

    #[test]
    fn a_packet_without_an_order_ends_the_connection() {
        assert_eq!(deliveries(&[], true, [wrote(1)]), (vec![], true));
    }
}
