//! What was handed over to a connection and is still to be written: [`Orders`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::model::Qos;
use crate::model::Token;
use crate::model::TopicFilter;

use super::question::{Asked, Packet, Question};
use super::session::Full;

/// What was put into rumqttc's request channel and comes out of it in the same order. Both ends of a
/// connection share it: the session puts in, the link thread takes out.
#[derive(Clone)]
pub(super) struct Orders(Arc<Mutex<Waiting>>);

/// The message itself went to rumqttc; this is what we want to remember of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// A message.
    Publish(Token, Qos),
    /// The packet that ends the connection, and why.
    End(End),
}

/// Why the bridge ends a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It has no more to say.
    Disconnect,
    /// The broker acknowledges nothing.
    Abandon,
}

struct Waiting {
    orders: VecDeque<Order>,
    /// How many messages at QoS 2 were ordered and are not complete, waiting here or on their way.
    incomplete: u16,
    /// What the broker was asked and has not answered.
    question: Option<Question>,
    /// The filter that was subscribed to last.
    newest: Option<TopicFilter>,
    limits: Limits,
    closed: bool,
}

/// How many messages there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Handed over and not written.
    pub(super) waiting: u16,
    /// At QoS 2, handed over and not complete.
    pub(super) incomplete: u16,
}

impl Limits {
    /// How many packet identifiers rumqttc is to use, round and round, at 64 bytes each. It takes them for messages
    /// at QoS 1 and 2, and for SUBSCRIBE and UNSUBSCRIBE, in the order in which they are written, and 0.25.1 loses
    /// messages when it meets one that is still in use. Half of them are more than the bridge's window; the other half
    /// is for what is asked meanwhile: see [`super::in_flight::InFlight::answer`].
    pub(super) fn identifiers(&self) -> u16 {
        self.waiting.saturating_mul(2)
    }
}

impl Orders {
    /// Nothing yet, with room for what `limits` say and an end.
    pub(super) fn new(limits: Limits) -> Orders {
        let orders = VecDeque::with_capacity(usize::from(limits.waiting) + 1);
        let (question, newest) = (None, None);
        Orders(Arc::new(Mutex::new(Waiting {
            orders,
            incomplete: 0,
            question,
            newest,
            limits,
            closed: false,
        })))
    }

    /// How many messages there may be.
    pub(super) fn limits(&self) -> Limits {
        self.lock().limits
    }

    /// Notes `order` if `hand_over` succeeds, which puts it into rumqttc's channel. Both happen under one
    /// lock: whoever sees the request finds the order, and after [`Orders::close`] there is neither.
    ///
    /// # Errors
    ///
    /// [`Full`], with nothing done.
    pub(super) fn place(&self, order: Order, hand_over: impl FnOnce() -> bool) -> Result<(), Full> {
        let mut waiting = self.lock();
        let Waiting { orders, incomplete, limits, closed, .. } = &mut *waiting;
        let has_room = match order {
            Order::Publish(_, Qos::ExactlyOnce) if *incomplete >= limits.incomplete => false,
            Order::Publish(..) => orders.len() < usize::from(limits.waiting),
            Order::End(_) => true,
        };
        if *closed || !has_room || !hand_over() {
            return Err(Full);
        }
        orders.push_back(order);
        *incomplete += u16::from(matches!(order, Order::Publish(_, Qos::ExactlyOnce)));
        Ok(())
    }

    /// A message at QoS 2 is complete. (Those of an earlier connection were not counted: nothing is ordered
    /// before they are complete.)
    pub(super) fn completed(&self) {
        let incomplete = &mut self.lock().incomplete;
        *incomplete = incomplete.saturating_sub(1);
    }

    /// The order of the message that was written just now.
    pub(super) fn take_message(&self) -> Option<(Token, Qos)> {
        match self.lock().orders.pop_front() {
            Some(Order::Publish(token, qos)) => Some((token, qos)),
            _ => None,
        }
    }

    /// The order of the end, if that is next.
    pub(super) fn take_end(&self) -> Option<End> {
        let mut waiting = self.lock();
        let Some(Order::End(end)) = waiting.orders.front().copied() else { return None };
        waiting.orders.pop_front();
        Some(end)
    }

    /// Notes what is `asked` if `hand_over` succeeds, as [`Orders::place`] does.
    ///
    /// # Errors
    ///
    /// [`Full`], with nothing done, until what was asked before is answered and [taken](Orders::take_answer).
    pub(super) fn ask(&self, asked: Asked, hand_over: impl FnOnce() -> bool) -> Result<(), Full> {
        let mut waiting = self.lock();
        if waiting.closed || waiting.question.is_some() || !hand_over() {
            return Err(Full);
        }
        waiting.newest = asked.passed_on().next_back().cloned().or(waiting.newest.take());
        waiting.question = Some(Question::new(asked));
        Ok(())
    }

    /// `packet` was written as `packet_id`. Returns whether it asks what is noted here.
    pub(super) fn written(&self, packet: Packet, packet_id: u16) -> bool {
        self.lock().question.as_mut().is_some_and(|it| it.written(packet, packet_id))
    }

    /// `packet` number `packet_id` was answered, as in [`Question::answered`].
    pub(super) fn answered(&self, packet: Packet, packet_id: u16, agreed: &[bool]) -> bool {
        self.lock().question.as_mut().is_some_and(|it| it.answered(packet, packet_id, agreed))
    }

    /// What was asked and has been answered, and makes room for the next.
    pub(super) fn take_answer(&self) -> Option<Asked> {
        self.lock().question.take().map(Question::into_asked)
    }

    /// Since when an answer is missing.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.lock().question.as_ref().map(Question::since)
    }

    /// The filter that was subscribed to last.
    pub(super) fn newest(&self) -> Option<TopicFilter> {
        self.lock().newest.clone()
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().orders.len()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nobody panics while holding it; and each change is whole by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").field("waiting", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { waiting: 2, incomplete: 1 };

    fn publish(token: u64) -> Order {
        Order::Publish(Token(token), Qos::AtLeastOnce)
    }

    #[test]
    fn an_order_stands_only_for_what_was_handed_over() {
        let orders = Orders::new(LIMITS);
        assert_eq!(orders.place(publish(1), || false), Err(Full));
        assert_eq!(orders.place(publish(2), || true), Ok(()));
        assert_eq!(orders.place(publish(3), || true), Ok(()));
        assert_eq!(orders.place(publish(4), || panic!("there is no room")), Err(Full));
        assert_eq!(orders.place(Order::End(End::Abandon), || true), Ok(()));
        assert_eq!(orders.take_end(), None, "two messages come first");
        assert_eq!(orders.take_message(), Some((Token(2), Qos::AtLeastOnce)));
        assert_eq!(orders.take_message(), Some((Token(3), Qos::AtLeastOnce)));
        assert_eq!(orders.take_end(), Some(End::Abandon));
    }

    #[test]
    fn at_qos_2_there_is_room_for_so_many_until_one_is_complete() {
        let orders = Orders::new(LIMITS);
        let exactly_once = |token| Order::Publish(Token(token), Qos::ExactlyOnce);
        assert_eq!(orders.place(exactly_once(1), || true), Ok(()));
        assert_eq!(orders.place(exactly_once(2), || panic!("there is no room")), Err(Full));
        assert!(orders.take_message().is_some());
        assert_eq!(orders.place(exactly_once(2), || panic!("it is not complete")), Err(Full));
        assert_eq!(orders.place(publish(2), || true), Ok(()));
        orders.completed();
        assert_eq!(orders.place(exactly_once(3), || true), Ok(()));
    }

    #[test]
    fn nothing_is_handed_over_once_they_are_closed() {
        let orders = Orders::new(LIMITS);
        orders.close();
        assert_eq!(orders.place(publish(1), || panic!("it is closed")), Err(Full));
        assert_eq!(orders.place(Order::End(End::Disconnect), || panic!("it is closed")), Err(Full));
    }
}
