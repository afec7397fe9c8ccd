//! The socket by which other programs publish through us: one thread that serves all clients, and nobody waits for one of them.
//! What is asked is answered by a [`Desk`].

mod admission;
mod answers;
mod caller;
mod client;
mod lines;
mod listener;
mod peer;
mod pipeline;
mod seldom;
mod server;
mod service;
#[cfg(test)]
mod tests;

pub use caller::{CallError, Caller};
pub use listener::take_over;
pub use peer::{Membership, Peer};
pub use server::Server;

use std::time::Instant;

use crate::os::Bell;

/// One connection of a program; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(pub u64);

/// What became of a request.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// The answer, a line without its end.
    Answer(String),
    /// There is no room for it now: it is asked again when the bell has rung, and nothing else is read from the client before.
    Busy,
    /// It comes later, out of [`Desk::answers`], under this number. Answers to what the client asks meanwhile wait behind it.
    Later(Ticket),
}

/// Stands for an answer that comes later. Chosen by the desk, never twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// Answers what programs ask. Called by the thread of the [`Server`] alone; nothing here may block for longer than a
/// moment. What comes from other threads rings the bell that the server was started with.
pub trait Desk: Send + 'static {
    /// A program has connected.
    fn came(&mut self, peer: &Peer, now: Instant);

    /// It asks `line`, whose end is taken off: any bytes.
    fn ask(&mut self, peer: &Peer, line: &[u8], now: Instant) -> Asked;

    /// It is gone: its tickets are void, and what was its own ends.
    fn went(&mut self, peer: &Peer, now: Instant);

    /// Appends the answers that have come up since: called when the bell has rung, and when [`Desk::due`] has passed.
    fn answers(&mut self, now: Instant, answers: &mut Vec<(Ticket, String)>);

    /// The same, for the last time: whatever is still to come will not be sent, and is better answered so.
    fn last_answers(&mut self, now: Instant, answers: &mut Vec<(Ticket, String)>) {
        self.answers(now, answers);
    }

    /// The next thing that is to be told to `client` without being asked, a line; called while there is room for it, when the
    /// bell has rung and whenever the client has read.
    fn event(&mut self, client: ClientId) -> Option<String>;

    /// When to look for [`Desk::answers`] at the latest.
    fn due(&self) -> Option<Instant>;
}

/// What wakes a [`Server`]: given to whatever brings answers and events from other threads.
pub type Waker = Bell;
