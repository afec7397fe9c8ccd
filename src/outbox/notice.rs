//! How whoever publishes hears what becomes of that very message.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::model::Fate;

/// What is to be known of a message that was accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// It is on the card, or, where that does not take it, in memory as with the other modes. Told only of what was
    /// [accepted on condition of that](crate::bridge::Accepted::WhenStored), at most once, and not of what has ended before.
    Stored,
    /// What became of it; nothing is told after that. `None` where nobody will ever know: the outbox is gone, and the
    /// message with it unless it is on the card.
    Ended(Option<Fate>),
}

/// Goes with one message, to tell what becomes of it.
pub struct Notice {
    /// Gone once the end was told.
    tell: Option<Tell>,
    /// Alive while somebody cares; `None` where that is always so.
    awaited: Option<Weak<()>>,
    /// Whether [`News::Stored`] is still to be told.
    promised: bool,
}

/// The other end of a [`Notice`] for a thread that waits. Who does not wait any more drops it: then the notice costs nothing
/// either.
#[derive(Debug)]
pub struct Awaited {
    stored: Receiver<()>,
    fate: Receiver<Fate>,
    _alive: Arc<()>,
}

type Tell = Box<dyn FnMut(News) + Send>;

impl Notice {
    /// A notice that calls `tell`, on the thread of the bridge: nothing may block in there, nor call the bridge. The last
    /// call is [`News::Ended`], unless the message was refused: of that nothing is told.
    pub fn new(tell: impl FnMut(News) + Send + 'static) -> Notice {
        Notice { tell: Some(Box::new(tell)), awaited: None, promised: false }
    }

    /// The same, for as long only as somebody else has a clone of `interest`: without that, nothing is told, and what is
    /// kept for it is let go of sooner or later.
    pub fn while_held(mut self, interest: &Arc<()>) -> Notice {
        self.awaited = Some(Arc::downgrade(interest));
        self
    }

    /// A notice and the end to wait at.
    pub fn channel() -> (Notice, Awaited) {
        let ((tell_stored, stored), (tell_fate, fate)) = (bounded(1), bounded(1));
        let alive = Arc::new(());
        let tell = move |news| {
            // There is room; and who does not wait any more need not know. What nobody will know the channels tell by
            // their end.
            match news {
                News::Stored => _ = tell_stored.try_send(()),
                News::Ended(Some(fate)) => _ = (tell_stored.try_send(()), tell_fate.try_send(fate)),
                News::Ended(None) => {}
            }
        };
        (Notice::new(tell).while_held(&alive), Awaited { stored, fate, _alive: alive })
    }

    /// Has [`Notice::stored`] told, where it is not before that.
    pub(crate) fn promise(&mut self) {
        self.promised = true;
    }

    /// Whether it is still to be told that the message is stored.
    pub(super) fn is_promised(&self) -> bool {
        self.promised
    }

    /// Says that the message is as safe as it gets before it is delivered, where that was promised and not yet said.
    pub(crate) fn stored(&mut self) {
        if std::mem::take(&mut self.promised) {
            self.say(News::Stored);
        }
    }

    /// Says that `fate` came over the message.
    pub(crate) fn end(mut self, fate: Fate) {
        self.say(News::Ended(Some(fate)));
        self.tell = None;
    }

    /// Says nothing any more: the message was not accepted.
    pub(crate) fn forget(mut self) {
        self.tell = None;
    }

    /// Whether anybody still wants to know.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.as_ref().is_none_or(|it| it.strong_count() > 0)
    }

    fn say(&mut self, news: News) {
        if self.is_awaited() {
            self.tell.iter_mut().for_each(|tell| tell(news));
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.say(News::Ended(None));
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice").field("promised", &self.promised).finish_non_exhaustive()
    }
}

impl Awaited {
    /// Blocks until the message is stored, as [`News::Stored`], or has ended. Returns whether it will be: not where the
    /// outbox is gone before.
    pub fn is_stored(&self) -> bool {
        self.stored.recv().is_ok()
    }

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
