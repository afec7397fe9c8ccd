//! Delivering a few messages by a connection of our own: [`deliver`].

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::link::Link;
use crate::link::LinkError;
use crate::link::LinkEvent;
use crate::link::Options;
use crate::link::Session;
use crate::model::Message;
use crate::model::Token;
use crate::model::Topic;

/// What was not delivered within the limit.
#[derive(Debug)]
pub(super) struct Undelivered {
    /// Where to, in order.
    pub(super) topics: Vec<Topic>,
    /// Why the last connection ended, where there was one.
    cause: Option<LinkError>,
}

/// A connection, and what became of what was handed to it.
struct Courier {
    events: Receiver<LinkEvent>,
    session: Option<Session>,
    window: u64,
    next: Token,
    cause: Option<LinkError>,
}

/// Connects as `options` say but for the session, which is a new one, and delivers `groups`: each once the one before it
/// is acknowledged, and `pause` after that. Blocks for `limit` at most, the pauses not counted.
///
/// # Errors
///
/// [`Undelivered`]. Some of it may have arrived.
pub(super) fn deliver(
    mut options: Options,
    groups: &[Vec<Message>],
    pause: Duration,
    limit: Duration,
) -> Result<(), Undelivered> {
    options.client.clean_session = true;
    // The daemon does not run, and has said so: a command that is killed must not say it again.
    options.will = None;
    options.subscriptions.clear();
    let (reports, events) = bounded(EVENTS);
    let window = u64::from(options.client.max_in_flight);
    let link = Link::start(options, reports).map_err(|_| Undelivered::new(groups.concat().iter(), None))?;
    let mut courier = Courier { events, session: None, window, next: Token(0), cause: None };
    let mut deadline = Instant::now() + limit;
    for (at, group) in groups.iter().enumerate() {
        if let Err(left) = courier.deliver(group, deadline) {
            let left = left.into_iter().map(|it| &group[it]).chain(groups[at + 1..].iter().flatten());
            return Err(Undelivered::new(left, courier.cause));
        }
        if at + 1 < groups.len() {
            courier.wait(Instant::now() + pause);
            deadline += pause;
        }
    }
    drop(courier); // Says goodbye.
    link.stop(LINK_END);
    Ok(())
}

impl Courier {
    /// Returns when all of `messages` are acknowledged.
    ///
    /// # Errors
    ///
    /// Which of them are not, at `deadline`.
    fn deliver(&mut self, messages: &[Message], deadline: Instant) -> Result<(), BTreeSet<usize>> {
        let mut waiting: BTreeSet<usize> = (0..messages.len()).collect();
        let mut in_flight: BTreeMap<Token, usize> = BTreeMap::new();
        loop {
            while let (Some(session), Some(&at)) = (&mut self.session, waiting.first()) {
                let oldest = in_flight.keys().next().unwrap_or(&self.next);
                if self.next.0 - oldest.0 >= self.window || session.publish(self.next, &messages[at]).is_err()
                {
                    break;
                }
                waiting.remove(&at);
                in_flight.insert(self.next, at);
                self.next.0 += 1;
            }
            if waiting.is_empty() && in_flight.is_empty() {
                return Ok(());
            }
            match self.events.recv_deadline(deadline) {
                Ok(event) => {
                    if let LinkEvent::Delivered(token) = event {
                        in_flight.remove(&token);
                    } else if self.has_lost(event) {
                        waiting.extend(std::mem::take(&mut in_flight).into_values());
                    }
                }
                Err(_) => {
                    waiting.extend(in_flight.into_values());
                    return Err(waiting);
                }
            }
        }
    }

    /// Lets the connection live until `deadline`.
    fn wait(&mut self, deadline: Instant) {
        loop {
            match self.events.recv_deadline(deadline) {
                Ok(event) => drop(self.has_lost(event)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes note of `event`. Returns whether it is the end of a connection, with all that was in flight.
    fn has_lost(&mut self, event: LinkEvent) -> bool {
        match event {
            LinkEvent::Up(session) => self.session = Some(session),
            LinkEvent::Down(down) => {
                self.session = None;
                self.cause = Some(down.cause);
                return true;
            }
            _ => {}
        }
        false
    }
}

impl Undelivered {
    fn new<'a>(messages: impl Iterator<Item = &'a Message>, cause: Option<LinkError>) -> Undelivered {
        Undelivered { topics: messages.map(|it| it.topic.clone()).collect(), cause }
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker has not acknowledged {} messages", self.topics.len())
    }
}

impl Error for Undelivered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|it| it as _)
    }
}

/// How many reports of the link wait for us.
const EVENTS: usize = 64;
/// Limit for the link thread to end after the disconnect.
const LINK_END: Duration = Duration::from_millis(500);
