//! The loop that serves all clients: [`Service`].

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::client::{Client, PATIENCE, READ_BYTES, Tickets};
use super::listener::Listener;
use super::seldom::Seldom;
use super::{ClientId, Desk, Peer, Ticket, admission};
use crate::os::Bell;
use crate::os::Halt;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::worker::Pulse;
use crate::worker::Stop;
use crate::worker::poll_timeout;

/// How much all clients may take together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many there may be, at least 1.
    pub(super) clients: usize,
    /// How much memory they may hold, in bytes.
    pub(super) held: usize,
    /// How long one need not take what waits for it.
    pub(super) patience: Duration,
}

/// What the thread owns.
pub(super) struct Service<D> {
    listener: Listener,
    desk: D,
    bell: Bell,
    halt: Halt,
    limits: Limits,
    /// In the order in which they came, hence of their numbers.
    clients: Vec<Client>,
    /// Of the next client.
    number: u64,
    /// Whose turn it is first: another one each time, so that where room is scarce nobody always finds it taken.
    first: usize,
    tickets: Tickets,
    /// `None` while newcomers are let in.
    closed_until: Option<Instant>,
    scratch: Vec<u8>,
    answers: Vec<(Ticket, String)>,
    notices: Notices,
    pulse: Pulse,
}

/// What is unusual.
#[derive(Debug, Default)]
struct Notices {
    closed: Seldom,
    crowded: Seldom,
    full: Seldom,
    stuck: Seldom,
}

/// What one look at the descriptors has shown.
#[derive(Debug, Default)]
struct Ready {
    rung: bool,
    newcomers: bool,
    /// In the order of the clients.
    clients: Vec<PollFlags>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { clients: 64, held: MOST_HELD, patience: PATIENCE }
    }
}

impl<D: Desk> Service<D> {
    /// Serves nobody yet.
    pub(super) fn new(listener: Listener, desk: D, bell: Bell, halt: Halt, limits: Limits) -> Service<D> {
        Service {
            listener,
            desk,
            bell,
            halt,
            limits,
            clients: Vec::new(),
            number: 0,
            first: 0,
            tickets: Tickets::new(),
            closed_until: None,
            scratch: vec![0; READ_BYTES],
            answers: Vec::new(),
            notices: Notices::default(),
            pulse: Pulse::default(),
        }
    }

    /// Serves until it is halted; then hands out what is ready, until the time that `deadline` has by then. Promises with
    /// `pulse`.
    pub(super) fn run(mut self, stop: &Stop, pulse: Pulse, deadline: impl FnOnce() -> Option<Instant>) {
        self.pulse = pulse;
        while !self.halt.is_set() {
            if let Err(cause) = self.turn() {
                log::warn!("cannot wait for those who use the socket: {cause}: trying again");
                self.pulse.turns_within(RETRY);
                if !stop.sleep(RETRY) {
                    break;
                }
            }
        }
        self.finish(deadline());
    }

    /// Waits until there is something to do, and does it.
    ///
    /// # Errors
    ///
    /// The system's own, of waiting.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let ready = self.wait()?;
        let now = Instant::now();
        if ready.rung {
            self.bell.silence();
        }
        let has_news = ready.rung || self.desk.due().is_some_and(|it| it <= now);
        if has_news {
            self.answer(now);
        }
        self.serve(&ready.clients, has_news, now);
        self.let_go(now);
        if ready.newcomers {
            self.let_in(now);
        }
        Ok(())
    }

    /// Waits for a client, a newcomer, the bell or the end, or until something is due.
    fn wait(&mut self) -> io::Result<Ready> {
        let now = Instant::now();
        self.closed_until = self.closed_until.filter(|&it| it > now);
        let wake_at = self.pulse.sleeps_until(self.wake_at(now));
        let pause = poll_timeout(wake_at.map(|it| it.saturating_duration_since(now)));
        let newcomers = if self.closed_until.is_none() { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut polled = Vec::with_capacity(self.clients.len() + 3);
        polled.push(PollFd::new(self.halt.as_fd(), PollFlags::POLLIN));
        polled.push(PollFd::new(self.bell.as_fd(), PollFlags::POLLIN));
        polled.push(PollFd::new(self.listener.as_fd(), newcomers));
        polled.extend(self.clients.iter().filter_map(|it| Some(PollFd::new(it.as_fd(), it.wants()?))));
        match poll(&mut polled, pause) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Ready::default()),
            Err(errno) => return Err(errno.into()),
        }
        // What the kernel adds one day is nothing that we asked for.
        let mut found = polled.iter().skip(1).map(|it| it.revents().unwrap_or(PollFlags::empty()));
        let mut next = || found.next().unwrap_or(PollFlags::empty());
        let (rung, newcomers) = (!next().is_empty(), !next().is_empty());
        let of = |it: &Client| if it.wants().is_some() { next() } else { PollFlags::empty() };
        Ok(Ready { rung, newcomers, clients: self.clients.iter().map(of).collect() })
    }

    /// When there is something to do unless something happens before.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        if self.clients.iter().any(Client::is_busy) {
            return Some(now);
        }
        let stuck = self.clients.iter().filter_map(Client::stuck_since).min();
        let stuck = stuck.map(|it| it + self.limits.patience);
        [stuck, self.closed_until, self.desk.due()].into_iter().flatten().min()
    }

    /// Puts answers that have come up into their places.
    fn answer(&mut self, now: Instant) {
        self.desk.answers(now, &mut self.answers);
        self.hand_out();
    }

    fn hand_out(&mut self) {
        for (ticket, line) in self.answers.drain(..) {
            let Some((client, place)) = self.tickets.remove(&ticket) else { continue };
            if let Ok(index) = self.clients.binary_search_by_key(&client, |it| it.peer().client) {
                self.clients[index].keep(place, line);
            }
        }
    }

    /// Gives each client its turn.
    fn serve(&mut self, came: &[PollFlags], has_news: bool, now: Instant) {
        let mut held = self.held();
        let count = self.clients.len();
        self.first = self.first.wrapping_add(1);
        let first = self.first;
        for index in (0..count).map(|it| (it + first % count) % count) {
            let came = came.get(index).copied().unwrap_or(PollFlags::empty());
            let client = &mut self.clients[index];
            let before = client.standing().held;
            client.turn(came, has_news, &mut self.desk, &mut self.tickets, &mut self.scratch, now);
            held = held - before + client.standing().held;
            while held > self.limits.held {
                held -= self.relieve(now);
            }
        }
    }

    /// Cuts whoever holds most, and returns how much that was. It is let go at the end of the turn.
    fn relieve(&mut self, now: Instant) -> usize {
        let hog = admission::hogs(self.clients.iter().map(Client::standing));
        let hog = self.clients.iter_mut().find(|it| Some(it.peer().client) == hog);
        let Some(client) = hog else { return 0 };
        let held = client.standing().held;
        let limit = self.limits.held;
        self.notices.full.warn(now, format_args!("{} held most of {limit} bytes: cut", name(client.peer())));
        client.cut(too_many("the programs that are connected hold too much memory"), now);
        held
    }

    /// Lets those go who are done, and those who have not taken for too long what is theirs.
    fn let_go(&mut self, now: Instant) {
        for index in (0..self.clients.len()).rev() {
            let client = &self.clients[index];
            let is_stuck = client
                .stuck_since()
                .is_some_and(|it| now.saturating_duration_since(it) >= self.limits.patience);
            if is_stuck {
                let peer = name(client.peer());
                self.notices.stuck.warn(now, format_args!("{peer} does not read its answers: cut"));
            }
            if is_stuck || client.is_done() {
                self.remove(index, now);
            }
        }
    }

    /// Lets newcomers in, a few at a time.
    fn let_in(&mut self, now: Instant) {
        for _ in 0..NEWCOMERS_A_TURN {
            match self.listener.accept() {
                Ok(None) => return,
                Ok(Some(stream)) => self.admit(stream, now),
                // They would go on waiting, and we without a pause.
                Err(cause) => {
                    self.notices
                        .closed
                        .warn(now, format_args!("cannot let anybody in at the socket: {cause}"));
                    self.closed_until = Some(now + RETRY);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream, now: Instant) {
        self.number += 1;
        let peer = match Peer::of(&stream, ClientId(self.number)) {
            Ok(peer) => peer,
            Err(cause) => {
                return self
                    .notices
                    .closed
                    .warn(now, format_args!("turned away somebody whom the kernel does not name: {cause}"));
            }
        };
        if self.clients.len() >= self.limits.clients {
            self.make_room(&peer, now);
        }
        log::debug!("{} has connected", name(&peer));
        self.desk.came(&peer, now);
        self.clients.push(Client::new(peer, stream));
    }

    /// Has one give way to `newcomer`.
    fn make_room(&mut self, newcomer: &Peer, now: Instant) {
        let loser = admission::yields(self.clients.iter().map(Client::standing), newcomer.uid);
        let Some(index) = self.clients.iter().position(|it| Some(it.peer().client) == loser) else { return };
        let client = &mut self.clients[index];
        let (old, new) = (name(client.peer()), name(newcomer));
        self.notices.crowded.warn(
            now,
            format_args!("{} programs are connected: {old} gives way to {new}", self.limits.clients),
        );
        client.dismiss(too_many("another program takes the place of this one"), now);
        self.remove(index, now);
    }

    /// How much memory all hold together, in bytes.
    pub(super) fn held(&self) -> usize {
        self.clients.iter().map(|it| it.standing().held).sum()
    }

    fn remove(&mut self, index: usize, now: Instant) {
        let client = self.clients.remove(index);
        let peer = client.peer();
        self.tickets.retain(|_, (it, _)| *it != peer.client);
        log::debug!("{} has gone", name(peer));
        self.desk.went(peer, now);
    }

    /// Hands out what is ready, until `deadline`, and ends.
    fn finish(mut self, deadline: Option<Instant>) {
        self.desk.last_answers(Instant::now(), &mut self.answers);
        self.hand_out();
        let Service { listener, mut clients, mut desk, .. } = self;
        drop(listener);
        loop {
            let now = Instant::now();
            clients.iter_mut().for_each(|it| it.write(now));
            let owed = clients.iter().filter(|it| it.is_owed());
            let mut polled: Vec<_> = owed.map(|it| PollFd::new(it.as_fd(), PollFlags::POLLOUT)).collect();
            let left = deadline.map_or(Duration::ZERO, |it| it.saturating_duration_since(now));
            if polled.is_empty() || left.is_zero() {
                break;
            }
            let waited = poll(&mut polled, poll_timeout(Some(left)));
            if waited.is_err_and(|it| it != Errno::EINTR) {
                break;
            }
        }
        let now = Instant::now();
        clients.iter().for_each(|it| desk.went(it.peer(), now));
    }
}

/// A client, as the log has it.
fn name(peer: &Peer) -> String {
    let (number, uid) = (peer.client.0, peer.uid);
    match peer.pid {
        Some(pid) => format!("client {number} (process {pid} of user {uid})"),
        None => format!("client {number} (of user {uid})"),
    }
}

fn too_many(reason: &str) -> Failure {
    Failure::new(Code::TooMany, reason)
}

/// As much as 64 clients may hold that leave their answers unread, and more than others ever need.
const MOST_HELD: usize = 8 << 20;
/// How many are let in before those who are have their turn again.
const NEWCOMERS_A_TURN: usize = 16;
/// How soon what the system refused is tried again.
const RETRY: Duration = Duration::from_secs(1);
