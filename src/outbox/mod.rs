//! What is still to be delivered: [`Outbox`].
//!
//! A message is here from the moment it is accepted until the broker has acknowledged it. The
//! connection is disposable, this is not: what a lost connection had in flight goes back to waiting.

mod latest;
pub mod spool;
mod window;

use std::time::{Duration, Instant};

use latest::Latest;
use window::Window;

use crate::model::Message;
use crate::model::Token;
use crate::model::Topic;

/// Messages that wait and messages in flight, in memory, at most one waiting per topic and [`Lane`].
#[derive(Debug, Default)]
pub struct Outbox {
    announcements: Latest,
    states: Latest,
    window: Window,
}

/// Which of the two rows of waiting messages a message stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// Discovery and availability: go first.
    Announcement,
    /// States: go while the lane is open, after all announcements.
    State,
}

impl Outbox {
    /// Accepts `message`, to be given up unsent at `expires`. Returns whether it replaced an older one
    /// on the same topic, which then is never sent.
    pub fn put(&mut self, lane: Lane, message: Message, expires: Option<Instant>) -> bool {
        self.lane(lane).put(message, expires)
    }

    /// Forgets what is to be sent on `topic`: a message that waits is not sent, one in flight is not sent again.
    pub fn withdraw(&mut self, lane: Lane, topic: &Topic) {
        self.lane(lane).remove(topic);
        self.window.disown(lane, topic);
    }

    /// Offers one waiting message after the other to `publish` until it refuses one, the window is full or
    /// nothing may go: announcements first, states only with `states_open`. Each then is in flight under its token.
    pub fn send(
        &mut self,
        now: Instant,
        states_open: bool,
        mut publish: impl FnMut(Token, &Message) -> bool,
    ) {
        let lanes = if states_open { &[Lane::Announcement, Lane::State][..] } else { &[Lane::Announcement] };
        for &lane in lanes {
            while self.window.has_room(lane) {
                let Some(waiting) = self.lane(lane).pop(now) else { break };
                if publish(self.window.next(), &waiting.message) {
                    self.window.push(lane, waiting, now);
                } else {
                    self.lane(lane).put_back(waiting);
                    return;
                }
            }
        }
    }

    /// The broker has acknowledged the message sent as `token`: lets go of it. Returns false where no such
    /// message is in flight.
    pub fn acknowledge(&mut self, token: Token) -> bool {
        self.window.remove(token)
    }

    /// The connection is gone: what was in flight waits again, ahead of the rest, but for what a newer
    /// message has replaced meanwhile. Returns how many were replaced.
    pub fn rewind(&mut self) -> usize {
        let mut replaced = 0;
        for (lane, waiting) in self.window.drain_newest_first() {
            replaced += usize::from(!self.lane(lane).put_back(waiting));
        }
        replaced
    }

    /// How many messages wait to be handed to a connection.
    pub fn waiting(&self) -> usize {
        self.announcements.len() + self.states.len()
    }

    /// How many messages wait or are in flight.
    pub fn len(&self) -> usize {
        self.waiting() + self.window.len()
    }

    /// Whether everything was delivered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every announcement was acknowledged.
    pub fn is_announced(&self) -> bool {
        self.announcements.len() == 0 && !self.window.holds(Lane::Announcement)
    }

    /// When the oldest message in flight will have been unacknowledged for `limit`.
    pub fn overdue_at(&self, limit: Duration) -> Option<Instant> {
        self.window.oldest_since().map(|since| since + limit)
    }

    fn lane(&mut self, lane: Lane) -> &mut Latest {
        match lane {
            Lane::Announcement => &mut self.announcements,
            Lane::State => &mut self.states,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Qos;

    fn message(topic: &str, payload: &str) -> Message {
        Message::retained(Topic::new(topic).unwrap(), payload.as_bytes(), Qos::AtLeastOnce)
    }

    fn text(message: &Message) -> String {
        format!("{}={}", message.topic, String::from_utf8_lossy(&message.payload))
    }

    /// Sends all that may go and returns it as `token topic=payload`.
    fn sent(outbox: &mut Outbox, states_open: bool) -> Vec<String> {
        let mut sent = Vec::new();
        outbox.send(Instant::now(), states_open, |token, message| {
            sent.push(format!("{} {}", token.0, text(message)));
            true
        });
        sent
    }

    #[test]
    fn announcements_go_before_states_and_states_wait_for_their_lane() {
        let mut outbox = Outbox::default();
        outbox.put(Lane::State, message("s", "1"), None);
        outbox.put(Lane::Announcement, message("a", "x"), None);
        assert_eq!(sent(&mut outbox, false), ["0 a=x"]);
        assert!(!outbox.is_announced());
        assert!(outbox.acknowledge(Token(0)));
        assert!(outbox.is_announced());
        assert_eq!(sent(&mut outbox, true), ["1 s=1"]);
    }

    #[test]
    fn only_the_newest_of_a_topic_waits_and_keeps_its_place() {
        let mut outbox = Outbox::default();
        assert!(!outbox.put(Lane::State, message("a", "1"), None));
        outbox.put(Lane::State, message("b", "1"), None);
        assert!(outbox.put(Lane::State, message("a", "2"), None));
        assert_eq!(sent(&mut outbox, true), ["0 a=2", "1 b=1"]);
    }

    #[test]
    fn a_lost_connection_sends_the_unacknowledged_again_in_order_under_new_tokens() {
        let mut outbox = Outbox::default();
        for topic in ["a", "b", "c"] {
            outbox.put(Lane::State, message(topic, "1"), None);
        }
        sent(&mut outbox, true);
        outbox.acknowledge(Token(1));
        outbox.put(Lane::State, message("d", "1"), None);
        assert_eq!(outbox.rewind(), 0);
        assert_eq!(outbox.len(), 3);
        assert_eq!(sent(&mut outbox, true), ["3 a=1", "4 c=1", "5 d=1"]);
    }

    #[test]
    fn what_was_in_flight_never_overtakes_a_newer_message_of_its_topic() {
        let mut outbox = Outbox::default();
        outbox.put(Lane::State, message("a", "old"), None);
        sent(&mut outbox, true);
        outbox.put(Lane::State, message("a", "new"), None);
        assert_eq!(outbox.rewind(), 1);
        assert_eq!(sent(&mut outbox, true), ["1 a=new"]);
        assert!(
            !outbox.acknowledge(Token(0)),
            "an acknowledgement of the lost connection counts for nothing"
        );
    }

    #[test]
    fn two_messages_of_one_topic_in_flight_come_back_as_the_newer() {
        let mut outbox = Outbox::default();
        for payload in ["1", "2"] {
            outbox.put(Lane::State, message("a", payload), None);
            sent(&mut outbox, true);
        }
        assert_eq!(outbox.rewind(), 1);
        assert_eq!(sent(&mut outbox, true), ["2 a=2"]);
    }

    #[test]
    fn the_window_is_measured_from_the_oldest_unacknowledged() {
        let mut outbox = Outbox::default();
        for at in 0..=window::STATES_SIZE {
            outbox.put(Lane::State, message(&format!("t{at}"), "1"), None);
        }
        assert_eq!(sent(&mut outbox, true).len() as u64, window::STATES_SIZE);
        outbox.acknowledge(Token(1));
        assert_eq!(sent(&mut outbox, true).len(), 0, "token 0 still holds the window");
        outbox.acknowledge(Token(0));
        assert_eq!(sent(&mut outbox, true).len(), 1);
    }

    #[test]
    fn an_announcement_finds_room_however_many_states_are_unacknowledged() {
        let mut outbox = Outbox::default();
        for at in 0..=window::STATES_SIZE {
            outbox.put(Lane::State, message(&format!("t{at}"), "1"), None);
        }
        sent(&mut outbox, true);
        outbox.put(Lane::Announcement, message("availability", "offline"), None);
        assert!(sent(&mut outbox, true)[0].ends_with(" availability=offline"));
    }

    #[test]
    fn a_refused_message_stays_first() {
        let mut outbox = Outbox::default();
        outbox.put(Lane::State, message("a", "1"), None);
        outbox.put(Lane::State, message("b", "1"), None);
        outbox.send(Instant::now(), true, |_, _| false);
        assert_eq!(sent(&mut outbox, true), ["0 a=1", "1 b=1"]);
    }

    #[test]
    fn a_message_past_its_time_is_not_sent() {
        let mut outbox = Outbox::default();
        let now = Instant::now();
        outbox.put(Lane::State, message("a", "1"), Some(now));
        outbox.put(Lane::State, message("b", "1"), Some(now + Duration::from_secs(60)));
        assert_eq!(sent(&mut outbox, true), ["0 b=1"]);
    }

    #[test]
    fn a_message_withdrawn_in_flight_never_comes_back() {
        let mut outbox = Outbox::default();
        let state = message("a", "1");
        outbox.put(Lane::State, state.clone(), None);
        outbox.put(Lane::State, message("b", "1"), None);
        sent(&mut outbox, true);
        outbox.withdraw(Lane::State, &state.topic);
        assert_eq!(outbox.len(), 2, "it is still to be acknowledged");
        assert_eq!(outbox.rewind(), 0);
        assert_eq!(sent(&mut outbox, true), ["2 b=1"]);
    }

    #[test]
    fn a_withdrawn_message_is_not_sent() {
        let mut outbox = Outbox::default();
        let message = message("a", "1");
        outbox.put(Lane::State, message.clone(), None);
        outbox.withdraw(Lane::State, &message.topic);
        assert!(outbox.is_empty());
        assert_eq!(sent(&mut outbox, true), [""; 0]);
    }
}
