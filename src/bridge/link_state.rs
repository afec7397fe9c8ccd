//! The connection to the broker as the bridge knows it. The one place where it changes, hence the one place
//! that logs it: a line per transition, never one per retry.

use crate::link::Down;
use crate::link::LinkError;
use crate::link::Session;
use crate::model::Chain;
use crate::model::Message;
use crate::model::Token;

/// The connection to the broker, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    link: Link,
    /// Whether the suspicion of a second client with our identifier was said, and not yet cleared.
    takeover_said: bool,
}

/// Only a link that is up has anything to publish with.
#[derive(Debug)]
enum Link {
    /// No session, for the kind of reason last logged; `None` before the first attempt has ended.
    Down(Option<&'static str>),
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
        matches!(self.link, Link::Down(_))
    }

    /// Hands `message` to the connection. Returns false, with nothing done, where there is none or it is busy.
    pub(super) fn publish(&mut self, token: Token, message: &Message) -> bool {
        match &mut self.link {
            Link::Up(session) => session.publish(token, message).is_ok(),
            Link::Down(_) | Link::Leaving => false,
        }
    }

    /// The connection came up.
    pub(super) fn up(&mut self, session: Session) {
        log::info!("connected to the broker");
        self.link = Link::Up(session);
    }

    /// The connection went down, or an attempt to make it failed.
    pub(super) fn down(&mut self, down: &Down) {
        let kind = down.cause.kind();
        let cause = Chain(&down.cause);
        let pause = down.retry_in.as_secs_f64();
        match &self.link {
            Link::Leaving if matches!(down.cause, LinkError::Disconnected) => {
                log::info!("disconnected from the broker");
            }
            Link::Down(Some(known)) if *known == kind => {
                log::debug!("still no connection to the broker: {cause}; next attempt in {pause:.1} s");
            }
            Link::Down(_) if down.cause.needs_a_person() => {
                log::error!("no connection to the broker: {cause}; next attempt in {pause:.0} s");
            }
            Link::Down(_) => {
                log::warn!(
                    "no connection to the broker: {cause}; next attempt in {pause:.0} s, and so on until it works"
                );
            }
            Link::Up(_) | Link::Leaving => {
                log::warn!("lost the connection to the broker: {cause}; next attempt in {pause:.0} s");
            }
        }
        if down.takeover && !self.takeover_said {
            log::error!(
                "the broker ends each connection soon after it has accepted it: most likely another program \
                 uses the same CLIENT_ID ([Client]), and each throws the other out; trying less and less often"
            );
        }
        self.takeover_said = down.takeover;
        self.link = Link::Down(Some(kind));
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

impl Default for Link {
    fn default() -> Link {
        Link::Down(None)
    }
}
