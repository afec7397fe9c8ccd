//! The other end: a program that asks. [`Caller`] is what the commands use.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::lines::{Line, Lines};
use super::pipeline::Pipeline;
use crate::os::Bell;
use crate::protocol::Reply;
use crate::protocol::Request;
use crate::worker::poll_timeout;

/// A connection to the daemon's socket. Blocking.
#[derive(Debug)]
pub struct Caller {
    /// It does not block.
    stream: UnixStream,
    lines: Lines,
    /// Events that came before an answer.
    events: VecDeque<Reply>,
}

/// Why the daemon could not be asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody listens there: the daemon does not run, or without a socket.
    Absent {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// We may not open it.
    Forbidden {
        /// Where.
        path: PathBuf,
    },
    /// The connection broke: the daemon has ended, or cut us off.
    Lost(io::Error),
    /// No answer came within the limit.
    Silent(Duration),
    /// What came is no answer.
    Strange(String),
}

impl Caller {
    /// Connects to the daemon at `path`. Blocks while its queue of newcomers is full, for two seconds at most.
    ///
    /// # Errors
    ///
    /// [`CallError::Absent`] and [`CallError::Forbidden`].
    pub fn connect(path: &Path) -> Result<Caller, CallError> {
        let stream = open(path).map_err(|errno| match errno {
            Errno::EACCES | Errno::EPERM => CallError::Forbidden { path: path.to_owned() },
            _ => CallError::Absent { path: path.to_owned(), cause: errno.into() },
        })?;
        stream.set_nonblocking(true).map_err(CallError::Lost)?;
        Ok(Caller { stream, lines: Lines::new(LONGEST), events: VecDeque::new() })
    }

    /// Asks, without waiting for the answer but for room in the socket. What the daemon says meanwhile is kept, or neither would
    /// ever have room: of many requests at once, [`Caller::ask_all`] keeps less.
    ///
    /// # Errors
    ///
    /// [`CallError::Lost`].
    pub fn send(&mut self, request: &Request) -> Result<(), CallError> {
        let mut line = request.line();
        line.push('\n');
        let mut unsent = line.as_bytes();
        loop {
            unsent = &unsent[self.write(unsent).map_err(CallError::Lost)?..];
            if unsent.is_empty() {
                return Ok(());
            }
            let flags = self.wait(PollFlags::POLLIN | PollFlags::POLLOUT, None, None)?;
            if flags.contains(PollFlags::POLLIN) {
                self.read()?;
            }
        }
    }

    /// The next answer or event. Blocks for `limit` at most, for ever where there is none.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn receive(&mut self, limit: Option<Duration>) -> Result<Reply, CallError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        let deadline = limit.map(|it| Instant::now() + it);
        self.receive_until(deadline, limit)
    }

    /// Asks and returns the answer; events that come before it are kept for [`Caller::receive`].
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, CallError> {
        let lost = self.send(request).err();
        let deadline = Instant::now() + limit;
        loop {
            match self.receive_until(Some(deadline), Some(limit)) {
                Ok(event @ Reply::Event(..)) => self.keep(event)?,
                // A daemon that has cut us off may have said why; this one has not.
                Err(silence) => return Err(lost.unwrap_or(silence)),
                answer => return answer,
            }
        }
    }

    /// Asks all that `requests` brings, without waiting for one answer before the next is asked, and tells each answer, in
    /// order, with the mark of its request (the number of a line, perhaps). At most 1,024 are underway, so that a million
    /// take no more memory than a thousand. `requests` is run on a thread of its own and may wait, for standard input say:
    /// what it has brought so far is asked and answered meanwhile. Events are kept for [`Caller::receive`].
    ///
    /// Blocks until all is answered, or `told` breaks; each answer may take `limit` from the one before. When this returns
    /// early, the thread is left to itself, and the caller of no more use: answers are on their way that nobody waits for.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub fn ask_all<M: Send + 'static>(
        &mut self,
        requests: impl Iterator<Item = (M, Request)> + Send + 'static,
        limit: Duration,
        told: impl FnMut(M, Reply) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        Pipeline::start(self, requests)?.run(limit, told)
    }

    /// The next line, as an answer or an event, as soon as it is there.
    fn receive_until(
        &mut self,
        deadline: Option<Instant>,
        limit: Option<Duration>,
    ) -> Result<Reply, CallError> {
        loop {
            if let Some(reply) = self.next()? {
                return Ok(reply);
            }
            if self.wait(PollFlags::POLLIN, None, deadline)?.is_empty() {
                return Err(CallError::Silent(limit.unwrap_or_default()));
            }
            self.read()?;
        }
    }

    /// The next line that is there.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, CallError> {
        match self.lines.next() {
            None => Ok(None),
            Some(Line::Whole(line)) => Reply::parse(line).map(Some).map_err(CallError::Strange),
            Some(Line::TooLong) => Err(CallError::Strange(format!("a line of more than {LONGEST} bytes"))),
        }
    }

    /// Keeps an event for [`Caller::receive`].
    pub(super) fn keep(&mut self, event: Reply) -> Result<(), CallError> {
        if self.events.len() == MOST_EVENTS {
            return Err(CallError::Strange(format!("{MOST_EVENTS} events, and no answer")));
        }
        self.events.push_back(event);
        Ok(())
    }

    /// Reads what there is.
    pub(super) fn read(&mut self) -> Result<(), CallError> {
        let mut chunk = [0; READ_BYTES];
        match (&self.stream).read(&mut chunk) {
            Ok(0) => Err(CallError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.lines.extend(&chunk[..count]);
                Ok(())
            }
            Err(cause) if is_for_later(&cause) => Ok(()),
            Err(cause) => Err(CallError::Lost(cause)),
        }
    }

    /// Sends what there is room for, and returns how many bytes that are.
    pub(super) fn write(&mut self, unsent: &[u8]) -> io::Result<usize> {
        if unsent.is_empty() {
            return Ok(0);
        }
        match (&self.stream).write(unsent) {
            Err(cause) if is_for_later(&cause) => Ok(0),
            result => result,
        }
    }

    /// Waits for `wanted`, the bell or `deadline`, and returns what there is: nothing at the deadline.
    pub(super) fn wait(
        &self,
        wanted: PollFlags,
        bell: Option<&Bell>,
        deadline: Option<Instant>,
    ) -> Result<PollFlags, CallError> {
        loop {
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            let mut polled = vec![PollFd::new(self.stream.as_fd(), wanted)];
            polled.extend(bell.map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN)));
            match poll(&mut polled, poll_timeout(left)) {
                Ok(0) if left.is_some_and(|it| !it.is_zero()) => {}
                Ok(_) => {
                    let flags = polled.iter().filter_map(PollFd::revents);
                    return Ok(flags.fold(PollFlags::empty(), |all, it| all | it));
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(CallError::Lost(errno.into())),
            }
        }
    }
}

fn open(path: &Path) -> Result<UnixStream, Errno> {
    let stream = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&stream, sockopt::SendTimeout, &TimeVal::seconds(2))?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(stream))
}

fn is_for_later(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Absent { path, .. } => write!(f, "no daemon answers at {}", path.display()),
            CallError::Forbidden { path } => write!(f, "not permitted to open {}", path.display()),
            CallError::Lost(_) => f.write_str("the daemon has closed the connection"),
            CallError::Silent(limit) => write!(f, "the daemon has not answered within {limit:?}"),
            CallError::Strange(what) => write!(f, "the daemon's answer is none: {what}"),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CallError::Absent { cause, .. } | CallError::Lost(cause) => Some(cause),
            _ => None,
        }
    }
}

/// How much is read at once.
const READ_BYTES: usize = 8 << 10;
/// The longest line that is read: a list of all devices is longer than any request.
const LONGEST: usize = 16 << 20;
/// How many events are kept while an answer is waited for.
const MOST_EVENTS: usize = 10_000;
