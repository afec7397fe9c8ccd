//! Many requests over one connection: [`Pipeline`].

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use nix::poll::PollFlags;

use super::{CallError, Caller};
use crate::os::Bell;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Requests that are brought by a thread, and asked as fast as they come while there is room for their answers. Each has a
/// mark.
pub(super) struct Pipeline<'a, M> {
    caller: &'a mut Caller,
    /// What is still to be asked.
    lines: Receiver<(M, String)>,
    /// Rings when there is more of it, or no more.
    bell: Bell,
    /// The marks of those that are not answered.
    underway: VecDeque<M>,
    unsent: Vec<u8>,
    /// Whether all are asked.
    has_all: bool,
}

impl<'a, M: Send + 'static> Pipeline<'a, M> {
    /// Has a thread bring `requests`. It is left to itself when this is dropped before it has brought all.
    pub(super) fn start(
        caller: &'a mut Caller,
        requests: impl Iterator<Item = (M, Request)> + Send + 'static,
    ) -> Result<Pipeline<'a, M>, CallError> {
        let bell = Bell::new().map_err(CallError::Lost)?;
        let (sender, lines) = bounded(MOST_UNDERWAY);
        let last = RingsLast(bell.clone());
        let feed = move || {
            // Dropped in the opposite order, even where `requests` panics.
            let RingsLast(bell) = &last;
            let sender = sender;
            for (mark, request) in requests {
                if sender.send((mark, request.line())).is_err() {
                    break;
                }
                bell.ring();
            }
        };
        thread::Builder::new().name("requests".to_owned()).spawn(feed).map_err(CallError::Lost)?;
        Ok(Pipeline { caller, lines, bell, underway: VecDeque::new(), unsent: Vec::new(), has_all: false })
    }

    /// Asks them all; see [`Caller::ask_all`].
    pub(super) fn run(
        mut self,
        limit: Duration,
        mut told: impl FnMut(M, Reply) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        let mut deadline = Instant::now() + limit;
        let mut lost = None;
        loop {
            while let Some(reply) = self.caller.next()? {
                if let Reply::Event(..) = reply {
                    self.caller.keep(reply)?;
                    continue;
                }
                let Some(mark) = self.underway.pop_front() else {
                    return Err(CallError::Strange("an answer to nothing".to_owned()));
                };
                if told(mark, reply).is_break() {
                    return Ok(());
                }
                deadline = Instant::now() + limit;
            }
            if lost.is_none() && self.fill() {
                deadline = Instant::now() + limit;
            }
            if self.underway.is_empty() && (self.has_all || lost.is_some()) {
                return lost.map_or(Ok(()), |it| Err(CallError::Lost(it)));
            }
            match self.caller.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(cause) => {
                    // It may have said why.
                    self.unsent.clear();
                    lost = Some(cause);
                }
            }
            let mut wanted = PollFlags::POLLIN;
            wanted.set(PollFlags::POLLOUT, !self.unsent.is_empty());
            let bell = (!self.has_all && lost.is_none() && self.has_room()).then_some(&self.bell);
            let until = (!self.underway.is_empty()).then_some(deadline);
            if self.caller.wait(wanted, bell, until)?.is_empty() {
                return Err(CallError::Silent(limit));
            }
            self.bell.silence();
            self.caller.read()?;
        }
    }

    /// Takes as many requests as there is room for. Returns whether somebody begins to wait by that.
    fn fill(&mut self) -> bool {
        let was_idle = self.underway.is_empty();
        while self.has_room() {
            match self.lines.try_recv() {
                Ok((mark, line)) => {
                    self.underway.push_back(mark);
                    self.unsent.extend_from_slice(line.as_bytes());
                    self.unsent.push(b'\n');
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.has_all = true;
                    break;
                }
            }
        }
        was_idle && !self.underway.is_empty()
    }

    fn has_room(&self) -> bool {
        self.underway.len() < MOST_UNDERWAY && self.unsent.len() < MOST_UNSENT
    }
}

/// Rings its bell when all else that its thread owns is gone.
struct RingsLast(Bell);

impl Drop for RingsLast {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// How many requests may wait for their answers: more than are on their way through socket and daemon at any moment.
const MOST_UNDERWAY: usize = 1024;
/// How many bytes of requests are ready to be sent, one request more at most: what a socket takes at once.
const MOST_UNSENT: usize = 64 << 10;
