//! One TCP connection of the mock broker: a thread that reads, and [`Connection`], the end that the exchange holds.

use std::io;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::Connect;
use super::Faults;
use super::event::Event;
use super::packet::FromClient;
use super::packet::MAX_BYTES;
use super::packet::PacketError;
use super::packet::ToClient;
use crate::model::Message;
use crate::worker::Stop;
use crate::worker::Worker;

/// A connection, owned by the exchange. Dropping it closes the socket and joins the reading thread.
///
/// Writing blocks while the peer takes nothing, for [`WRITE_LIMIT`] at most; then the connection is closed.
pub(super) struct Connection {
    stream: Arc<TcpStream>,
    pub(super) phase: Phase,
    /// Bytes received and not yet taken for a packet.
    input: BytesMut,
    received: u64,
    sent: u64,
    /// When the peer last sent something, or began to be listened to.
    heard: Instant,
    /// Acknowledgements held back, and until when: empty unless [`Faults::reverse_acks`] is or was set.
    held_acks: Vec<ToClient>,
    held_until: Option<Instant>,
    closed: bool,
    /// Tells the reader to read on.
    read_on: Sender<()>,
    /// Whether the reader waits for that.
    reader_waits: bool,
    _reader: Worker,
}

/// How far a connection has come.
pub(super) enum Phase {
    /// CONNECT has not arrived. The connection ends if it does not until then.
    Accepted { until: Instant },
    /// CONNECT has arrived and is answered then; `None`: never.
    Held { connect: Box<Connect>, until: Option<Instant> },
    /// CONNECT is accepted.
    Open { client: String, silence: Option<Duration>, will: Option<Message> },
}

impl Connection {
    /// Starts reading from `stream`; what arrives goes to `inbox` under the number `id`.
    pub(super) fn start(
        id: u64,
        stream: TcpStream,
        inbox: Sender<Event>,
        now: Instant,
    ) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        let stream = Arc::new(stream);
        let (read_on, reading) = bounded(1);
        let reader = Reader { id, stream: Arc::clone(&stream), inbox, reading };
        Ok(Connection {
            stream,
            phase: Phase::Accepted { until: now + CONNECT_LIMIT },
            input: BytesMut::new(),
            received: 0,
            sent: 0,
            heard: now,
            held_acks: Vec::new(),
            held_until: None,
            closed: false,
            read_on,
            reader_waits: false,
            _reader: Worker::spawn("mock-conn", |stop| reader.run(&stop))?,
        })
    }

    /// Adds what the reader has read. It reads on after [`Connection::read_on`].
    pub(super) fn receive(&mut self, bytes: &[u8], faults: &Faults, now: Instant) {
        self.heard = now;
        self.reader_waits = true;
        let room = faults.cut_after_received.map_or(u64::MAX, |limit| limit.saturating_sub(self.received));
        let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.input.extend_from_slice(&bytes[..taken]);
        self.received += bytes.len() as u64;
        // What is held back until CONNECT is answered has a bound as well.
        if self.input.len() > MAX_BYTES + MAX_HEADER_BYTES {
            self.close();
        }
    }

    /// The next packet received, as long as the connection is open and none is held back before it.
    pub(super) fn next(&mut self) -> Result<Option<FromClient>, PacketError> {
        if self.closed || matches!(self.phase, Phase::Held { .. }) {
            return Ok(None);
        }
        let packet = FromClient::take(&mut self.input);
        if self.input.is_empty() {
            self.input = BytesMut::new(); // Lets go of the room that a long packet took.
        }
        packet
    }

    /// Answers an accepted CONNECT; from now on the client is held to its keep alive (section 3.1.2.10).
    pub(super) fn open(&mut self, connect: Connect, session_present: bool, faults: &Faults, now: Instant) {
        self.heard = now;
        let silence = (!connect.keep_alive.is_zero()).then_some(connect.keep_alive * 3 / 2);
        self.phase = Phase::Open { client: connect.client, silence, will: connect.will };
        self.send(&ToClient::ConnAck { session_present, refusal: None }, faults);
    }

    /// Lets the reader go on, and closes the connection once `faults` allow it no more bytes.
    pub(super) fn read_on(&mut self, faults: &Faults, now: Instant) {
        if faults.cut_after_received.is_some_and(|limit| self.received >= limit) {
            self.close();
        }
        if self.reader_waits && !faults.stall {
            self.reader_waits = false;
            self.heard = now; // A stalled client could not be heard.
            let _ = self.read_on.try_send(()); // There is room: the reader takes one before it sends again.
        }
    }

    /// Sends `packet`. A peer that is gone, or takes nothing, loses the connection.
    pub(super) fn send(&mut self, packet: &ToClient, faults: &Faults) {
        if self.closed || faults.silent {
            return;
        }
        let Some(bytes) = packet.encode() else { return self.close() };
        let room = faults.cut_after_sent.map_or(u64::MAX, |limit| limit.saturating_sub(self.sent));
        let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.sent += taken as u64;
        let written = (&*self.stream).write_all(&bytes[..taken]);
        if written.is_err() || faults.cut_after_sent.is_some_and(|limit| self.sent >= limit) {
            self.close();
        }
    }

    /// Sends the acknowledgement `packet`, or holds it back to send it out of order.
    pub(super) fn acknowledge(&mut self, packet: ToClient, faults: &Faults, now: Instant) {
        if faults.reverse_acks.is_none() && self.held_acks.is_empty() {
            return self.send(&packet, faults);
        }
        self.held_acks.push(packet);
        self.held_until.get_or_insert(now + HOLD_LIMIT);
        if self.held_acks.len() >= faults.reverse_acks.unwrap_or(0) {
            self.send_held(faults);
        }
    }

    /// When [`Connection::tick`] has something to do, if ever.
    pub(super) fn deadline(&self, faults: &Faults) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Accepted { until } => Some(*until),
            Phase::Held { until, .. } => *until,
            Phase::Open { silence, .. } if !faults.stall => silence.map(|it| self.heard + it),
            Phase::Open { .. } => None,
        };
        [phase, self.held_until].into_iter().flatten().min()
    }

    /// Does what is due at `now`, but for the answer to a held CONNECT.
    pub(super) fn tick(&mut self, faults: &Faults, now: Instant) {
        if self.held_until.is_some_and(|it| it <= now) {
            self.send_held(faults);
        }
        let due = self.deadline(faults).is_some_and(|it| it <= now);
        if due && !matches!(self.phase, Phase::Held { .. }) {
            self.close();
        }
    }

    /// Closes the socket; the exchange clears the record away after the event it is at.
    pub(super) fn close(&mut self) {
        self.closed = true;
        let _ = self.stream.shutdown(Shutdown::Both); // Fails only where the peer was first.
    }

    /// Whether the record is to be cleared away.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn send_held(&mut self, faults: &Faults) {
        self.held_until = None;
        for packet in std::mem::take(&mut self.held_acks).iter().rev() {
            self.send(packet, faults);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close(); // Wakes the reader: must come before its worker is joined.
    }
}

/// What the reading thread has.
struct Reader {
    id: u64,
    stream: Arc<TcpStream>,
    inbox: Sender<Event>,
    reading: Receiver<()>,
}

impl Reader {
    /// Hands over what arrives, piece by piece, until the connection ends or the record is dropped.
    fn run(self, stop: &Stop) {
        let mut piece = [0; PIECE_BYTES];
        loop {
            let event = match (&*self.stream).read(&mut piece) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => Event::Ended(self.id),
                Ok(count) => Event::Received(self.id, piece[..count].into()),
            };
            let ended = matches!(event, Event::Ended(_));
            select! {
                send(self.inbox, event) -> _ => {}
                recv(stop.channel()) -> _ => return,
            }
            if ended {
                return;
            }
            select! {
                recv(self.reading) -> it => if it.is_err() { return },
                recv(stop.channel()) -> _ => return,
            }
        }
    }
}

/// The longest a peer may take nothing, which is the longest one client can hold up the others.
const WRITE_LIMIT: Duration = Duration::from_secs(1);
/// The longest a peer may take for its CONNECT.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// How long acknowledgements wait for enough others to be sent out of order.
const HOLD_LIMIT: Duration = Duration::from_millis(50);
/// Bytes read at once, on the reader's stack.
const PIECE_BYTES: usize = 8 * 1024;
/// A packet's type and length, at most (section 2.2).
const MAX_HEADER_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A connection made at the given moment, and its peer.
    fn connection(now: Instant) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (inbox, _) = bounded(1);
        (Connection::start(1, listener.accept().unwrap().0, inbox, now).unwrap(), peer)
    }

    fn connect() -> Connect {
        Connect {
            client: "pi".into(),
            user_name: None,
            password: None,
            clean_session: true,
            keep_alive: Duration::from_secs(10),
            will: None,
            refusal: None,
        }
    }

    #[test]
    fn who_says_nothing_for_a_minute_is_no_client() {
        let now = Instant::now();
        let (mut connection, _peer) = connection(now);
        let none = Faults::default();
        connection.tick(&none, now + Duration::from_millis(59_999));
        assert!(!connection.is_closed());
        connection.tick(&none, connection.deadline(&none).unwrap());
        assert!(connection.is_closed());
        assert_eq!(connection.deadline(&none), Some(now + Duration::from_secs(60)));
    }

    #[test]
    fn a_stalled_client_is_not_held_to_its_keep_alive() {
        let now = Instant::now();
        let (mut connection, _peer) = connection(now);
        let (none, stall) = (Faults::default(), Faults { stall: true, ..Faults::default() });
        connection.open(connect(), false, &none, now);
        assert_eq!(connection.deadline(&none), Some(now + Duration::from_secs(15)));
        assert_eq!(connection.deadline(&stall), None);
        connection.receive(b"x", &stall, now);
        connection.read_on(&stall, now);
        let later = now + Duration::from_secs(60);
        connection.read_on(&none, later);
        assert_eq!(connection.deadline(&none), Some(later + Duration::from_secs(15)));
    }

    #[test]
    fn what_waits_behind_an_unanswered_connect_has_a_bound() {
        let now = Instant::now();
        let (mut connection, _peer) = connection(now);
        connection.phase = Phase::Held { connect: Box::new(connect()), until: None };
        let none = Faults::default();
        connection.receive(&vec![0; MAX_BYTES], &none, now);
        assert!(!connection.is_closed());
        connection.receive(&[0; 6], &none, now);
        assert!(connection.is_closed());
    }
}
