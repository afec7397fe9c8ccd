//! The socket, its clients and a desk of no sense, over real sockets in a folder of their own.

mod calls;
mod hostile;
mod listening;
mod serving;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::listener::Listener;
use super::service::{Limits, Service};
use super::{Asked, ClientId, Desk, Peer, Server, Ticket};
use crate::config::Socket;
use crate::os::Bell;
use crate::os::Halt;
use crate::worker::Pulses;

/// What the tests know of a [`Clerk`], and tell it.
#[derive(Default)]
struct Slips {
    came: Vec<Peer>,
    went: Vec<ClientId>,
    asked: u64,
    promised: Vec<Ticket>,
    answers: Vec<(Ticket, String)>,
    events: BTreeMap<ClientId, VecDeque<String>>,
    /// How many events of `event` bytes were taken, where that is not 0.
    told: usize,
    event: usize,
    due: Option<Instant>,
    /// For how many lines with `room` there is some.
    room: usize,
    /// What is told those who wait at the end.
    last: Option<&'static str>,
}

/// Answers `later` later, `much N` with N bytes, what begins with `room` only where there is some, and anything else with itself.
struct Clerk(Arc<(Mutex<Slips>, Condvar)>);

/// The tests' end of a [`Clerk`].
struct Office {
    slips: Arc<(Mutex<Slips>, Condvar)>,
    bell: Bell,
    folder: TempDir,
}

impl Office {
    fn new() -> Office {
        let folder = tempfile::tempdir().unwrap();
        Office { slips: Arc::default(), bell: Bell::new().unwrap(), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn socket(&self) -> Socket {
        Socket {
            enabled: true,
            path: self.path(),
            group: "luigi-no-such-group".to_owned(),
            mode: 0o600,
            max_clients: 64,
            raw_group: None,
            read_group: None,
            reload_group: None,
        }
    }

    fn clerk(&self) -> Clerk {
        Clerk(Arc::clone(&self.slips))
    }

    fn serve(&self) -> Server {
        Server::start(&self.socket(), self.clerk(), self.bell.clone(), &Pulses::default()).unwrap()
    }

    /// The same without a thread: each turn is the test's.
    fn service(&self, limits: Limits) -> Service<Clerk> {
        let listener = Listener::open(&self.socket()).unwrap();
        Service::new(listener, self.clerk(), self.bell.clone(), Halt::new().unwrap(), limits)
    }

    fn program(&self) -> Program {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Program(BufReader::new(stream))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Slips) -> T) -> T {
        change(&mut self.slips.0.lock().unwrap())
    }

    /// Waits until `condition` holds.
    #[track_caller]
    fn wait<T>(&self, mut condition: impl FnMut(&Slips) -> Option<T>) -> T {
        let (slips, changed) = &*self.slips;
        let mut slips = slips.lock().unwrap();
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = condition(&slips) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it has not come to that");
            slips = changed.wait_timeout(slips, left).unwrap().0;
        }
    }

    /// Has the clerk answer what it promised as number `index`.
    fn answer(&self, index: usize, text: &str) {
        let ticket = self.wait(|it| it.promised.get(index).copied());
        self.change(|it| it.answers.push((ticket, text.to_owned())));
        self.bell.ring();
    }

    /// Has the clerk tell the client that came as number `index`.
    fn tell(&self, index: usize, text: &str) {
        let client = self.wait(|it| it.came.get(index).map(|it| it.client));
        self.change(|it| it.events.entry(client).or_default().push_back(text.to_owned()));
        self.bell.ring();
    }
}

impl Desk for Clerk {
    fn came(&mut self, peer: &Peer, _: Instant) {
        self.change(|it| it.came.push(peer.clone()));
    }

    fn ask(&mut self, _: &Peer, line: &[u8], _: Instant) -> Asked {
        self.change(|slips| {
            slips.asked += 1;
            let line = String::from_utf8_lossy(line);
            if line == "later" {
                let ticket = Ticket(slips.asked);
                slips.promised.push(ticket);
                Asked::Later(ticket)
            } else if let Some(length) = line.strip_prefix("much ") {
                Asked::Answer("x".repeat(length.parse().unwrap()))
            } else if line.starts_with("room") && slips.room == 0 {
                Asked::Busy
            } else {
                slips.room -= usize::from(line.starts_with("room"));
                Asked::Answer(line.into_owned())
            }
        })
    }

    fn went(&mut self, peer: &Peer, _: Instant) {
        self.change(|it| it.went.push(peer.client));
    }

    fn answers(&mut self, _: Instant, answers: &mut Vec<(Ticket, String)>) {
        self.change(|it| {
            it.due = None;
            answers.append(&mut it.answers);
        });
    }

    fn last_answers(&mut self, now: Instant, answers: &mut Vec<(Ticket, String)>) {
        self.answers(now, answers);
        self.change(|it| {
            let promised = it.promised.drain(..);
            answers.extend(promised.filter_map(|ticket| Some((ticket, it.last?.to_owned()))));
        });
    }

    fn event(&mut self, client: ClientId) -> Option<String> {
        self.change(|slips| {
            if slips.event > 0 {
                slips.told += 1;
                return Some("e".repeat(slips.event));
            }
            slips.events.get_mut(&client)?.pop_front()
        })
    }

    fn due(&self) -> Option<Instant> {
        self.0.0.lock().unwrap().due
    }
}

impl Clerk {
    fn change<T>(&self, change: impl FnOnce(&mut Slips) -> T) -> T {
        let (slips, changed) = &*self.0;
        let found = change(&mut slips.lock().unwrap());
        changed.notify_all();
        found
    }
}

/// A program that is connected.
struct Program(BufReader<UnixStream>);

impl Program {
    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// The next line, its end included; empty once there is none.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// All until the connection is closed.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    fn ask(&mut self, line: &str) -> String {
        self.write(format!("{line}\n"));
        self.line()
    }

    fn close_writing(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
    }
}

/// Much longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
