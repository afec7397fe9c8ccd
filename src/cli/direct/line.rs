//! One connection beside the daemon's: [`Line`].

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::Range;
use std::process;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use crate::config::Config;
use crate::link::Link;
use crate::link::LinkError;
use crate::link::LinkEvent;
use crate::link::Options;
use crate::link::Session;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Token;
use crate::model::TopicFilter;

/// One connection, as the configuration says but for what is the daemon's own: it has a client identifier that nobody else has,
/// leaves no will and no session, and says nothing that it is not asked to. Made once; not made again when it is lost.
pub(super) struct Line {
    // Before the link: letting go of the session says goodbye.
    session: Session,
    events: Receiver<LinkEvent>,
    link: Link,
    window: u64,
    next: Token,
    outgoing: VecDeque<(Token, Message)>,
    in_flight: BTreeSet<Token>,
    to_subscribe: Vec<(TopicFilter, Qos)>,
    to_unsubscribe: Vec<TopicFilter>,
}

/// What happens on a [`Line`].
pub(super) enum News {
    /// The broker has taken something, or is to be asked again.
    Progress,
    /// It sent a message.
    Received(Incoming),
    /// It has answered: whether each filter is subscribed to.
    Subscribed(Vec<(TopicFilter, bool)>),
    /// The connection is gone.
    Ended(LinkError),
}

/// Why there is no connection.
pub(super) enum NoLine {
    /// None of the brokers accepts us; why not the last one.
    Broker(LinkError),
    /// The system has no thread to give.
    System(io::Error),
}

impl Line {
    /// Connects to the first of the brokers that accepts us. Blocks up to `CONNECTION_TIMEOUT` for each, and as long as the
    /// resolver takes.
    ///
    /// # Errors
    ///
    /// [`NoLine`].
    pub(super) fn open(config: &Config) -> Result<Line, NoLine> {
        let mut client = config.client.clone();
        // The daemon's own would have the broker end the daemon's connection (MQTT 3.1.1, section 3.1.4).
        client.id = format!("{}-{}", client.id, process::id());
        client.clean_session = true;
        let window = u64::from(client.max_in_flight);
        let options = Options {
            broker: config.broker.clone(),
            credentials: config.credentials.clone(),
            client,
            will: None,
            subscriptions: Vec::new(),
        };
        let (reports, events) = bounded(EVENTS);
        let link = Link::start(options, reports).map_err(NoLine::System)?;
        let session = loop {
            match events.recv() {
                Ok(LinkEvent::Up(session)) => break session,
                Ok(LinkEvent::Down(down)) if !down.retry_in.is_zero() => {
                    return Err(NoLine::Broker(down.cause));
                }
                Ok(_) => {}
                Err(_) => return Err(NoLine::Broker(LinkError::Disconnected)),
            }
        };
        Ok(Line {
            session,
            events,
            link,
            window,
            next: Token(0),
            outgoing: VecDeque::new(),
            in_flight: BTreeSet::new(),
            to_subscribe: Vec::new(),
            to_unsubscribe: Vec::new(),
        })
    }

    /// Hands `messages` over, behind those before them. They are under way until the range that is returned
    /// [is delivered](Line::is_delivered).
    pub(super) fn publish(&mut self, messages: impl IntoIterator<Item = Message>) -> Range<Token> {
        let first = self.next;
        for message in messages {
            self.outgoing.push_back((self.next, message));
            self.next.0 += 1;
        }
        self.write();
        first..self.next
    }

    /// Whether the broker has acknowledged all of these (at QoS 0: they are written).
    pub(super) fn is_delivered(&self, tokens: &Range<Token>) -> bool {
        let is_waiting = self.outgoing.front().is_some_and(|(first, _)| *first < tokens.end);
        !is_waiting && self.in_flight.range(tokens.clone()).next().is_none()
    }

    /// Whether whoever publishes is to wait for the broker first.
    pub(super) fn is_behind(&self) -> bool {
        self.outgoing.len() >= MOST_WAITING
    }

    /// Has the broker send what is published on topics that `filter` matches; [`News::Subscribed`] is the answer.
    pub(super) fn subscribe(&mut self, filter: TopicFilter, qos: Qos) {
        self.to_subscribe.push((filter, qos));
        self.write();
    }

    /// Has the broker send that no longer.
    pub(super) fn unsubscribe(&mut self, filter: TopicFilter) {
        self.to_unsubscribe.push(filter);
        self.write();
    }

    /// Whether the broker has not answered all that it was asked for.
    pub(super) fn is_asking(&self) -> bool {
        !self.to_subscribe.is_empty() || self.session.unanswered_since().is_some()
    }

    /// Waits for what happens next, until `deadline` where there is one; `None` when nothing did.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Option<News> {
        let event = match deadline {
            Some(deadline) => self.events.recv_deadline(deadline).ok()?,
            // The link ends when we do.
            None => self.events.recv().ok()?,
        };
        let news = match event {
            LinkEvent::Delivered(token) => {
                self.in_flight.remove(&token);
                News::Progress
            }
            LinkEvent::Received(incoming) => News::Received(incoming),
            LinkEvent::Subscribed(filters) => News::Subscribed(filters),
            LinkEvent::Down(down) => News::Ended(down.cause),
            _ => News::Progress,
        };
        self.write();
        Some(news)
    }

    /// Says goodbye behind all that was written, and waits until it is said: half a second at most.
    pub(super) fn close(self) {
        let Line { session, events, link, .. } = self;
        drop(session);
        drop(events);
        link.stop(LINK_END);
    }

    /// Hands over what there is room for.
    fn write(&mut self) {
        while let Some((token, message)) = self.outgoing.front() {
            let oldest = self.in_flight.first().unwrap_or(token);
            if token.0 - oldest.0 >= self.window || self.session.publish(*token, message).is_err() {
                break;
            }
            self.in_flight.insert(*token);
            self.outgoing.pop_front();
        }
        if let Ok(count) = self.session.subscribe(&self.to_subscribe) {
            self.to_subscribe.drain(..count);
        }
        if let Ok(count) = self.session.unsubscribe(&self.to_unsubscribe) {
            self.to_unsubscribe.drain(..count);
        }
    }
}

/// How many reports of the link wait for us; the next waits with the link thread, and the broker behind it.
const EVENTS: usize = 64;
/// Messages that wait for the window before whoever publishes has to.
const MOST_WAITING: usize = 256;
/// Limit for the link thread to end after the disconnect.
const LINK_END: Duration = Duration::from_millis(500);
