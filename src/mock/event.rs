//! What can happen to the mock broker: [`Event`], and what can be asked of it: [`Question`].

use std::net::TcpStream;

use crossbeam_channel::Sender;

use super::Connect;
use super::Faults;
use super::Publish;
use super::Subscription;
use crate::model::Message;
use crate::model::Topic;

/// Everything that can happen to the broker. Nothing else changes its state.
pub(super) enum Event {
    /// Somebody has connected.
    Accepted(TcpStream),
    /// This connection has received these bytes; its reader waits to be told to read on.
    Received(u64, Box<[u8]>),
    /// This connection's peer is gone.
    Ended(u64),
    /// A deadline has passed.
    Tick,
    /// These faults from now on.
    Faults(Faults),
    /// A message of nobody's, to whom it concerns.
    Publish(Message),
    /// Every connection ends.
    Cut,
    /// Retained messages and sessions are lost.
    Forget,
    /// Whatever clients publish goes there too.
    Observe(Sender<Publish>),
    /// Somebody wants to know something.
    Ask(Question),
}

/// What can be asked, with the place for the answer.
pub(super) enum Question {
    Unobserved(Sender<u64>),
    Connected(Sender<usize>),
    Connects(Sender<Vec<Connect>>),
    ConnectCount(Sender<u64>),
    Retained(Topic, Sender<Option<Vec<u8>>>),
    Subscriptions(Sender<Vec<Subscription>>),
}
