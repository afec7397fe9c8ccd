//! The connection to the broker as the bridge knows it. The one place where it changes, hence the one place
//! that logs it: a line per transition, never one per retry.

use std::time::{Duration, Instant};

use super::wire::Change;
use crate::link::Down;
use crate::link::LinkError;
use crate::link::Session;
use crate::link::Site;
use crate::model::Chain;
use crate::model::Message;
use crate::model::Token;

/// The connection to the broker, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    link: Link,
    /// When the question was asked that the broker has not answered. Noted here, for the session would have to look it up
    /// behind a lock, at each event.
    unanswered_since: Option<Instant>,
    /// The kinds of reasons for having no connection, each with the rank of the broker, that were logged since there
    /// was one.
    told: Vec<(usize, &'static str)>,
    /// The ranks of the brokers where the suspicion of a second client with our identifier was said, and not yet cleared.
    suspected: Vec<usize>,
}

/// Only a link that is up has anything to publish with.
#[derive(Debug, Default)]
enum Link {
    /// No session.
    #[default]
    Down,
    /// Connected.
    Up(Session),
    /// Asked to end; the link thread will say when it has.
    Leaving,
}

impl LinkState {
    /// Whether messages can be published.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Whether there is no connection, not even one that is about to end.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.link, Link::Down)
    }

    /// Hands `message` to the connection. Returns false, with nothing done, where there is none or it is busy.
    pub(super) fn publish(&mut self, token: Token, message: &Message) -> bool {
        match &mut self.link {
            Link::Up(session) => session.publish(token, message).is_ok(),
            Link::Down | Link::Leaving => false,
        }
    }

    /// Whether there is a connection on which no answer is still to come.
    pub(super) fn may_ask(&self) -> bool {
        self.is_up() && self.unanswered_since.is_none()
    }

    /// Asks of the broker what `change` says. Returns how many of its filters, from the first on; `None` where there is no
    /// connection, or an answer is still to come.
    pub(super) fn ask(&mut self, change: &Change) -> Option<usize> {
        let Link::Up(session) = &mut self.link else { return None };
        let taken = match change {
            Change::Subscribe(filters) => session.subscribe(filters).ok(),
            Change::Unsubscribe(filters) => session.unsubscribe(filters).ok(),
        };
        self.answered();
        taken
    }

    /// The broker may have answered the last question.
    pub(super) fn answered(&mut self) {
        self.unanswered_since = match &self.link {
            Link::Up(session) => session.unanswered_since(),
            Link::Down | Link::Leaving => None,
        };
    }

    /// When the question was asked that the broker has not answered.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.unanswered_since.filter(|_| self.is_up())
    }

    /// The connection came up.
    pub(super) fn up(&mut self, session: Session) {
        log::info!("connected to the broker at {}", session.site());
        self.told.clear();
        self.link = Link::Up(session);
        self.answered();
    }

    /// The connection went down, or an attempt to make it failed.
    pub(super) fn down(&mut self, down: &Down) {
        let reason = (down.site.rank(), down.cause.kind());
        let (broker, cause) = (name(&down.site), Chain(&down.cause));
        let next = |decimals| next_step(down.retry_in, decimals);
        match &self.link {
            Link::Leaving if matches!(down.cause, LinkError::Disconnected) => {
                log::info!("disconnected from {broker}");
            }
            Link::Up(_) | Link::Leaving if matches!(down.cause, LinkError::BetterBroker { .. }) => {
                log::info!("leaving {broker}: {cause}");
            }
            Link::Down if self.told.contains(&reason) => {
                log::debug!("still no connection to {broker}: {cause}; {}", next(1));
            }
            Link::Down if down.cause.needs_a_person() => {
                log::error!("no connection to {broker}: {cause}; {}", next(0));
            }
            Link::Down => {
                log::warn!("no connection to {broker}: {cause}; {}, and so on until it works", next(0));
            }
            Link::Up(_) | Link::Leaving => {
                log::warn!("lost the connection to {broker}: {cause}; {}", next(0));
            }
        }
        if down.takeover && !self.suspected.contains(&down.site.rank()) {
            log::error!(
                "{broker} ends each connection soon after it has accepted it: most likely another program \
                 uses the same CLIENT_ID ([Client]), and each throws the other out, or the broker restarts again \
                 and again; trying less and less often"
            );
        }
        self.suspected.retain(|it| *it != down.site.rank());
        if down.takeover {
            self.suspected.push(down.site.rank());
        }
        if !self.told.contains(&reason) {
            self.told.push(reason);
        }
        self.link = Link::Down;
    }

    /// Ends the connection in order.
    pub(super) fn disconnect(&mut self) {
        if let Link::Up(session) = &self.link {
            session.disconnect();
            self.link = Link::Leaving;
        }
    }

    /// Gives the connection up: the broker no longer acknowledges.
    pub(super) fn abandon(&mut self) {
        if let Link::Up(session) = &self.link {
            session.abandon();
            self.link = Link::Leaving;
        }
    }
}

/// The broker at `site`, by its address only where there are several.
fn name(site: &Site) -> String {
    if site.is_only() { "the broker".to_owned() } else { format!("the broker at {site}") }
}

/// What comes after `pause`, which shows with so many `decimals`.
fn next_step(pause: Duration, decimals: usize) -> String {
    match pause {
        Duration::ZERO => "trying the next one".to_owned(),
        pause => format!("next attempt in {:.decimals$} s", pause.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Endpoint;

    fn down(site: &Site, cause: LinkError, takeover: bool) -> Down {
        Down { cause, site: site.clone(), retry_in: Duration::ZERO, takeover, kept: false }
    }

    fn sites() -> Vec<Site> {
        let endpoints = ["a", "b"].map(|it| Endpoint { host: it.to_owned(), port: 1883 });
        Site::all(&endpoints).collect()
    }

    #[test]
    fn each_kind_of_reason_is_told_once_of_each_broker_until_there_is_a_connection() {
        let (mut state, sites) = (LinkState::default(), sites());
        for site in [&sites[0], &sites[1], &sites[0]] {
            for cause in [LinkError::KeepAlive, LinkError::FlushTimeout, LinkError::KeepAlive] {
                state.down(&down(site, cause, false));
            }
        }
        let expected = [(0, "keep alive"), (0, "flush timeout"), (1, "keep alive"), (1, "flush timeout")];
        assert_eq!(state.told, expected);
    }

    #[test]
    fn a_second_client_is_suspected_of_each_broker_by_itself() {
        let (mut state, sites) = (LinkState::default(), sites());
        for (rank, takeover, suspected) in
            [(0, true, &[0][..]), (1, false, &[0]), (1, true, &[0, 1]), (0, true, &[1, 0]), (1, false, &[0])]
        {
            state.down(&down(&sites[rank], LinkError::ClosedByBroker, takeover));
            assert_eq!(state.suspected, suspected);
        }
    }
}
