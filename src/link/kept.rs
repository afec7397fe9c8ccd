//! The session that the broker keeps for us between connections, and what is unfinished in it.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use rumqttc::PubRel;
use rumqttc::Publish;
use rumqttc::Request;

use crate::model::Qos;
use crate::model::Token;

use super::LinkError;
use super::in_flight::{InFlight, Phase, Sent};
use super::options::level;

/// What we know of our session at the broker.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The broker that has it. `None` where anything may be there, so that it has to be wiped first.
    broker: Option<String>,
    /// Whether the bridge has published in it.
    used: bool,
    unfinished: Unfinished,
    /// Whether a login went unanswered since: the broker may have made a new session for it.
    in_doubt: bool,
    /// Whether the connection there is has something to finish and has not done so.
    resuming: bool,
    /// How often in a row, weighted, nothing came of that.
    vain: u32,
    /// Whether the session before was given up for that, and nothing was resumed since.
    in_vain_before: bool,
}

/// What one connection leaves for the next.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Messages with a packet identifier.
    pub(super) unacknowledged: BTreeMap<u16, Sent>,
    /// Messages without one, at QoS 0, that were never written.
    pub(super) at_most_once: Vec<Token>,
    /// The packets of both, in the order in which they are to be written.
    pub(super) requests: VecDeque<Request>,
}

impl Kept {
    /// Whether all that there may be of us at `broker` is known.
    pub(super) fn is_at(&self, broker: &str) -> bool {
        self.broker.as_deref() == Some(broker)
    }

    /// There is nothing of us any more at `broker`, and what was left unfinished elsewhere is left to the bridge.
    pub(super) fn begin_at(&mut self, broker: &str) {
        let broker = Some(broker.to_owned());
        *self = Kept { broker, in_vain_before: self.in_vain_before, ..Kept::default() };
    }

    /// A login has failed because of `cause`.
    pub(super) fn login_failed(&mut self, cause: &LinkError) {
        // Without a connection there is no login, and a refused one makes no session.
        self.in_doubt |= !matches!(cause, LinkError::Connect { .. } | LinkError::Refused(_));
    }

    /// Whether it has to be proven first that the session, which is `present`, is the one that we know, for there is
    /// something in it to release.
    pub(super) fn needs_proof(&self, present: bool) -> bool {
        let mut unacknowledged = self.unfinished.unacknowledged.values();
        present && self.used && self.in_doubt && unacknowledged.any(|it| it.phase == Phase::Completion)
    }

    /// The connection has ended, because of `cause`, before that was proven.
    pub(super) fn unproven(&mut self, cause: &LinkError) {
        let is_new = matches!(cause, LinkError::Unacknowledged);
        let unfinished = mem::take(&mut self.unfinished);
        self.resuming = true;
        self.ended(cause, (!is_new).then_some(unfinished), false);
    }

    /// The broker has accepted a connection and says whether our session is `present`. Returns what is to
    /// be finished there before anything else; `None` where the session has no past.
    pub(super) fn resume(&mut self, present: bool) -> Option<Unfinished> {
        let unfinished = mem::take(&mut self.unfinished);
        let count = unfinished.requests.len();
        if !present && count > 0 {
            log::warn!(
                "the broker has not kept our session: {count} messages on their way are sent again, and may arrive twice"
            );
        }
        self.used &= present;
        self.in_doubt = false;
        self.resuming = self.used && count > 0;
        self.used.then_some(unfinished)
    }

    /// Everything is finished, and the bridge publishes from here on.
    pub(super) fn up(&mut self) {
        self.in_vain_before &= !self.resuming;
        self.used = true;
        self.resuming = false;
        self.vain = 0;
    }

    /// The connection has ended, because of `cause`, and left `unfinished`, unless that is not known any
    /// more. `advanced` is whether any message got further.
    pub(super) fn ended(&mut self, cause: &LinkError, unfinished: Option<Unfinished>, advanced: bool) {
        self.vain = match cause {
            _ if !self.resuming || advanced => 0,
            // The broker had its time, or talks nonsense: not what a cut in the network looks like.
            LinkError::Unacknowledged | LinkError::Protocol(_) => self.vain + VAIN_LIMIT / 3,
            _ => self.vain + 1,
        };
        // After the latter, the broker would send the packet again on each connection.
        let limit = if self.in_vain_before { 1 } else { VAIN_LIMIT };
        let is_usable = self.vain < limit && !matches!(cause, LinkError::Oversize { .. });
        match unfinished.filter(|_| is_usable) {
            Some(unfinished) => self.unfinished = unfinished,
            None => {
                log::warn!(
                    "giving up the session that the broker keeps, and what is unfinished in it: it is sent again, \
                     and may arrive twice"
                );
                *self = Kept { in_vain_before: self.vain >= limit, ..Kept::default() };
            }
        }
    }
}

/// Connections in a row, each of which ends before anything of what is unfinished gets further, after which
/// a session is given up: something in it may be what ends them. So many, since a bad network looks like that too,
/// and with a third of it one sees that it is the broker. After that one is enough, until something is resumed: where it
/// is a message, the bridge needs several sessions to find out.
const VAIN_LIMIT: u32 = 9;

impl Unfinished {
    /// What `in_flight` and `requests` say that a connection has left which has ended, `requests` being
    /// what rumqttc would write next: first what is to be written again, then what never was, without packet
    /// identifiers. Those get some of 1 to `identifiers`, so that all can be written at once.
    ///
    /// `None` where the two do not match: then the broker has acknowledged in ways that MQTT does not know.
    pub(super) fn of(
        in_flight: InFlight,
        requests: VecDeque<Request>,
        identifiers: u16,
    ) -> Option<Unfinished> {
        let InFlight { orders, mut unacknowledged, .. } = in_flight;
        let publishes = requests.into_iter().filter_map(|it| match it {
            Request::Publish(it) => Some(it),
            _ => None, // Releases are known without it; whoever ends or subscribes does so again.
        });
        let (again, first): (Vec<Publish>, Vec<Publish>) = publishes.partition(|it| it.pkid != 0);
        let mut again: BTreeMap<u16, Publish> = again.into_iter().map(|it| (it.pkid, it)).collect();

        let mut order: Vec<(u16, Sent)> = unacknowledged.iter().map(|(id, it)| (*id, *it)).collect();
        order.sort_by_key(|(_, it)| (it.phase != Phase::Completion, it.place));
        let mut requests = VecDeque::new();
        for (packet_id, sent) in order {
            requests.push_back(match sent.phase {
                Phase::Completion => Request::PubRel(PubRel::new(packet_id)),
                Phase::Acknowledgement | Phase::Receipt => {
                    let mut publish = again.remove(&packet_id)?;
                    publish.dup |= !sent.due;
                    Request::Publish(publish)
                }
            });
        }

        let free: Vec<u16> = (1..=identifiers).filter(|it| !unacknowledged.contains_key(it)).collect();
        let mut free = free.into_iter();
        let mut place = unacknowledged.values().map(|it| it.place + 1).max().unwrap_or(0);
        let mut at_most_once = Vec::new();
        for mut publish in first {
            let (token, qos) = orders.take_message().filter(|(_, qos)| level(*qos) == publish.qos)?;
            let phase = match qos {
                Qos::AtMostOnce => None,
                Qos::AtLeastOnce => Some(Phase::Acknowledgement),
                Qos::ExactlyOnce => Some(Phase::Receipt),
            };
            match phase {
                None => at_most_once.push(token),
                Some(phase) => {
                    publish.pkid = free.next()?;
                    unacknowledged.insert(publish.pkid, Sent { token, phase, place, due: true });
                    place += 1;
                }
            }
            requests.push_back(Request::Publish(publish));
        }
        orders.take_message().is_none().then_some(())?;
        for sent in unacknowledged.values_mut() {
            sent.due = sent.phase != Phase::Completion;
        }
        Some(Unfinished { unacknowledged, at_most_once, requests })
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::Event;
    use rumqttc::Outgoing;
    use rumqttc::QoS;

    use super::*;
    use crate::link::orders::{Order, Orders};
    use crate::link::session::limits;

    /// What is left of three messages at QoS 2, the first of which was written as packet 1, where rumqttc
    /// says that it would write `packets`; as packet identifiers, among 1 to `identifiers`, and DUP.
    fn left(packets: &[u16], identifiers: u16) -> Option<Vec<(u16, bool)>> {
        let orders = Orders::new(limits(100));
        for token in 1..=3 {
            orders.place(Order::Publish(Token(token), Qos::ExactlyOnce), || true).unwrap();
        }
        let mut in_flight = InFlight::new(orders, BTreeMap::new());
        in_flight.meaning(Event::Outgoing(Outgoing::Publish(1)), true);
        let packet = |id: &u16| {
            let mut publish = Publish::new("a", QoS::ExactlyOnce, "1");
            publish.pkid = *id;
            Request::Publish(publish)
        };
        let left = Unfinished::of(in_flight, packets.iter().map(packet).collect(), identifiers)?;
        let packets = left.requests.into_iter().map(|it| match it {
            Request::Publish(it) => (it.pkid, it.dup),
            other => panic!("{other:?}"),
        });
        Some(packets.collect())
    }

    #[test]
    fn what_was_never_written_gets_identifiers_that_are_free() {
        assert_eq!(left(&[1, 0, 0], 58), Some(vec![(1, true), (2, false), (3, false)]));
        assert_eq!(left(&[1, 0, 0], 2), None);
    }

    #[test]
    fn what_does_not_match_is_not_guessed_at() {
        for packets in [&[0, 0][..], &[1, 0], &[1, 0, 0, 0], &[2, 0, 0]] {
            assert_eq!(left(packets, 58), None, "{packets:?}");
        }
        // What is acknowledged may still be there. It does not go again.
        assert_eq!(left(&[7, 1, 0, 0], 58), Some(vec![(1, true), (2, false), (3, false)]));
    }

    #[test]
    fn at_another_broker_nothing_is_resumed_and_on_return_nothing_either() {
        let mut kept = Kept::default();
        for broker in ["a:1883", "b:1883", "a:1883"] {
            assert!(!kept.is_at(broker));
            kept.begin_at(broker);
            assert!(kept.is_at(broker));
            assert!(kept.resume(true).is_none(), "the bridge knows nothing of a session at {broker}");
            kept.up();
            kept.ended(&LinkError::ClosedByBroker, Some(Unfinished::default()), false);
            assert!(kept.resume(true).is_some());
        }
    }

    #[test]
    fn after_a_session_that_was_given_up_one_connection_in_vain_is_enough_until_something_is_resumed() {
        const BROKER: &str = "a:1883";
        let unfinished = || {
            let requests = VecDeque::from([Request::PubRel(PubRel::new(1))]);
            Some(Unfinished { requests, ..Unfinished::default() })
        };
        let begin = |kept: &mut Kept| {
            kept.begin_at(BROKER);
            kept.resume(false);
            kept.up();
            kept.ended(&LinkError::ClosedByBroker, unfinished(), true);
        };
        let connections_until_given_up = |kept: &mut Kept| {
            begin(kept);
            let mut connections = 0;
            while kept.is_at(BROKER) {
                kept.resume(true);
                kept.ended(&LinkError::ClosedByBroker, unfinished(), false);
                connections += 1;
            }
            connections
        };
        let mut kept = Kept::default();
        let found = [(); 3].map(|()| connections_until_given_up(&mut kept));
        assert_eq!(found, [9, 1, 1]);
        begin(&mut kept);
        kept.resume(true);
        kept.up();
        assert_eq!(connections_until_given_up(&mut kept), 9);
    }
}
