//! What was handed over to a connection and is still to be written: [`Orders`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::Qos;
use crate::model::Token;

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
    /// How many messages it may hold.
    capacity: usize,
    closed: bool,
}

impl Orders {
    /// Nothing yet, with room for `capacity` messages and an end.
    pub(super) fn new(capacity: u16) -> Orders {
        let capacity = usize::from(capacity);
        let orders = VecDeque::with_capacity(capacity + 1);
        Orders(Arc::new(Mutex::new(Waiting { orders, capacity, closed: false })))
    }

    /// Notes `order` if `hand_over` succeeds, which puts it into rumqttc's channel. Both happen under one
    /// lock: whoever sees the request finds the order, and after [`Orders::close`] there is neither.
    ///
    /// # Errors
    ///
    /// [`Full`], with nothing done.
    pub(super) fn place(&self, order: Order, hand_over: impl FnOnce() -> bool) -> Result<(), Full> {
        let mut waiting = self.lock();
        let room = match order {
            Order::Publish(..) => waiting.orders.len() < waiting.capacity,
            Order::End(_) => true,
        };
        if waiting.closed || !room || !hand_over() {
            return Err(Full);
        }
        waiting.orders.push_back(order);
        Ok(())
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

    fn publish(token: u64) -> Order {
        Order::Publish(Token(token), Qos::AtLeastOnce)
    }

    #[test]
    fn an_order_stands_only_for_what_was_handed_over() {
        let orders = Orders::new(2);
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
    fn nothing_is_handed_over_once_they_are_closed() {
        let orders = Orders::new(2);
        orders.close();
        assert_eq!(orders.place(publish(1), || panic!("it is closed")), Err(Full));
        assert_eq!(orders.place(Order::End(End::Disconnect), || panic!("it is closed")), Err(Full));
    }
}
