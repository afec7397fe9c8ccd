//! What an earlier run announced and is left behind: the messages that have Home Assistant forget it, or know it again.

use std::collections::{BTreeSet, VecDeque};

use crossbeam_channel::Sender;

use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;

/// The messages before and after all that is announced, as far as they are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Departure {
    /// Group by group; the first may be on its way.
    before: VecDeque<Vec<Message>>,
    after: Vec<Message>,
    done: Option<Sender<()>>,
}

impl Departure {
    /// Has `before` and `after` sent too, behind what is still to be, of which nothing goes on a topic on which there is
    /// something newer now: while the broker is away, no more gathers here than there are topics. `done` hears when all
    /// of it was acknowledged; the channel of the one before it closes.
    pub(super) fn add(&mut self, before: Vec<Vec<Message>>, after: Vec<Message>, done: Sender<()>) {
        let newer = topics(before.iter().flatten());
        for group in self.before.iter_mut().skip(1) {
            group.retain(|it| !newer.contains(&it.topic));
        }
        self.before.retain(|group| !group.is_empty());
        self.before.extend(before.into_iter().filter(|group| !group.is_empty()));
        let newer = topics(&after);
        self.after.retain(|it| !newer.contains(&it.topic));
        self.after.extend(after);
        self.done = Some(done);
    }

    /// Has the broker keep nothing on `topic` from the next announcement on.
    pub(super) fn empty(&mut self, topic: &Topic) {
        self.after.retain(|it| it.topic != *topic);
        self.after.push(Message::retained(topic.clone(), *b"", Qos::AtLeastOnce));
    }

    /// The group that is to be acknowledged next, where one is left.
    pub(super) fn group(&self) -> Option<&[Message]> {
        self.before.front().map(Vec::as_slice)
    }

    /// That group was acknowledged.
    pub(super) fn group_arrived(&mut self) {
        self.before.pop_front();
    }

    /// All is announced: takes what is to be sent now, and who is to hear when that was acknowledged. Nothing goes on the topics that
    /// are `used`: what has moved twice may be back where it was.
    pub(super) fn last(
        &mut self,
        used: impl FnOnce() -> BTreeSet<Topic>,
    ) -> (Vec<Message>, Option<Sender<()>>) {
        let mut after = std::mem::take(&mut self.after);
        if !after.is_empty() {
            let used = used();
            after.retain(|it| !used.contains(&it.topic));
        }
        (after, self.done.take())
    }
}

fn topics<'a>(messages: impl IntoIterator<Item = &'a Message>) -> BTreeSet<Topic> {
    messages.into_iter().map(|it| it.topic.clone()).collect()
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, TryRecvError, bounded};

    use super::*;

    fn message(topic: &str, payload: &str) -> Message {
        Message::retained(Topic::new(topic).unwrap(), payload.as_bytes(), Qos::AtLeastOnce)
    }

    /// Leaves `from` for `to`.
    fn moved(departure: &mut Departure, from: &str, to: &str) -> Receiver<()> {
        let (done, heard) = bounded(1);
        let before = vec![vec![message(from, "")], vec![message(to, "migrate")]];
        departure.add(before, vec![message(to, "")], done);
        heard
    }

    /// What goes first, group by group, and what goes last.
    fn left(departure: &Departure) -> Vec<String> {
        let told = |it: &[Message]| it.iter().map(|it| it.topic.as_str()).collect::<String>();
        departure.before.iter().map(|it| told(it)).chain([told(&departure.after)]).collect()
    }

    #[test]
    fn however_often_something_moves_while_the_broker_is_away_the_last_time_alone_is_told() {
        let mut departure = Departure::default();
        let first = moved(&mut departure, "x", "y");
        let mut last = first.clone();
        for _ in 0..100 {
            moved(&mut departure, "a", "b");
            last = moved(&mut departure, "b", "a");
        }
        assert_eq!(left(&departure), ["x", "y", "b", "a", "yba"]);
        assert_eq!(first.try_recv(), Err(TryRecvError::Disconnected));
        departure.group_arrived();
        assert_eq!(departure.group().map(|it| &*it[0].payload), Some(&b"migrate"[..]));
        let (after, done) = departure.last(|| topics(&[message("a", "")]));
        assert_eq!(after.iter().map(|it| it.topic.as_str()).collect::<String>(), "yb");
        done.unwrap().send(()).unwrap();
        assert_eq!(last.try_recv(), Ok(()));
    }

    #[test]
    fn what_may_be_on_its_way_stays_as_it_is() {
        let mut departure = Departure::default();
        moved(&mut departure, "a", "b");
        moved(&mut departure, "a", "b");
        assert_eq!(left(&departure), ["a", "a", "b", "b"]);
    }
}
