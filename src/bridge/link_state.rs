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
    /// The kinds of reasons for having no connection that were logged since there was one.
    told: Vec<&'static str>,
    /// Whether the suspicion of a second client with our identifier was said, and not yet cleared.
    takeover_said: bool,
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

    /// The connection came up.
    pub(super) fn up(&mut self, session: Session) {
        log::info!("connected to the broker");
        self.told.clear();
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
            Link::Down if self.told.contains(&kind) => {
                log::debug!("still no connection to the broker: {cause}; next attempt in {pause:.1} s");
            }
            Link::Down if down.cause.needs_a_person() => {
                log::error!("no connection to the broker: {cause}; next attempt in {pause:.0} s");
            }
            Link::Down => {
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
                 uses the same CLIENT_ID ([Client]), and each throws the other out, or the broker restarts again \
                 and again; trying less and less often"
            );
        }
        self.takeover_said = down.takeover;
        if !self.told.contains(&kind) {
            self.told.push(kind);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_kind_of_reason_is_told_once_until_there_is_a_connection() {
        let mut state = LinkState::default();
        let causes =
            || [LinkError::KeepAlive, LinkError::FlushTimeout, LinkError::KeepAlive, LinkError::FlushTimeout];
        for cause in causes() {
            state.down(&Down { cause, retry_in: Duration::ZERO, takeover: false, kept: false });
        }
        assert_eq!(state.told, causes().map(|it| it.kind())[..2]);
    }
}
