//! Bytes both ways between a broker's TLS stream and rumqttc's socket: [`Carrier`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBuf;
use openssl::ssl;
use openssl::ssl::ErrorCode;
use openssl::ssl::SslStream;

use crate::worker::poll_timeout;

use super::handshake::{is_about_our_certificate, is_end, is_ready};
use super::tunnel::{End, LAST_WORDS};

/// Carries what either side says to the other, one TLS record at a time each way. Whoever does not listen is not talked
/// to, and then the other is not listened to.
pub(super) struct Carrier {
    tls: SslStream<TcpStream>,
    plain: UnixStream,
    /// From rumqttc to the broker.
    up: Load,
    /// From the broker to rumqttc.
    down: Load,
    /// What reading `plain` waits for, and so on; nothing where it is worth a try.
    hear_rumqttc: PollFlags,
    tell_broker: PollFlags,
    hear_broker: PollFlags,
    tell_rumqttc: PollFlags,
    /// Once rumqttc has closed its end: until when the broker may take what is left.
    until: Option<Instant>,
    /// Why the broker takes nothing any more. What it has said before may still come.
    deaf: Option<End>,
}

/// At most one record on its way.
struct Load {
    bytes: Box<[u8]>,
    /// Where what is still to be taken begins and ends.
    begin: usize,
    end: usize,
}

/// A side has ended, and the other has all it said: the broker's, in this way, or rumqttc's.
type Over = Option<End>;

impl Carrier {
    /// One between `tls`, which must not block, and `plain`.
    ///
    /// # Errors
    ///
    /// The system's own; it has none for a socket that is open.
    pub(super) fn new(tls: SslStream<TcpStream>, plain: UnixStream) -> io::Result<Carrier> {
        plain.set_nonblocking(true)?;
        // Little is to wait in the kernel for rumqttc. For the broker it is what the system gives to rumqttc's socket.
        setsockopt(&plain, SndBuf, &RECORD_BYTES)?;
        let try_it = PollFlags::empty();
        Ok(Carrier {
            tls,
            plain,
            up: Load::new(),
            down: Load::new(),
            hear_rumqttc: try_it,
            tell_broker: try_it,
            hear_broker: try_it,
            tell_rumqttc: try_it,
            until: None,
            deaf: None,
        })
    }

    /// Carries until a side has ended and the other has what it said; the broker has [`LAST_WORDS`] for that. Returns
    /// how the broker's side ended, `None` where it was rumqttc's, after which it is [to be said](Carrier::say_goodbye).
    pub(super) fn run(&mut self) -> Option<End> {
        loop {
            if let Err(end) = self.carry().and_then(|()| self.wait()) {
                return end;
            }
        }
    }

    /// Tells the broker that nothing follows. Never blocks.
    pub(super) fn say_goodbye(&mut self) {
        // Where it fails, the broker is gone, or takes nothing.
        let _ = self.tls.shutdown();
        let _ = self.tls.get_ref().shutdown(Shutdown::Write);
    }

    /// Waits for the broker to close the connection, [`LAST_WORDS`] at most: were it closed with something unread in it, the
    /// broker might never read our last words (RFC 1122, section 4.2.2.13).
    pub(super) fn linger(mut self) {
        let (stream, deadline) = (self.tls.get_mut(), Instant::now() + LAST_WORDS);
        while is_ready(stream, PollFlags::POLLIN, deadline).unwrap_or(false) {
            match stream.read(self.down.room()) {
                Ok(1..) => {}
                Err(error) if needs(&error, PollFlags::POLLIN).is_some() => {}
                Ok(0) | Err(_) => break,
            }
        }
    }

    /// Each step that is worth a try, once.
    fn carry(&mut self) -> Result<(), Over> {
        if self.hears_rumqttc() && self.hear_rumqttc.is_empty() {
            self.hear_rumqttc = self.read_plain()?;
        }
        if self.tells_broker() && self.tell_broker.is_empty() {
            self.tell_broker = self.write_tls();
        }
        if self.hears_broker() && self.hear_broker.is_empty() {
            self.hear_broker = self.read_tls()?;
        }
        if self.tells_rumqttc() && self.tell_rumqttc.is_empty() {
            self.tell_rumqttc = self.write_plain();
        }
        Ok(())
    }

    fn hears_rumqttc(&self) -> bool {
        self.up.is_empty() && self.deaf.is_none()
    }

    fn tells_broker(&self) -> bool {
        !self.up.is_empty()
    }

    fn hears_broker(&self) -> bool {
        self.down.is_empty() && self.until.is_none()
    }

    fn tells_rumqttc(&self) -> bool {
        !self.down.is_empty()
    }

    /// Returns what it has to wait for before it is worth a try again, as the others do.
    fn read_plain(&mut self) -> Result<PollFlags, Over> {
        match self.plain.read(self.up.room()) {
            Ok(0) => Err(None),
            Ok(count) => {
                // Where it did not fill the room there is no more now: no need to ask.
                let all = self.up.hold(count) < RECORD_BYTES;
                Ok(if all { PollFlags::POLLIN } else { PollFlags::empty() })
            }
            Err(error) => needs(&error, PollFlags::POLLIN).ok_or(None),
        }
    }

    fn write_tls(&mut self) -> PollFlags {
        match self.tls.ssl_write(self.up.waiting()) {
            Ok(count) => self.up.take(count),
            Err(error) => match needs_of_tls(&error) {
                Some(needs) => return needs,
                None => {
                    self.up.clear();
                    self.deaf = Some(End::of(error));
                    // Why it is so may stand in what has come.
                    self.hear_broker = PollFlags::empty();
                }
            },
        }
        PollFlags::empty()
    }

    fn read_tls(&mut self) -> Result<PollFlags, Over> {
        let error = match self.tls.ssl_read(self.down.room()) {
            Ok(count) => {
                self.down.hold(count);
                return Ok(PollFlags::empty());
            }
            Err(error) => error,
        };
        match (needs_of_tls(&error), self.deaf.take()) {
            (Some(needs), None) => Ok(needs),
            (Some(_), end) => Err(end),
            (None, deaf) => Err(Some(match (End::of(error), deaf) {
                (end @ End::OurCertificate, _) | (end, None) => end,
                (_, Some(end)) => end,
            })),
        }
    }

    fn write_plain(&mut self) -> PollFlags {
        match self.plain.write(self.down.waiting()) {
            Ok(count) => self.down.take(count),
            Err(error) => match needs(&error, PollFlags::POLLOUT) {
                Some(needs) => return needs,
                None => self.rumqttc_has_closed(),
            },
        }
        PollFlags::empty()
    }

    fn rumqttc_has_closed(&mut self) {
        self.down.clear();
        self.until.get_or_insert_with(|| Instant::now() + LAST_WORDS);
        self.hear_rumqttc = PollFlags::empty();
    }

    /// Sleeps until a step is worth a try.
    fn wait(&mut self) -> Result<(), Over> {
        let Some((of_tls, of_plain)) = self.interests() else { return Ok(()) };
        if self.deaf.is_some() && self.until.is_some() {
            return Err(self.deaf.take()); // Nobody is left on either side.
        }
        let left = self.until.map(|it| it.saturating_duration_since(Instant::now()));
        if left.is_some_and(|it| it.is_zero()) {
            return Err(None);
        }
        let mut both =
            [PollFd::new(self.tls.get_ref().as_fd(), of_tls), PollFd::new(self.plain.as_fd(), of_plain)];
        // An end of what is not waited for would be told again and again. That of rumqttc is waited for, once.
        let fds = match (of_tls.is_empty(), of_plain.is_empty() && self.until.is_some()) {
            (false, false) => &mut both[..],
            (false, true) => &mut both[..1],
            (true, _) => &mut both[1..],
        };
        match poll(fds, poll_timeout(left)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Some(End::Failed(error.into()))),
        }
        let [tls, plain] = both.map(|it| it.revents().unwrap_or(PollFlags::empty()));
        for (needs, found) in [
            (&mut self.hear_rumqttc, plain),
            (&mut self.tell_broker, tls),
            (&mut self.hear_broker, tls),
            (&mut self.tell_rumqttc, plain),
        ] {
            if found.intersects(*needs | ENDS) {
                *needs = PollFlags::empty();
            }
        }
        if plain.intersects(ENDS) {
            self.rumqttc_has_closed();
        }
        Ok(())
    }

    /// What of the broker's socket and of rumqttc's is to be waited for; `None` where a step is worth a try.
    fn interests(&self) -> Option<(PollFlags, PollFlags)> {
        let of = |is_due, needs: PollFlags| match is_due {
            true if needs.is_empty() => None,
            true => Some(needs),
            false => Some(PollFlags::empty()),
        };
        let tls = of(self.tells_broker(), self.tell_broker)? | of(self.hears_broker(), self.hear_broker)?;
        let plain =
            of(self.hears_rumqttc(), self.hear_rumqttc)? | of(self.tells_rumqttc(), self.tell_rumqttc)?;
        Some((tls, plain))
    }
}

impl End {
    fn of(error: ssl::Error) -> End {
        if is_about_our_certificate(&error) {
            End::OurCertificate
        } else if is_end(&error) {
            End::Closed
        } else {
            End::Failed(error.into_io_error().unwrap_or_else(io::Error::other))
        }
    }
}

impl Load {
    fn new() -> Load {
        Load { bytes: vec![0; RECORD_BYTES].into(), begin: 0, end: 0 }
    }

    fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Where to put more, once it is empty.
    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Says that `count` bytes were put there, and returns as many.
    fn hold(&mut self, count: usize) -> usize {
        (self.begin, self.end) = (0, count);
        count
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }

    /// Says that `count` of those that wait were taken.
    fn take(&mut self, count: usize) {
        self.begin += count;
    }

    fn clear(&mut self) {
        self.begin = self.end;
    }
}

/// What to wait for after `error`; `None` where it is no use.
fn needs(error: &io::Error, needs: PollFlags) -> Option<PollFlags> {
    match error.kind() {
        ErrorKind::WouldBlock => Some(needs),
        ErrorKind::Interrupted => Some(PollFlags::empty()),
        _ => None,
    }
}

/// The same of OpenSSL, which may have to write before it can read (a change of keys), and the other way round.
fn needs_of_tls(error: &ssl::Error) -> Option<PollFlags> {
    match error.code() {
        ErrorCode::WANT_READ => Some(PollFlags::POLLIN),
        ErrorCode::WANT_WRITE => Some(PollFlags::POLLOUT),
        _ => None,
    }
}

/// What poll(2) tells though nobody asked.
const ENDS: PollFlags = PollFlags::POLLHUP.union(PollFlags::POLLERR).union(PollFlags::POLLNVAL);
/// The most that one record holds (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 1 << 14;
