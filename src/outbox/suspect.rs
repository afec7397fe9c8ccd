//! The message that no connection survives, if there is one.

use std::sync::Arc;

use crate::model::Message;
use crate::model::Topic;

/// Finds the message at which the broker closes each connection: one that is too large for it, or that it does not
/// permit. Left alone it would hold up all others for ever.
///
/// The proof: connection after connection the broker acknowledges something, then closes, and the oldest message that
/// it did not acknowledge is the same each time. A network that fails cuts at one message after the other.
#[derive(Debug, Default)]
pub(super) struct Suspect {
    suspected: Option<(Topic, Arc<[u8]>)>,
    cuts: u32,
    /// Whether anything was acknowledged on the connection there is.
    acknowledged: bool,
    /// Messages found guilty, the last [`MOST_CONDEMNED`]: what is announced again at each connection must not
    /// have to be found guilty again.
    condemned: Vec<(Topic, Arc<[u8]>)>,
}

impl Suspect {
    /// The broker has acknowledged a message on `topic`, when that is known.
    pub(super) fn acknowledged(&mut self, topic: Option<&Topic>) {
        self.acknowledged = true;
        if self.suspected.as_ref().is_some_and(|(suspected, _)| Some(suspected) == topic) {
            self.suspected = None;
        }
    }

    /// The broker has closed the connection, `oldest` being the oldest message that it had not acknowledged.
    /// Returns whether that one is guilty. Where the session is `kept`, each connection begins with that message: then
    /// it is one more cut although nothing was acknowledged, but no proof before the session was given up.
    pub(super) fn closed(&mut self, oldest: &Message, kept: bool) -> bool {
        let acknowledged = std::mem::take(&mut self.acknowledged);
        if !acknowledged && !kept {
            return false;
        }
        let named = (oldest.topic.clone(), Arc::clone(&oldest.payload));
        self.cuts = if self.suspected.as_ref() == Some(&named) { self.cuts + 1 } else { 1 };
        let guilty = acknowledged && self.cuts >= PROOF;
        if guilty {
            self.condemned.truncate(MOST_CONDEMNED - 1);
            self.condemned.insert(0, named.clone());
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
        self.condemned.iter().any(|(topic, payload)| *topic == message.topic && *payload == message.payload)
    }
}

/// Connections in a row. With a pause of seconds before each it takes a minute; a network that cuts one connection in
/// three at the very same message by chance does so once in sixty thousand times.
const PROOF: u32 = 10;
/// Each may hold a large payload.
const MOST_CONDEMNED: usize = 8;
