//! For tests: the other end of a connection, which says just what the test tells it to.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Broker;
use crate::config::Client;
use crate::config::Endpoint;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;

use super::Options;

/// Somebody who listens where a broker is expected.
pub(super) struct Peer {
    listener: TcpListener,
}

/// The peer's end of one connection.
pub(super) struct Wire(pub(super) TcpStream);

/// What the daemon's defaults are.
pub(super) fn client() -> Client {
    Client {
        id: "luigi-test".to_owned(),
        keep_alive: Duration::from_secs(60),
        qos: Qos::AtLeastOnce,
        reconnect_delay: Duration::from_secs(5),
        reconnect_delay_max: Duration::from_secs(300),
        connection_timeout: Duration::from_secs(20),
        max_packet_bytes: 1024 * 1024,
        max_in_flight: 100,
        clean_session: true,
    }
}

/// Options for `peers`, in this order of preference, with short pauses.
pub(super) fn options_for(peers: &[&Peer]) -> Options {
    let mut options = options(peers[0].port());
    let endpoint = |it: &&Peer| Endpoint { host: "127.0.0.1".to_owned(), port: it.port() };
    options.broker.endpoints = peers.iter().map(endpoint).collect();
    options
}

/// Options for the peer at `port`, with short pauses.
pub(super) fn options(port: u16) -> Options {
    Options {
        broker: Broker::from(SocketAddr::from(([127, 0, 0, 1], port))),
        credentials: None,
        client: Client {
            reconnect_delay: Duration::from_millis(5),
            reconnect_delay_max: Duration::from_millis(40),
            ..client()
        },
        will: Some(message("luigi/test/availability", "offline", Qos::AtLeastOnce)),
        subscriptions: Vec::new(),
    }
}

pub(super) fn message(topic: &str, payload: &str, qos: Qos) -> Message {
    Message { topic: Topic::new(topic).unwrap(), payload: payload.as_bytes().into(), qos, retain: false }
}

/// A PUBLISH at QoS 0 or, with a packet identifier, 1, as it is on the wire.
pub(super) fn publish(topic: &str, payload: &[u8], packet_id: Option<u16>, retain: bool) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    body.extend(packet_id.map(u16::to_be_bytes).into_iter().flatten());
    body.extend(payload);
    let mut packet = vec![0x30 | (u8::from(packet_id.is_some()) << 1) | u8::from(retain)];
    let mut length = body.len();
    while length >= 128 {
        packet.push((length % 128) as u8 | 128);
        length /= 128;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

pub(super) fn puback(packet_id: u8) -> [u8; 4] {
    [0x40, 2, 0, packet_id]
}

/// Waits until `condition` holds.
#[track_caller]
pub(super) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come true within {LIMIT:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

impl Peer {
    pub(super) fn new() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Peer { listener }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// The next connection, before anything was said.
    pub(super) fn accept(&self) -> Wire {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(wire) = self.try_accept() {
                return wire;
            }
            assert!(Instant::now() < deadline, "nobody connected");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next connection, if somebody waits.
    pub(super) fn try_accept(&self) -> Option<Wire> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                stream.set_nodelay(true).unwrap();
                Some(Wire(stream))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next connection, its login accepted.
    pub(super) fn log_in(&self) -> Wire {
        let mut wire = self.accept();
        assert_eq!(wire.packet().0, 0x10);
        wire.send(&CONNACK);
        wire
    }

    /// The next connection, which wants to go on with its session, and whether that is `present`.
    #[track_caller]
    pub(super) fn resume(&self, present: bool) -> Wire {
        let mut wire = self.accept();
        let (first, body) = wire.packet();
        assert_eq!((first, body[7] & CLEAN), (0x10, 0), "not as a clean session");
        wire.send(&[0x20, 2, u8::from(present), 0]);
        wire
    }

    /// The next connection, which wants nothing but to have its session wiped.
    #[track_caller]
    pub(super) fn wipe(&self) {
        let mut wire = self.accept();
        let (first, body) = wire.packet();
        assert_eq!((first, body[7]), (0x10, CLEAN), "a clean session, without a will");
        wire.send(&CONNACK);
        assert_eq!(wire.next(), Some((0xe0, vec![])));
        assert_eq!(wire.next(), None);
    }
}

impl Wire {
    /// Says `bytes`; whether anybody listens is not its concern.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// The next packet: its first byte and what comes after the length.
    pub(super) fn packet(&mut self) -> (u8, Vec<u8>) {
        self.next().expect("a packet, not the end")
    }

    /// The next packet; `None` at the end of the connection.
    pub(super) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.byte()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((first, body))
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.0.read_exact(&mut byte) {
            Ok(()) => Some(byte[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came within {LIMIT:?}"),
            Err(_) => None,
        }
    }
}

pub(super) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
/// Among the flags of CONNECT.
pub(super) const CLEAN: u8 = 2;
/// No test waits longer for anything.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
