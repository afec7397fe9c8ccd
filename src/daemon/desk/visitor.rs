//! A program that is connected: [`Visitor`].

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::json;

use super::rights::Permits;
use super::subscriptions::Subscriptions;
use crate::bridge::Watch;
use crate::daemon::registrar::Commanded;
use crate::ingest::Peer;
use crate::protocol::Answer;
use crate::protocol::status;

/// A program that is connected, and what it is to be told.
pub(super) struct Visitor {
    peer: Peer,
    pub(super) permits: Permits,
    since: Instant,
    pub(super) requests: u64,
    pub(super) subscriptions: Subscriptions,
    /// Of the devices of others, where it wants to know of them.
    pub(super) watch: Option<Watch>,
    /// Commands to entities that it has registered.
    commands: VecDeque<Answer>,
}

impl Visitor {
    /// One that has come at `now`.
    pub(super) fn new(peer: Peer, permits: Permits, now: Instant) -> Visitor {
        Visitor {
            peer,
            permits,
            since: now,
            requests: 0,
            subscriptions: Subscriptions::default(),
            watch: None,
            commands: VecDeque::new(),
        }
    }

    /// Has it told that something is asked of an entity of its own. Where too many wait the oldest goes: it is the least
    /// likely to be wanted still.
    pub(super) fn command(&mut self, commanded: &Commanded) {
        if self.commands.len() >= MOST_COMMANDS {
            self.commands.pop_front();
        }
        let content = json!({"entity": commanded.entity.as_str(), "value": commanded.value});
        self.commands.push_back(Answer::event("command", content));
    }

    /// The next line that it is to be told.
    pub(super) fn event(&mut self) -> Option<String> {
        self.commands.pop_front().map(|it| it.line(None)).or_else(|| self.subscriptions.next())
    }

    /// What others get to know of it.
    pub(super) fn told(&self, now: Instant) -> status::Client {
        status::Client {
            pid: self.peer.pid,
            uid: self.peer.uid,
            since: now.saturating_duration_since(self.since).as_secs(),
            requests: self.requests,
        }
    }
}

/// How many commands wait for a program that does not read.
const MOST_COMMANDS: usize = 64;
