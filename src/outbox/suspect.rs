//! The message that no connection survives, if there is one.

use std::sync::Arc;

use crate::model::Message;
use crate::model::Topic;

/// Finds the message at which the broker closes each connection: one that is too large for it, or that it does not
/// permit. Left alone it would hold up all others for ever.
///
/// The proof: connection after connection the broker acknowledges something, then closes, and the oldest message that
/// it did not acknowledge is the same each time. A network that fails cuts at one message after the other.
///
/// Where the first message of a connection is the one, nothing is acknowledged, as by a broker that acknowledges nothing
/// to anybody. So what was first too often goes last: then either something is acknowledged before it, or it was not the cause.
#[derive(Debug, Default)]
pub(super) struct Suspect {
    suspected: Option<Named>,
    cuts: u32,
    /// Whether anything was acknowledged on the connection there is.
    acknowledged: bool,
    /// The oldest message on connections that ended without any acknowledgement, and on how many in a row.
    first: Option<Named>,
    fruitless: u32,
    /// Messages that let others go first, the last [`MOST_REMEMBERED`], until they are acknowledged.
    put_last: Vec<Named>,
    /// Messages found guilty, the last [`MOST_REMEMBERED`]: what is announced again at each connection must not
    /// have to be found guilty again.
    condemned: Vec<Named>,
}

type Named = (Topic, Arc<[u8]>);

impl Suspect {
    /// The broker has acknowledged a message on `topic`, when that is known.
    pub(super) fn acknowledged(&mut self, topic: Option<&Topic>) {
        self.acknowledged = true;
        self.first = None;
        self.put_last.retain(|(it, _)| Some(it) != topic);
        if self.suspected.as_ref().is_some_and(|(suspected, _)| Some(suspected) == topic) {
            self.suspected = None;
        }
    }

    /// The broker has closed the connection, `oldest` being the oldest message that it had not acknowledged.
    /// Returns whether that one is guilty. Where the session is `kept`, each connection begins with that message: then
    /// it is one more cut although nothing was acknowledged, but no proof before the session was given up.
    pub(super) fn closed(&mut self, oldest: &Message, kept: bool) -> bool {
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let named = (oldest.topic.clone(), Arc::clone(&oldest.payload));
        if !acknowledged && !kept {
            self.came_to_nothing(named);
            return false;
        }
        self.cuts = if self.suspected.as_ref() == Some(&named) { self.cuts + 1 } else { 1 };
        let guilty = acknowledged && self.cuts >= PROOF;
        if guilty {
            self.put_last.retain(|it| *it != named);
            remember(&mut self.condemned, named.clone());
        }
        self.suspected = (!guilty).then_some(named);
        guilty
    }

    /// A connection begins.
    pub(super) fn connected(&mut self) {
        self.acknowledged = false;
    }

    /// Whether `message` was found guilty before.
    pub(super) fn is_condemned(&self, message: &Message) -> bool {
        holds(&self.condemned, message)
    }

    /// Whether `message` is to let all others go first.
    pub(super) fn goes_last(&self, message: &Message) -> bool {
        holds(&self.put_last, message)
    }

    /// A connection ended without any acknowledgement, `oldest` being the oldest message on it.
    fn came_to_nothing(&mut self, oldest: Named) {
        self.fruitless = if self.first.as_ref() == Some(&oldest) { self.fruitless + 1 } else { 1 };
        if self.fruitless == PATIENCE && !self.put_last.contains(&oldest) {
            remember(&mut self.put_last, oldest.clone());
        }
        self.first = Some(oldest);
    }
}

fn holds(messages: &[Named], message: &Message) -> bool {
    messages.iter().any(|(topic, payload)| *topic == message.topic && *payload == message.payload)
}

fn remember(messages: &mut Vec<Named>, newest: Named) {
    messages.truncate(MOST_REMEMBERED - 1);
    messages.insert(0, newest);
}

/// Connections in a row. With a pause of seconds before each it takes a minute; a network that cuts one connection in
/// three at the very same message by chance does so once in sixty thousand times.
const PROOF: u32 = 10;
/// Connections in a row that a message may come to nothing by before it lets the others go first. The order of announcements is
/// worth keeping where it was only the network.
const PATIENCE: u32 = 3;
/// Each may hold a large payload.
const MOST_REMEMBERED: usize = 8;
