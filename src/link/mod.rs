//! The connection to the broker, which comes back whatever happens. The only place that knows rumqttc and OpenSSL.
//!
//! [`Link::start`] runs one thread, and with TLS another beside it for each connection. It tells what happens as
//! [`LinkEvent`]s: `Up` brings a [`Session`] to publish and subscribe with, `Down` takes it away; in between messages are
//! `Delivered` and `Received`, and what was asked of the broker is answered: `Subscribed` and `Unsubscribed`.
//!
//! What becomes of that which was handed to a session and is not delivered when the link goes down depends
//! on `CLEAN_SESSION`. With clean sessions nothing is kept here: it is to be handed to the next session, and
//! delivery is at least once, at QoS 2 as well. Otherwise the link keeps it, and finishes it where the broker
//! has kept its side too: then delivery at QoS 2 is exactly once. A broker that has lost the session, or is
//! another one than before, gets everything anew, as does the first one after the start of the program. Where a login
//! went unanswered it is not certain whether the session that is there is ours; then a message to a topic of our own,
//! `session` below that of the will, shows it where there is a will.

mod attempt;
mod cause;
mod connection;
mod dialer;
mod error;
mod in_flight;
mod kept;
mod options;
mod orders;
mod passage;
mod probe;
mod question;
mod retry;
mod round;
mod scout;
mod session;
mod site;
mod subscriptions;
mod target;
mod tls;
mod visit;
mod witness;

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod subscribe_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod witness_tests;

use std::io;
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::model::Incoming;
use crate::model::Token;
use crate::model::TopicFilter;
use crate::worker::Pulses;
use crate::worker::Worker;

pub use error::{LinkError, Refusal};
pub use options::Options;
pub use probe::{Outcome, Step, probe};
pub use session::{Full, Session};
pub use site::Site;
pub use tls::{TlsProblem, check_files};
pub use visit::{Heard, Visit};

use dialer::Dialer;
use passage::Current;

/// The connection to the broker, on a thread of its own called `link`. Dropping it stops it, and waits a
/// second at most.
pub struct Link {
    worker: Option<Worker>,
    current: Current,
}

/// What happens on the link, in this order: `Up`, then any of the others, then `Down`; or `Down` alone for
/// an attempt that failed. Where the broker keeps our session, `Delivered` and `Received` may come before
/// `Up` and without it: what was unfinished at the last `Down` is finished first.
#[derive(Debug)]
pub enum LinkEvent {
    /// The broker has accepted us, our subscriptions are on their way, and messages may be published.
    Up(Session),
    /// The broker has acknowledged the message with this token (QoS 0: it was written). Once a token.
    Delivered(Token),
    /// The broker sent us a message.
    Received(Incoming),
    /// The broker has answered a SUBSCRIBE: whether each filter is subscribed to, in the order in which they were
    /// asked for. There is room for the next. The first one on each connection is for [`Options::subscriptions`]; it does
    /// not come where there are none, unless the broker keeps our session, where it is empty then.
    Subscribed(Vec<(TopicFilter, bool)>),
    /// The broker has answered an UNSUBSCRIBE. There is room for the next.
    Unsubscribed,
    /// A broker that we had left was told that we are offline. It may be the connected one under another name, so
    /// `online` is to be said again.
    SaidOffline,
    /// The session is over, or there was none. Another attempt follows by itself.
    Down(Down),
}

/// The end of a session, or of an attempt.
#[derive(Debug)]
pub struct Down {
    /// Why.
    pub cause: LinkError,
    /// Which broker it was.
    pub site: Site,
    /// How long until the next attempt. Zero where another broker is tried at once.
    pub retry_in: Duration,
    /// Whether the broker has cut short three sessions in a row, or more: mostly another client uses our
    /// client identifier, and each evicts the other.
    pub takeover: bool,
    /// Whether the link itself keeps what was handed over and is not delivered, for the broker may keep our
    /// session. It must not be published again unless a later session is not [`Session::resumed`]. Always
    /// false with clean sessions: all that is to be published again then.
    pub kept: bool,
}

impl Link {
    /// Starts the link. `events` should be bounded; the thread waits where it is full, and ends when
    /// nobody receives any more and there is something to tell.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread to give.
    pub fn start(options: Options, events: Sender<LinkEvent>) -> io::Result<Link> {
        Link::start_watched(options, events, &Pulses::default())
    }

    /// As [`Link::start`], with `pulses` to watch over its thread. That promises to turn within 15 min while it looks for the
    /// broker, within its pause, and, while connected, within twice the connection's limits: it is not woken for it.
    ///
    /// # Errors
    ///
    /// As [`Link::start`].
    pub fn start_watched(options: Options, events: Sender<LinkEvent>, pulses: &Pulses) -> io::Result<Link> {
        let current = Current::new();
        let (shared, watch) = (current.clone(), pulses.clone());
        let worker = Worker::spawn_watched("link", pulses, move |stop, pulse| {
            Dialer::new(options, events, shared, stop, pulse, watch).run();
        })?;
        Ok(Link { worker: Some(worker), current })
    }

    /// Stops the link, and waits `limit` at most for its thread, which is left to end by itself after that.
    /// Returns whether it has ended. A session that is still up is disconnected; an attempt goes on to its
    /// own limit first (`connection_timeout`, or as long as a name look-up takes). Pending events need not
    /// be received meanwhile.
    pub fn stop(mut self, limit: Duration) -> bool {
        self.end(limit)
    }

    /// As [`Link::stop`], for an owner that has another to put in its place.
    pub fn end(&mut self, limit: Duration) -> bool {
        let Some(mut worker) = self.worker.take() else { return true };
        worker.request_stop(); // Must come before the look at the current connection: see `Passage::serve`.
        self.current.disconnect();
        worker.stop_within(limit)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end(DROP_LIMIT);
    }
}

/// How long dropping a [`Link`] may wait.
const DROP_LIMIT: Duration = Duration::from_secs(1);
