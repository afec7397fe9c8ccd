//! What an earlier run announced and is left behind: the messages that have Home Assistant forget it, or know it again.

use std::collections::VecDeque;

use crossbeam_channel::Sender;

use crate::model::Message;

/// The messages before and after all that is announced, as far as they are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Departure {
    /// Group by group; the first may be on its way.
    before: VecDeque<Vec<Message>>,
    after: Vec<Message>,
    done: Vec<Sender<()>>,
}

impl Departure {
    /// Has `before` and `after` sent too, behind what is still to be; `done` hears when all of it was acknowledged.
    pub(super) fn add(&mut self, before: Vec<Vec<Message>>, after: Vec<Message>, done: Sender<()>) {
        self.before.extend(before.into_iter().filter(|group| !group.is_empty()));
        self.after.extend(after);
        self.done.push(done);
    }

    /// The group that is to be acknowledged next, where one is left.
    pub(super) fn group(&self) -> Option<&[Message]> {
        self.before.front().map(Vec::as_slice)
    }

    /// That group was acknowledged.
    pub(super) fn group_arrived(&mut self) {
        self.before.pop_front();
    }

    /// All is announced: takes what is to be sent now, and who is to hear when that was acknowledged.
    pub(super) fn last(&mut self) -> (Vec<Message>, Vec<Sender<()>>) {
        (std::mem::take(&mut self.after), std::mem::take(&mut self.done))
    }
}
