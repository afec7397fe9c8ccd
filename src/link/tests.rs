//! The link against a scripted peer: what must hold whatever rumqttc does.

use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::config::Credentials;
use crate::model::Incoming;
use crate::model::Qos;
use crate::model::Secret;
use crate::model::Token;
use crate::model::Topic;
use crate::model::TopicFilter;

use super::peer::{LIMIT, Peer, Wire, message, options, puback, publish};
use super::{Down, Full, Link, LinkEvent, Options, Session};

/// A link and what it tells.
pub(super) struct Uplink {
    pub(super) link: Link,
    pub(super) events: Receiver<LinkEvent>,
}

impl Uplink {
    pub(super) fn start(options: Options) -> Uplink {
        let (sender, events) = bounded(64);
        Uplink { link: Link::start(options, sender).unwrap(), events }
    }

    /// A link to `peer`, and both ends of its first session.
    pub(super) fn up(peer: &Peer) -> (Uplink, Session, Wire) {
        let uplink = Uplink::start(options(peer.port()));
        let wire = peer.log_in();
        let session = uplink.session();
        (uplink, session, wire)
    }

    pub(super) fn next(&self) -> LinkEvent {
        self.events.recv_timeout(LIMIT).expect("an event")
    }

    #[track_caller]
    pub(super) fn session(&self) -> Session {
        match self.next() {
            LinkEvent::Up(session) => session,
            other => panic!("expected up, found {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn down(&self) -> Down {
        match self.next() {
            LinkEvent::Down(down) => down,
            other => panic!("expected down, found {other:?}"),
        }
    }

    /// The tokens delivered until the link went down, and why it did.
    pub(super) fn delivered_until_down(&self) -> (Vec<u64>, Down) {
        let mut tokens = Vec::new();
        loop {
            match self.next() {
                LinkEvent::Delivered(token) => tokens.push(token.0),
                LinkEvent::Down(down) => return (tokens, down),
                other => panic!("expected deliveries, found {other:?}"),
            }
        }
    }
}

pub(super) fn send(session: &mut Session, token: u64, qos: Qos) {
    session.publish(Token(token), &message("luigi/test/a", &token.to_string(), qos)).unwrap();
}

#[test]
fn the_login_carries_user_password_and_will_and_asks_for_a_clean_session() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.credentials =
        Some(Credentials { username: "luigi".to_owned(), password: Some(Secret::new("secret")) });
    let _uplink = Uplink::start(options);
    let (first, body) = peer.accept().packet();
    assert_eq!(first, 0x10);
    // Name and level of the protocol; flags: user, password, will at QoS 1, clean session; keep alive.
    assert_eq!(&body[..10], b"\0\x04MQTT\x04\xce\0\x3c");
    assert_eq!(
        &body[10..],
        b"\0\x0aluigi-test\0\x17luigi/test/availability\0\x07offline\0\x05luigi\0\x06secret"
    );
}

#[test]
fn subscriptions_are_the_first_thing_on_each_connection() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.subscriptions = ["a", "b/#"].map(|it| (TopicFilter::new(it).unwrap(), Qos::AtMostOnce)).to_vec();
    let uplink = Uplink::start(options);
    for _ in 0..2 {
        let mut wire = peer.log_in();
        let mut session = uplink.session();
        send(&mut session, 1, Qos::AtLeastOnce);
        assert_eq!(wire.packet(), (0x82, b"\0\x01\0\x01a\0\0\x03b/#\0".to_vec()));
        assert_eq!(wire.packet().0, 0x32);
        drop(wire);
        uplink.down();
    }
}

#[test]
fn acknowledgements_in_any_order_deliver_what_they_are_for() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = Uplink::up(&peer);
    for token in 10..15 {
        send(&mut session, token, Qos::AtLeastOnce);
        assert_eq!(wire.packet().0, 0x32);
    }
    for packet_id in [3, 1, 5, 2] {
        wire.send(&puback(packet_id));
    }
    drop(wire);
    let (tokens, down) = uplink.delivered_until_down();
    assert_eq!((tokens, down.cause.kind()), (vec![12, 10, 14, 11], "closed by broker"));
}

#[test]
fn acknowledgements_that_come_with_the_end_in_one_segment_count() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = Uplink::up(&peer);
    for token in [1, 2, 3] {
        send(&mut session, token, Qos::AtLeastOnce);
        wire.packet();
    }
    // The two that count, one that was counted before, one that nobody sent and that rumqttc reports all
    // the same, and another that comes too late.
    wire.send(&[puback(2), puback(1), puback(2), puback(9), puback(3)].concat());
    let (tokens, down) = uplink.delivered_until_down();
    assert_eq!((tokens, down.cause.kind()), (vec![2, 1], "protocol"));
}

#[test]
fn qos_2_is_delivered_by_pubcomp() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = Uplink::up(&peer);
    send(&mut session, 7, Qos::ExactlyOnce);
    assert_eq!(wire.packet().0, 0x34);
    wire.send(&[0x50, 2, 0, 1]);
    assert_eq!(wire.packet(), (0x62, vec![0, 1]));
    assert!(uplink.events.is_empty());
    wire.send(&[0x70, 2, 0, 1]);
    drop(wire);
    assert_eq!(uplink.delivered_until_down().0, [7]);
}

#[test]
fn qos_0_is_delivered_once_written() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = Uplink::up(&peer);
    send(&mut session, 1, Qos::AtMostOnce);
    send(&mut session, 2, Qos::AtMostOnce);
    assert_eq!((wire.packet().0, wire.packet().0), (0x30, 0x30));
    session.disconnect();
    assert_eq!(uplink.delivered_until_down().0, [1, 2]);
}

#[test]
fn a_peer_that_takes_no_data_is_given_up_and_what_it_did_not_take_is_not_delivered() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.client.connection_timeout = Duration::from_secs(4);
    let uplink = Uplink::start(options);
    let wire = peer.log_in();
    let mut session = uplink.session();
    let large = message("luigi/test/a", &"x".repeat(32 << 20), Qos::AtMostOnce);
    session.publish(Token(1), &large).unwrap();
    let (tokens, down) = uplink.delivered_until_down();
    assert_eq!((tokens, down.cause.kind()), (vec![], "flush timeout"));
    drop(wire);
}

#[test]
fn a_full_session_says_so_and_never_blocks() {
    let peer = Peer::new();
    let (_uplink, mut session, _wire) = Uplink::up(&peer);
    // The broker acknowledges nothing, so that sooner or later nothing more fits.
    let text = message("luigi/test/a", "1", Qos::AtLeastOnce);
    let refused = (0..2000).map(|token| session.publish(Token(token), &text)).find(Result::is_err);
    assert_eq!(refused, Some(Err(Full)));
}

#[test]
fn messages_for_us_arrive_whole_retained_or_not() {
    let peer = Peer::new();
    let (uplink, _session, mut wire) = Uplink::up(&peer);
    let payload = vec![b'x'; 200_000];
    wire.send(&publish("a/large", &payload, None, true));
    wire.send(&publish("a/b", b"on", Some(5), false));
    let expected = [
        Incoming { topic: Topic::new("a/large").unwrap(), payload: payload.into(), retained: true },
        Incoming { topic: Topic::new("a/b").unwrap(), payload: (*b"on").into(), retained: false },
    ];
    for expected in expected {
        match uplink.next() {
            LinkEvent::Received(message) => assert!(message == expected, "{}", message.topic),
            other => panic!("expected a message, found {other:?}"),
        }
    }
    assert_eq!(wire.packet(), (0x40, vec![0, 5]));
}

#[test]
fn a_packet_beyond_the_limit_costs_a_subscription_but_not_the_connection() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.client.max_packet_bytes = 1024;
    options.subscriptions = ["a", "b"].map(|it| (TopicFilter::new(it).unwrap(), Qos::AtMostOnce)).to_vec();
    let uplink = Uplink::start(options);
    for _ in 0..2 {
        let mut wire = peer.log_in();
        let _session = uplink.session();
        assert_eq!(wire.packet(), (0x82, b"\0\x01\0\x01a\0\0\x01b\0".to_vec()));
        wire.send(&publish("b", &[0; 2000], None, true));
        let down = uplink.down();
        assert_eq!(
            down.cause.to_string(),
            "the broker sent a packet of 2003 bytes, more than the 1024 of MAX_PACKET_SIZE"
        );
    }
    let mut wire = peer.log_in();
    let _session = uplink.session();
    assert_eq!(wire.packet(), (0x82, b"\0\x01\0\x01a\0".to_vec()));
}

#[test]
fn a_refused_login_says_what_the_broker_said() {
    for (code, kind) in [
        (1, "refused: protocol version"),
        (2, "refused: client identifier"),
        (3, "refused: unavailable"),
        (4, "refused: credentials"),
        (5, "refused: not authorized"),
    ] {
        let peer = Peer::new();
        let uplink = Uplink::start(options(peer.port()));
        let mut wire = peer.accept();
        wire.packet();
        wire.send(&[0x20, 2, 0, code]);
        assert_eq!(uplink.down().cause.kind(), kind);
    }
}

#[test]
fn an_attempt_that_fails_says_how() {
    let absent = Peer::new().port();
    let uplink = Uplink::start(options(absent));
    assert_eq!(uplink.down().cause.kind(), "connect");

    let peer = Peer::new();
    let uplink = Uplink::start(options(peer.port()));
    drop(peer.accept());
    assert_eq!(uplink.down().cause.kind(), "closed unanswered");

    let peer = Peer::new();
    let mut silent = options(peer.port());
    silent.client.connection_timeout = Duration::from_secs(1);
    let uplink = Uplink::start(silent);
    let wire = peer.accept();
    assert_eq!(
        uplink.down().cause.to_string(),
        format!("no answer from a broker at 127.0.0.1:{} within 1 s", peer.port())
    );
    drop(wire);

    let peer = Peer::new();
    let uplink = Uplink::start(options(peer.port()));
    let mut wire = peer.accept();
    wire.packet();
    wire.send(&[0xd0, 0]);
    assert_eq!(uplink.down().cause.kind(), "protocol");
}

#[test]
fn a_name_is_tried_at_each_of_its_addresses() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    // Where it has an IPv6 address too, nobody listens there.
    options.broker.endpoints[0].host = "localhost".to_owned();
    let uplink = Uplink::start(options);
    let _wire = peer.log_in();
    uplink.session();
}

#[test]
fn an_unanswered_ping_ends_the_connection() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.client.keep_alive = Duration::from_secs(1);
    let uplink = Uplink::start(options);
    let mut wire = peer.log_in();
    let _session = uplink.session();
    assert_eq!(wire.packet(), (0xc0, vec![]));
    assert_eq!(uplink.down().cause.kind(), "keep alive");
}

#[test]
fn an_end_in_the_middle_of_a_packet_is_an_end() {
    let peer = Peer::new();
    let (uplink, _session, mut wire) = Uplink::up(&peer);
    wire.send(&publish("a/b", b"on", None, false)[..5]);
    drop(wire);
    assert_eq!(uplink.down().cause.kind(), "closed by broker");
}

#[test]
fn sessions_cut_short_three_times_in_a_row_are_a_takeover() {
    let peer = Peer::new();
    let uplink = Uplink::start(options(peer.port()));
    for expected in [false, false, true, true] {
        drop(peer.log_in());
        let session = uplink.session();
        let down = uplink.down();
        assert_eq!((down.cause.kind(), down.takeover), ("closed by broker", expected));
        assert!(!down.kept && !session.resumed(), "nothing is kept of clean sessions");
    }
}

#[test]
fn ending_a_session_closes_it_after_all_else_and_says_why() {
    type End = fn(Session);
    const DISCONNECT: u8 = 0xe0;
    const UNSUBSCRIBE: u8 = 0xa2;
    let ends: [(End, u8, &str); 3] = [
        (|it| it.disconnect(), DISCONNECT, "disconnected"),
        // Without DISCONNECT the broker sends the will.
        (|it| it.abandon(), UNSUBSCRIBE, "unacknowledged"),
        (drop, DISCONNECT, "disconnected"),
    ];
    for (end, last, kind) in ends {
        let peer = Peer::new();
        let (uplink, mut session, mut wire) = Uplink::up(&peer);
        send(&mut session, 1, Qos::AtLeastOnce);
        end(session);
        assert_eq!(wire.packet().0, 0x32);
        assert_eq!(wire.packet().0, last);
        assert_eq!(wire.next(), None);
        let (tokens, down) = uplink.delivered_until_down();
        assert_eq!((tokens, down.cause.kind()), (vec![], kind));
        // And it comes back.
        peer.log_in();
        uplink.session();
    }
}

#[test]
fn an_ended_session_takes_no_more_messages() {
    let peer = Peer::new();
    let (_uplink, mut session, _wire) = Uplink::up(&peer);
    session.abandon();
    session.disconnect();
    assert_eq!(session.publish(Token(1), &message("a", "1", Qos::AtMostOnce)), Err(Full));
}

#[test]
fn a_session_outlives_its_connection_without_harm() {
    let peer = Peer::new();
    let (uplink, mut session, wire) = Uplink::up(&peer);
    drop(wire);
    uplink.down();
    let text = message("a", "1", Qos::AtLeastOnce);
    assert_eq!(session.publish(Token(1), &text), Err(Full));
    drop(session);
    let _wire = peer.log_in();
    uplink.session();
}
