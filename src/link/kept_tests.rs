//! The link against a scripted peer that keeps our session, or says that it does.

use std::time::Duration;

use crossbeam_channel::bounded;

use crate::model::Qos;
use crate::model::Token;
use crate::model::TopicFilter;

use super::peer::{LIMIT, Peer, Wire, message, options, publish, wait_until};
use super::tests::{Uplink, send};
use super::{Full, Link, LinkEvent, Options, Session};

/// Options for a kept session at the peer on `port`.
pub(super) fn keeping(port: u16) -> Options {
    let mut options = options(port);
    options.client.clean_session = false;
    options
}

/// The same with little patience, and enough for a machine that stands still for a while.
pub(super) fn keeping_hastily(port: u16) -> Options {
    let mut options = keeping(port);
    options.client.connection_timeout = Duration::from_secs(3);
    options
}

/// A link to `peer`, and both ends of its first session.
pub(super) fn up(peer: &Peer) -> (Uplink, Session, Wire) {
    up_with(peer, keeping(peer.port()))
}

/// The same with options of one's own.
pub(super) fn up_with(peer: &Peer, options: Options) -> (Uplink, Session, Wire) {
    let uplink = Uplink::start(options);
    peer.wipe();
    let (session, wire) = begin(peer, &uplink);
    (uplink, session, wire)
}

/// Both ends of a session without a past.
#[track_caller]
pub(super) fn begin(peer: &Peer, uplink: &Uplink) -> (Session, Wire) {
    let mut wire = peer.resume(false);
    let session = uplink.session();
    assert!(!session.resumed());
    assert_eq!(wire.packet(), subscribe(b""));
    (session, wire)
}

/// Ends `wire` and waits until the link knows. Returns what was delivered until then.
#[track_caller]
pub(super) fn cut(uplink: &Uplink, wire: Wire) -> Vec<u64> {
    drop(wire);
    let (tokens, down) = uplink.delivered_until_down();
    assert!(down.kept);
    tokens
}

/// What is delivered before the link is up, and whether it has resumed then.
#[track_caller]
pub(super) fn delivered_until_up(uplink: &Uplink) -> (Vec<u64>, bool) {
    let mut tokens = Vec::new();
    loop {
        match uplink.next() {
            LinkEvent::Delivered(token) => tokens.push(token.0),
            LinkEvent::Up(session) => return (tokens, session.resumed()),
            other => panic!("expected deliveries, found {other:?}"),
        }
    }
}

/// First byte and body of a packet.
pub(super) type Packet = (u8, Vec<u8>);

/// The SUBSCRIBE of each connection: the topic of the link's own, and `others`.
pub(super) fn subscribe(others: &[u8]) -> Packet {
    (0x82, [b"\0\x01\0\x1fluigi/test/availability/session\0", others].concat())
}

/// The packet identifier of the `nth` message of a session: SUBSCRIBE has the first.
fn packet_id(nth: u8) -> u8 {
    nth + 1
}

/// A PUBLISH of `token` as [`send`] sends it.
pub(super) fn published(first: u8, nth: u8, token: u64) -> Packet {
    (first, [b"\0\x0cluigi/test/a\0", &[packet_id(nth)][..], token.to_string().as_bytes()].concat())
}

const QOS_1: u8 = 0x32;
pub(super) const QOS_2: u8 = 0x34;
pub(super) const DUP: u8 = 0x08;

fn puback(nth: u8) -> [u8; 4] {
    [0x40, 2, 0, packet_id(nth)]
}

pub(super) fn pubrec(nth: u8) -> [u8; 4] {
    [0x50, 2, 0, packet_id(nth)]
}

pub(super) fn pubcomp(nth: u8) -> [u8; 4] {
    [0x70, 2, 0, packet_id(nth)]
}

pub(super) fn pubrel(nth: u8) -> Packet {
    (0x62, vec![0, packet_id(nth)])
}

/// How far the exchange of a message at QoS 2 comes before the cut, and what is delivered by then; the
/// packets that are expected after it, each with its answer; and what is delivered then.
#[track_caller]
fn check(before: &[&[u8]], delivered: &[u64], after: &[(Packet, [u8; 4])]) {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    send(&mut session, 7, Qos::ExactlyOnce);
    assert_eq!(wire.packet(), published(QOS_2, 1, 7));
    for answer in before {
        wire.send(answer);
    }
    assert_eq!(cut(&uplink, wire), delivered);
    let mut wire = peer.resume(true);
    for (packet, answer) in after {
        assert_eq!(wire.packet(), *packet);
        assert!(uplink.events.is_empty(), "neither delivered nor up");
        wire.send(answer);
    }
    let expected = if delivered.is_empty() { vec![7] } else { vec![] };
    assert_eq!(delivered_until_up(&uplink), (expected, true));
}

#[test]
fn what_was_cut_after_publish_is_sent_again_as_the_same() {
    check(&[], &[], &[(published(QOS_2 | DUP, 1, 7), pubrec(1)), (pubrel(1), pubcomp(1))]);
}

#[test]
fn what_was_cut_after_pubrec_or_pubrel_is_released_again_and_not_sent_again() {
    check(&[&pubrec(1)], &[], &[(pubrel(1), pubcomp(1))]);
}

#[test]
fn what_was_complete_at_the_cut_is_delivered_and_done_with() {
    check(&[&pubrec(1), &pubcomp(1)], &[7], &[]);
}

#[test]
fn a_message_that_the_broker_remembers_before_it_is_sent_again_is_released() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    send(&mut session, 7, Qos::ExactlyOnce);
    wire.packet();
    cut(&uplink, wire);
    // rumqttc takes this for an error. It shows that the broker has the message.
    let mut wire = peer.accept();
    wire.packet();
    wire.send(&[&[0x20, 2, 1, 0], &pubrec(1)[..]].concat());
    assert_eq!(cut(&uplink, wire), [0; 0]);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), pubrel(1));
    wire.send(&pubcomp(1));
    assert_eq!(delivered_until_up(&uplink), (vec![7], true));
}

#[test]
fn a_session_that_the_broker_has_lost_leaves_everything_to_the_bridge() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    for token in [7, 8] {
        send(&mut session, token, Qos::ExactlyOnce);
        wire.packet();
    }
    wire.send(&pubrec(1));
    cut(&uplink, wire);
    let (mut session, mut wire) = begin(&peer, &uplink);
    send(&mut session, 9, Qos::ExactlyOnce);
    assert_eq!(wire.packet(), published(QOS_2, 1, 9));
    // From here on it is a session again.
    cut(&uplink, wire);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), published(QOS_2 | DUP, 1, 9));
}

#[test]
fn releases_go_first_and_messages_in_their_order_and_nothing_else_before_all_is_acknowledged() {
    let peer = Peer::new();
    let mut options = keeping(peer.port());
    options.subscriptions = vec![(TopicFilter::new("b").unwrap(), Qos::AtMostOnce)];
    let uplink = Uplink::start(options);
    peer.wipe();
    let mut wire = peer.resume(false);
    let mut session = uplink.session();
    let subscribed = subscribe(b"\0\x01b\0");
    assert_eq!(wire.packet(), subscribed);
    for token in 1..=6 {
        let qos = if token == 3 { Qos::AtLeastOnce } else { Qos::ExactlyOnce };
        send(&mut session, token, qos);
        wire.packet();
    }
    wire.send(&[pubrec(4), pubrec(2)].concat());
    cut(&uplink, wire);

    let mut wire = peer.resume(true);
    let first = [
        pubrel(4),
        pubrel(2),
        published(QOS_2 | DUP, 1, 1),
        published(QOS_1 | DUP, 3, 3),
        published(QOS_2 | DUP, 5, 5),
        published(QOS_2 | DUP, 6, 6),
    ];
    assert_eq!([(); 6].map(|()| wire.packet()), first);
    // A kept subscription delivers before it is made again.
    wire.send(&publish("b", b"on", None, false));
    assert!(matches!(uplink.next(), LinkEvent::Received(_)));
    wire.send(&[pubcomp(2), puback(3), pubrec(1), pubrec(5), pubrec(6)].concat());
    assert_eq!([(); 3].map(|()| wire.packet()), [pubrel(1), pubrel(5), pubrel(6)]);
    wire.send(&[pubcomp(1), pubcomp(5), pubcomp(6)].concat());
    wire.send(&pubcomp(4));
    assert_eq!(delivered_until_up(&uplink), (vec![2, 3, 1, 5, 6, 4], true));
    assert_eq!(wire.packet(), subscribed);
}

#[test]
fn what_was_never_written_is_kept_too_and_written_after_what_was() {
    let peer = Peer::new();
    let mut options = keeping(peer.port());
    // For the flush; later all of it has to be read within that, on a busy machine too.
    options.client.connection_timeout = Duration::from_secs(10);
    let uplink = Uplink::start(options);
    peer.wipe();
    let wire = peer.resume(false);
    let mut session = uplink.session();
    // The peer does not read: what comes behind this is not written.
    let large = "x".repeat(32 << 20);
    session.publish(Token(1), &message("luigi/test/a", &large, Qos::ExactlyOnce)).unwrap();
    for (token, qos) in [(2, Qos::AtLeastOnce), (3, Qos::AtMostOnce), (4, Qos::ExactlyOnce)] {
        send(&mut session, token, qos);
    }
    let (tokens, down) = uplink.delivered_until_down();
    assert_eq!((tokens, down.cause.kind(), down.kept), (vec![], "flush timeout", true));
    drop(wire);

    let is_large = |(first, body): Packet| first == QOS_2 | DUP && body.len() == 16 + large.len();
    let mut wire = peer.resume(true);
    assert!(is_large(wire.packet()));
    // In the place of SUBSCRIBE, and of what was written next.
    let first = [published(QOS_1, 0, 2), (0x30, b"\0\x0cluigi/test/a3".to_vec()), published(QOS_2, 2, 4)];
    assert_eq!([(); 3].map(|()| wire.packet()), first);
    assert_eq!(cut(&uplink, wire), [3]);

    let mut wire = peer.resume(true);
    assert!(is_large(wire.packet()));
    let again = [published(QOS_1 | DUP, 0, 2), published(QOS_2 | DUP, 2, 4)];
    assert_eq!([(); 2].map(|()| wire.packet()), again);
    wire.send(&[pubrec(1), puback(0), pubrec(2)].concat());
    assert_eq!([(); 2].map(|()| wire.packet()), [pubrel(1), pubrel(2)]);
    wire.send(&[pubcomp(1), pubcomp(2)].concat());
    assert_eq!(delivered_until_up(&uplink), (vec![2, 1, 4], true));
}

#[test]
fn a_message_of_qos_0_in_a_cut_is_accounted_for_once() {
    let peer = Peer::new();
    let (uplink, mut session, wire) = up(&peer);
    send(&mut session, 1, Qos::AtMostOnce);
    // It was written by now, or will be then.
    let before = cut(&uplink, wire);
    let _wire = peer.resume(true);
    let (after, resumed) = delivered_until_up(&uplink);
    assert_eq!(([before, after].concat(), resumed), (vec![1], true));
}

#[test]
fn a_cut_while_it_resumes_loses_nothing() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    for token in 1..=3 {
        send(&mut session, token, Qos::ExactlyOnce);
        wire.packet();
    }
    cut(&uplink, wire);
    let mut wire = peer.resume(true);
    // All is read: a socket that is closed with something unread takes along what it has sent.
    assert_eq!([(); 3].map(|()| wire.packet()), [1, 2, 3].map(|it| published(QOS_2 | DUP, it, it.into())));
    wire.send(&pubrec(1));
    assert_eq!(wire.packet(), pubrel(1));
    assert_eq!(cut(&uplink, wire), [0; 0]);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), pubrel(1));
    assert_eq!([(); 2].map(|()| wire.packet()), [2, 3].map(|it| published(QOS_2 | DUP, it, it.into())));
    wire.send(&pubcomp(1));
    assert_eq!(cut(&uplink, wire), [1]);
    let mut wire = peer.resume(true);
    assert_eq!([(); 2].map(|()| wire.packet()), [2, 3].map(|it| published(QOS_2 | DUP, it, it.into())));
    wire.send(&[pubrec(2), pubrec(3)].concat());
    assert_eq!([(); 2].map(|()| wire.packet()), [2, 3].map(pubrel));
    wire.send(&[pubcomp(2), pubcomp(3)].concat());
    assert_eq!(delivered_until_up(&uplink), (vec![2, 3], true));
}

/// Has a message unfinished, then each of so many connections ended by `end` until the session is given up.
#[track_caller]
fn check_given_up(attempts: u32, kind: &str, end: impl Fn(Wire)) {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up_with(&peer, keeping_hastily(peer.port()));
    send(&mut session, 7, Qos::ExactlyOnce);
    wire.packet();
    cut(&uplink, wire);
    for _ in 0..attempts {
        let mut wire = peer.resume(true);
        assert_eq!(wire.packet(), published(QOS_2 | DUP, 1, 7));
        end(wire);
        let (delivered, down) = uplink.delivered_until_down();
        assert_eq!((delivered, down.cause.kind(), down.kept), (vec![], kind, true));
    }
    peer.wipe();
    let _wire = peer.resume(false);
    assert_eq!(delivered_until_up(&uplink), (vec![], false));
}

#[test]
fn a_broker_that_does_not_finish_is_given_up_after_three_attempts() {
    check_given_up(3, "unacknowledged", |mut wire| assert_eq!(wire.next(), None));
}

#[test]
fn a_broker_that_talks_nonsense_is_given_up_after_three_attempts() {
    check_given_up(3, "protocol", |mut wire| wire.send(&puback(99)));
}

#[test]
fn a_network_that_is_cut_while_it_resumes_has_more_attempts() {
    check_given_up(9, "closed by broker", drop);
}

#[test]
fn a_broker_that_acknowledges_in_the_wrong_way_is_begun_anew() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    send(&mut session, 7, Qos::ExactlyOnce);
    wire.packet();
    wire.send(&puback(1));
    assert_eq!(cut(&uplink, wire), [0; 0]);
    peer.wipe();
    let _wire = peer.resume(false);
    assert_eq!(delivered_until_up(&uplink), (vec![], false));
}

#[test]
fn a_packet_beyond_the_limit_ends_the_session_with_the_connection() {
    let peer = Peer::new();
    let (uplink, session, mut wire) = up(&peer);
    wire.send(&publish("b", &vec![0; 2 << 20], None, true));
    assert_eq!(uplink.down().cause.kind(), "oversize");
    drop(session);
    peer.wipe();
    let _wire = peer.resume(false);
    assert!(!uplink.session().resumed());
}

#[test]
fn an_abandoned_session_is_resumed() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    send(&mut session, 7, Qos::AtLeastOnce);
    wire.packet();
    session.abandon();
    let (delivered, down) = uplink.delivered_until_down();
    assert_eq!((delivered, down.cause.kind(), down.kept), (vec![], "unacknowledged", true));
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), published(QOS_1 | DUP, 1, 7));
    wire.send(&puback(1));
    assert_eq!(delivered_until_up(&uplink), (vec![7], true));
}

#[test]
fn what_comes_while_an_end_is_being_told_is_refused_rather_than_lost() {
    let peer = Peer::new();
    let (told, events) = bounded(1);
    let _link = Link::start(keeping(peer.port()), told).unwrap();
    peer.wipe();
    let mut wire = peer.resume(false);
    let Ok(LinkEvent::Up(mut session)) = events.recv_timeout(LIMIT) else { panic!("not up") };
    wire.packet();
    for token in 1..=3 {
        send(&mut session, token, Qos::AtLeastOnce);
        wire.packet();
    }
    // The last is an error, so that the others are told of when the connection has ended.
    wire.send(&[puback(1), puback(2), puback(9)].concat());
    wait_until(|| events.is_full());
    assert_eq!(session.publish(Token(4), &message("a", "4", Qos::AtLeastOnce)), Err(Full));
}

#[test]
fn an_idle_session_is_resumed_at_once() {
    let peer = Peer::new();
    let (uplink, _session, wire) = up(&peer);
    cut(&uplink, wire);
    let _wire = peer.resume(true);
    assert_eq!(delivered_until_up(&uplink), (vec![], true));
}

#[test]
fn a_failed_attempt_in_between_changes_nothing() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    send(&mut session, 7, Qos::AtLeastOnce);
    wire.packet();
    cut(&uplink, wire);
    drop(peer.accept());
    assert!(uplink.down().kept);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), published(QOS_1 | DUP, 1, 7));
}

#[test]
fn a_first_connection_that_fails_after_the_wipe_needs_no_other_wipe() {
    let peer = Peer::new();
    let uplink = Uplink::start(keeping(peer.port()));
    peer.wipe();
    drop(peer.accept());
    uplink.down();
    let _wire = peer.resume(false);
    assert!(!uplink.session().resumed());
}

#[test]
fn the_link_stops_with_a_disconnect_while_it_resumes() {
    let peer = Peer::new();
    let mut options = keeping(peer.port());
    options.client.connection_timeout = LIMIT;
    let uplink = Uplink::start(options);
    peer.wipe();
    let (mut session, mut wire) = begin(&peer, &uplink);
    send(&mut session, 7, Qos::ExactlyOnce);
    wire.packet();
    cut(&uplink, wire);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), published(QOS_2 | DUP, 1, 7));
    assert!(uplink.link.stop(LIMIT));
    assert_eq!(wire.packet(), (0xe0, vec![]));
}
