//! The mock broker against clients that say exactly what a test wants them to say.

mod faults;
mod protocol;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::Broker;
use super::packet::codec::v4::{
    ConnAck, Connect, LastWill, Packet, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, Subscribe,
    SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};
use super::packet::codec::{self, QoS};
use crate::model::Topic;

/// A client made by hand: sends packets one by one and reads what comes.
struct Peer {
    stream: TcpStream,
    input: BytesMut,
}

impl Peer {
    /// Connected by TCP alone.
    fn dial(broker: &Broker) -> Peer {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Peer { stream, input: BytesMut::new() }
    }

    /// Connected with `connect` and accepted. Returns whether a session was present.
    fn connect_with(broker: &Broker, connect: Connect) -> (Peer, bool) {
        let mut peer = Peer::dial(broker);
        peer.send(Packet::Connect(connect));
        match peer.next() {
            Packet::ConnAck(ConnAck { code: codec::v4::ConnectReturnCode::Success, session_present }) => {
                (peer, session_present)
            }
            it => panic!("{it:?}"),
        }
    }

    /// Connected with a clean session.
    fn clean(broker: &Broker, client: &str) -> Peer {
        Peer::connect_with(broker, Connect::new(client)).0
    }

    /// Connected with a session that outlives the connection.
    fn kept(broker: &Broker, client: &str) -> (Peer, bool) {
        Peer::connect_with(broker, Connect { clean_session: false, ..Connect::new(client) })
    }

    fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    fn publish(&mut self, id: u16, topic: &str, payload: &str, qos: QoS, retain: bool) {
        self.send(Packet::Publish(Publish { pkid: id, retain, ..Publish::new(topic, qos, payload) }));
    }

    /// Subscribes and takes the SUBACK.
    fn subscribe(&mut self, filters: &[(&str, QoS)]) -> Vec<SubscribeReasonCode> {
        let filters = filters.iter().map(|(filter, qos)| SubscribeFilter::new((*filter).into(), *qos));
        self.send(Packet::Subscribe(Subscribe { pkid: 9, ..Subscribe::new_many(filters) }));
        match self.next() {
            Packet::SubAck(SubAck { pkid: 9, return_codes }) => return_codes,
            it => panic!("{it:?}"),
        }
    }

    /// The next packet, which must come within [`LIMIT`].
    #[track_caller]
    fn next(&mut self) -> Packet {
        self.poll().expect("a packet, not the end")
    }

    /// The next packet; `None` once the broker has closed the connection.
    #[track_caller]
    fn poll(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.input, usize::MAX) {
                Ok(packet) => return Some(packet),
                Err(codec::Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(cause) if cause.kind() == ErrorKind::ConnectionReset => return None,
                // Nothing restarts what has a limit, once the process stood still.
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => panic!("{cause}"),
            }
        }
    }

    /// The next packet, a PUBLISH: identifier, topic, payload, QoS, retain, dup.
    #[track_caller]
    fn publish_received(&mut self) -> (u16, String, String, QoS, bool, bool) {
        match self.next() {
            Packet::Publish(it) => {
                let payload = String::from_utf8_lossy(&it.payload).into_owned();
                (it.pkid, it.topic, payload, it.qos, it.retain, it.dup)
            }
            it => panic!("{it:?}"),
        }
    }

    /// Asserts that nothing was sent before the answer to a PINGREQ sent now.
    #[track_caller]
    fn assert_nothing_waits(&mut self) {
        self.send(Packet::PingReq);
        assert_eq!(self.next(), Packet::PingResp);
    }

    #[track_caller]
    fn assert_closed(&mut self) {
        assert_eq!(self.poll(), None);
    }
}

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        // Whoever is waited for may need the processor.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Shorter than the time a client has for its CONNECT: that limit is not to pass for another.
const LIMIT: Duration = Duration::from_secs(30);
