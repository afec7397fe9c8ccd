//! What is promised of a message, and what became of all of them.

use std::time::Duration;

use super::ObjectId;

/// Which of the messages of a topic are worth delivering after an outage.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Delivery {
    /// The newest: it takes the place of an older one that still waits. For states, since Home Assistant
    /// dates a state when it arrives. Kept in memory, one a topic.
    #[default]
    Latest,
    /// All, in the order in which they were accepted. For events and counts. Kept in the spool.
    Every,
}

/// Where messages of [`Delivery::Every`] wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SpoolMode {
    /// In memory alone: what waits is lost with the process.
    Memory,
    /// In memory while the broker acknowledges; on the card while it does not, and at the end.
    #[default]
    Outage,
    /// On the card before they are accepted.
    Always,
}

/// What became of one message, in the end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fate {
    /// The broker has acknowledged it (QoS 0: it was written).
    Delivered,
    /// A newer one on its topic, or the removal of its entity, made it needless.
    Replaced,
    /// It was given up: no room was left for it, the card lost it, or no connection survived it.
    Dropped,
    /// Its time was over before it could be sent.
    Expired,
}

/// What became of the messages of one entity, or of all.
///
/// `accepted` is the sum of `delivered`, `waiting`, `replaced`, `dropped` and `expired`. All but `waiting` and
/// `oldest` count since the start of the process, and what an earlier one left on the card counts as accepted then.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Messages taken on.
    pub accepted: u64,
    /// Messages that the broker has acknowledged (QoS 0: that were written).
    pub delivered: u64,
    /// Messages that are still to be acknowledged, in flight or not.
    pub waiting: u64,
    /// Messages that a newer one on their topic, or the removal of their entity, made needless.
    pub replaced: u64,
    /// Messages given up: no room was left for them, the card lost them, or no connection survived them.
    pub dropped: u64,
    /// Messages whose time was over before they could be sent.
    pub expired: u64,
    /// How long the oldest of `waiting` has waited. Where all of an entity's are on the card, how long it has at most.
    pub oldest: Option<Duration>,
}

/// What became of everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// All messages, announcements included.
    pub total: Figures,
    /// The states of each registered entity, in the order of their ids.
    pub entities: Vec<(ObjectId, Figures)>,
    /// How many messages are on the card.
    pub on_card: u64,
}
