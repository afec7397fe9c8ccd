//! How whoever publishes hears what became of that very message.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::model::Fate;

/// Goes with one message, to tell once what became of it. One that is dropped says that nobody will ever tell.
#[derive(Debug)]
pub struct Receipt {
    fate: Sender<Fate>,
    /// Alive while somebody waits.
    awaited: Weak<()>,
}

/// The other end of a [`Receipt`]. Who does not wait any more drops it: then the receipt costs nothing either.
#[derive(Debug)]
pub struct Awaited {
    fate: Receiver<Fate>,
    _alive: Arc<()>,
}

impl Receipt {
    /// A receipt for one message, and the end to wait at.
    pub fn channel() -> (Receipt, Awaited) {
        let (sender, receiver) = bounded(1);
        let alive = Arc::new(());
        let receipt = Receipt { fate: sender, awaited: Arc::downgrade(&alive) };
        (receipt, Awaited { fate: receiver, _alive: alive })
    }

    /// Says that `fate` came over the message.
    pub(super) fn tell(self, fate: Fate) {
        let _ = self.fate.try_send(fate); // There is room; and who does not wait any more need not know.
    }

    /// Whether anybody still wants to know.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.strong_count() > 0
    }
}

impl Awaited {
    /// What became of the message. Blocks until that is known, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// `Timeout` where it is not known yet: the message still waits, and so may the caller, again. `Disconnected` where
    /// it never will be: the outbox is gone, and the message with it unless it is on the card.
    pub fn wait(&self, timeout: Duration) -> Result<Fate, RecvTimeoutError> {
        self.fate.recv_timeout(timeout)
    }
}
