//! One program that is connected: what has come from it, and what it is owed. [`Client`].

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::admission::Standing;
use super::answers::Answers;
use super::lines::{Line, Lines};
use super::{Asked, ClientId, Desk, Peer, Ticket};
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::LINE_BYTES;

/// Where each answer that comes later belongs: the client, and its place there.
pub(super) type Tickets = HashMap<Ticket, (ClientId, u64)>;

/// One program that is connected. Nothing here blocks.
#[derive(Debug)]
pub(super) struct Client {
    peer: Peer,
    stream: UnixStream,
    lines: Lines,
    answers: Answers,
    heard_at: Option<Instant>,
    /// Since when it has not taken what waits for it; `None` where nothing does.
    stuck_since: Option<Instant>,
    /// Whether there are lines that were not asked for want of room, or because others were to have their turn.
    is_behind: bool,
    /// Whether the desk had no room for its next line, and has not said since that it may have.
    is_held_back: bool,
    /// Whether there may be more to tell it.
    is_untold: bool,
    /// Whether it has said all it will.
    has_ended: bool,
    /// Whether it reads no answers any more. What it has asked is carried out all the same.
    is_deaf: bool,
}

impl Client {
    /// Has just connected, over `stream`, which does not block.
    pub(super) fn new(peer: Peer, stream: UnixStream) -> Client {
        Client {
            peer,
            stream,
            lines: Lines::new(LINE_BYTES),
            answers: Answers::default(),
            heard_at: None,
            stuck_since: None,
            is_behind: false,
            is_held_back: false,
            is_untold: false,
            has_ended: false,
            is_deaf: false,
        }
    }

    /// Who it is.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What counts when there are too many.
    pub(super) fn standing(&self) -> Standing {
        let held = self.lines.held() + self.answers.held();
        Standing { client: self.peer.client, uid: self.peer.uid, heard_at: self.heard_at, held }
    }

    /// What to wait for: room, or what it asks; that it has gone is told anyway. `None` where there is nothing to wait
    /// for: it has gone, and what it has asked is not done with.
    pub(super) fn wants(&self) -> Option<PollFlags> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::POLLIN, !self.has_ended && !self.is_behind && self.has_room());
        wanted.set(PollFlags::POLLOUT, !self.answers.unsent().is_empty());
        (!self.is_deaf || !wanted.is_empty()).then_some(wanted)
    }

    /// Whether there is something to be done without waiting.
    pub(super) fn is_busy(&self) -> bool {
        self.is_behind && !self.is_held_back && self.has_room() || self.is_untold && self.may_be_told()
    }

    /// Since when it has not taken what waits for it.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.stuck_since
    }

    /// Whether all is done: it has said all, and has all answers, or does not want them.
    pub(super) fn is_done(&self) -> bool {
        let has_all = self.is_deaf || self.answers.places() == 0 && self.answers.unsent().is_empty();
        self.has_ended && !self.is_behind && has_all
    }

    /// Its turn: one read, some requests, some events, one write. `came` is what the kernel says of it, `has_news` whether
    /// there may be events for it. `scratch` is what it is read into.
    pub(super) fn turn(
        &mut self,
        came: PollFlags,
        has_news: bool,
        desk: &mut impl Desk,
        tickets: &mut Tickets,
        scratch: &mut [u8],
        now: Instant,
    ) {
        if came.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.turn_deaf();
        }
        if came.contains(PollFlags::POLLIN) && !self.has_ended {
            self.read(scratch, now);
        }
        self.is_held_back &= !has_news;
        if self.is_behind && !self.is_held_back && self.has_room() {
            self.ask(desk, tickets, now);
            self.is_untold = true;
        }
        if came.contains(PollFlags::POLLOUT) {
            self.stuck_since = None;
            self.is_untold = true;
        }
        self.is_untold |= has_news;
        if self.is_untold && self.may_be_told() {
            self.tell(desk);
        }
        if self.stuck_since.is_none() {
            self.write(now);
        }
    }

    /// Puts an answer that has come later into its place.
    pub(super) fn keep(&mut self, place: u64, line: String) {
        self.answers.keep(place, line);
        if self.is_deaf {
            self.answers.discard();
        }
    }

    /// Says why it is cut, as well as that can be said now.
    pub(super) fn dismiss(&mut self, failure: Failure, now: Instant) {
        self.answers.tell(&failure.line(None));
        self.write(now);
    }

    /// Says why it is cut, and is done with it: it holds nothing any more.
    pub(super) fn cut(&mut self, failure: Failure, now: Instant) {
        self.dismiss(failure, now);
        self.lines = Lines::new(LINE_BYTES);
        self.answers = Answers::default();
        self.turn_deaf();
        (self.has_ended, self.is_behind) = (true, false);
    }

    /// Sends what is ready, as far as there is room.
    pub(super) fn write(&mut self, now: Instant) {
        if self.answers.unsent().is_empty() {
            return;
        }
        match (&self.stream).write(self.answers.unsent()) {
            Ok(count) => {
                self.answers.sent(count);
                self.stuck_since = (!self.answers.unsent().is_empty()).then_some(now);
            }
            Err(cause) if is_for_later(&cause) => self.stuck_since = self.stuck_since.or(Some(now)),
            Err(_) => self.turn_deaf(),
        }
    }

    /// Whether something waits to be sent.
    pub(super) fn is_owed(&self) -> bool {
        !self.answers.unsent().is_empty()
    }

    fn read(&mut self, scratch: &mut [u8], now: Instant) {
        match (&self.stream).read(scratch) {
            Ok(0) => self.end(),
            Ok(count) => {
                self.heard_at = Some(now);
                self.lines.extend(&scratch[..count]);
                self.is_behind = true;
            }
            Err(cause) if is_for_later(&cause) => {}
            Err(_) => {
                self.turn_deaf();
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.lines.finish();
        self.is_behind = true;
    }

    fn ask(&mut self, desk: &mut impl Desk, tickets: &mut Tickets, now: Instant) {
        for _ in 0..LINES_A_TURN {
            if !self.has_room() {
                return;
            }
            match self.lines.next() {
                Some(Line::Whole(line)) => match desk.ask(&self.peer, line, now) {
                    Asked::Answer(line) => self.answers.push(line),
                    Asked::Busy => {
                        let length = line.len();
                        self.lines.put_back(length);
                        self.is_held_back = true;
                        return;
                    }
                    Asked::Later(ticket) => {
                        tickets.insert(ticket, (self.peer.client, self.answers.promise()));
                    }
                },
                Some(Line::TooLong) => self.answers.push(too_long().line(None)),
                None => {
                    self.is_behind = false;
                    break;
                }
            }
            if self.is_deaf {
                self.answers.discard();
            }
        }
    }

    fn tell(&mut self, desk: &mut impl Desk) {
        for _ in 0..EVENTS_A_TURN {
            if !self.may_be_told() {
                return;
            }
            let Some(line) = desk.event(self.peer.client) else {
                self.is_untold = false;
                return;
            };
            self.answers.tell(&line);
        }
    }

    /// Whether it may ask more.
    fn has_room(&self) -> bool {
        self.answers.places() < MOST_PLACES && self.answers.waiting() < MOST_WAITING
    }

    /// Whether events are of use to it. One that has ended would never be done with them.
    fn may_be_told(&self) -> bool {
        !self.is_deaf && !self.has_ended && self.answers.waiting() < MOST_WAITING
    }

    fn turn_deaf(&mut self) {
        self.is_deaf = true;
        self.answers.discard();
        self.stuck_since = None;
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_for_later(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn too_long() -> Failure {
    Failure::new(Code::LineTooLong, "the line is too long").expected(format!("at most {LINE_BYTES} bytes"))
}

/// How much is read at once: a hundred readings.
pub(super) const READ_BYTES: usize = 8 << 10;
/// How many requests a client makes before it is another's turn: well below a millisecond's work, and enough that the three
/// system calls of a turn do not count.
const LINES_A_TURN: usize = 64;
/// How many events a client is told before it is another's turn.
const EVENTS_A_TURN: usize = 64;
/// How many answers a client may wait for, those behind them counted. Beyond that it is not read from, and has to wait.
pub(super) const MOST_PLACES: usize = 1024;
/// How many bytes of answers may wait for a client, one answer more at most. Beyond that it is not read from, and has to read.
pub(super) const MOST_WAITING: usize = 64 << 10;
/// How long a client need not take what waits for it: a program that is stopped in a debugger, a terminal that is held.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
