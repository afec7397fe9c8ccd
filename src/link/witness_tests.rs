//! The link against a scripted peer that has left a login unanswered, so that its session may be a new one.

use crate::model::Qos;

use super::kept_tests::{
    DUP, Packet, QOS_2, begin, cut, delivered_until_up, keeping, keeping_hastily, pubcomp, published, pubrec,
    pubrel, up, up_with,
};
use super::peer::{Peer, Wire, publish};
use super::tests::{Uplink, send};
use super::{LinkEvent, Options};

/// A link that has one message to release at `peer`, and has just been cut.
fn releasing(peer: &Peer) -> Uplink {
    releasing_with(peer, keeping(peer.port()))
}

/// One with little patience.
fn hastily_releasing(peer: &Peer) -> Uplink {
    releasing_with(peer, keeping_hastily(peer.port()))
}

fn releasing_with(peer: &Peer, options: Options) -> Uplink {
    let (uplink, mut session, mut wire) = up_with(peer, options);
    send(&mut session, 7, Qos::ExactlyOnce);
    assert_eq!(wire.packet(), published(QOS_2, 1, 7));
    wire.send(&pubrec(1));
    cut(&uplink, wire);
    uplink
}

/// Takes a login without an answer.
#[track_caller]
fn leave_unanswered(peer: &Peer, uplink: &Uplink) {
    assert_eq!(peer.accept().packet().0, 0x10);
    assert_eq!(cut_kind(uplink), "closed unanswered");
}

/// What ended the connection, on which nothing was delivered.
#[track_caller]
fn cut_kind(uplink: &Uplink) -> &'static str {
    let (tokens, down) = uplink.delivered_until_down();
    assert_eq!((tokens, down.kept), (vec![], true));
    down.cause.kind()
}

/// The next connection, whose session is said to be present, and the question that comes there first.
#[track_caller]
fn asked(peer: &Peer) -> (Wire, Packet) {
    let mut wire = peer.resume(true);
    let question = wire.packet();
    assert_eq!((question.0, &question.1[..33]), (0x30, &b"\0\x1fluigi/test/availability/session"[..]));
    assert_eq!(wire.packet(), (0xc0, vec![]));
    (wire, question)
}

fn echo(wire: &mut Wire, (first, body): &Packet) {
    wire.send(&[&[*first, body.len() as u8], &body[..]].concat());
}

const PINGRESP: [u8; 2] = [0xd0, 0];

#[test]
fn a_session_that_was_lost_unseen_delivers_nothing_falsely_and_everything_again() {
    let peer = Peer::new();
    let uplink = hastily_releasing(&peer);
    leave_unanswered(&peer, &uplink);
    // The session that the last login made: nobody has subscribed in it.
    let (mut wire, _) = asked(&peer);
    wire.send(&PINGRESP);
    assert_eq!(wire.next(), None, "not a PUBREL");
    assert_eq!(cut_kind(&uplink), "unacknowledged");
    peer.wipe();
    let (mut session, mut wire) = begin(&peer, &uplink);
    send(&mut session, 7, Qos::ExactlyOnce);
    assert_eq!(wire.packet(), published(QOS_2, 1, 7));
}

#[test]
fn a_session_that_was_kept_through_an_unanswered_login_is_resumed_and_nothing_is_sent_twice() {
    let peer = Peer::new();
    let uplink = releasing(&peer);
    leave_unanswered(&peer, &uplink);
    let (mut wire, question) = asked(&peer);
    wire.send(&PINGRESP);
    echo(&mut wire, &question);
    assert_eq!(wire.packet(), pubrel(1));
    wire.send(&pubcomp(1));
    assert_eq!(delivered_until_up(&uplink), (vec![7], true));
    // From here on it is certain again.
    drop(wire);
    uplink.down();
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet().0, 0x82);
}

#[test]
fn a_cut_while_it_waits_for_the_witness_changes_nothing() {
    let peer = Peer::new();
    let uplink = releasing(&peer);
    leave_unanswered(&peer, &uplink);
    let (mut wire, first) = asked(&peer);
    // Not an answer: it is from somebody else, or late.
    echo(&mut wire, &(first.0, [&first.1[..33], b"1234567890abcdef"].concat()));
    drop(wire);
    assert_eq!(cut_kind(&uplink), "closed by broker");
    let (wire, second) = asked(&peer);
    assert_ne!(first, second);
    drop(wire);
    assert_eq!(cut_kind(&uplink), "closed by broker");
    let (mut wire, question) = asked(&peer);
    echo(&mut wire, &question);
    assert_eq!(wire.packet(), pubrel(1));
    wire.send(&pubcomp(1));
    assert_eq!(delivered_until_up(&uplink), (vec![7], true));
}

#[test]
fn a_broker_that_says_nothing_at_all_speaks_neither_for_nor_against_its_session() {
    let peer = Peer::new();
    let uplink = hastily_releasing(&peer);
    leave_unanswered(&peer, &uplink);
    let (mut wire, _) = asked(&peer);
    assert_eq!(wire.next(), None);
    assert_eq!(cut_kind(&uplink), "keep alive");
    let (mut wire, question) = asked(&peer);
    echo(&mut wire, &question);
    assert_eq!(wire.packet(), pubrel(1));
}

#[test]
fn messages_are_received_while_it_waits_for_the_witness_and_its_own_are_not() {
    let peer = Peer::new();
    let uplink = releasing(&peer);
    leave_unanswered(&peer, &uplink);
    let (mut wire, question) = asked(&peer);
    wire.send(&publish("b", b"on", None, false));
    assert!(matches!(uplink.next(), LinkEvent::Received(it) if it.topic.as_str() == "b"));
    echo(&mut wire, &question);
    // As with subscriptions that overlap.
    echo(&mut wire, &question);
    assert_eq!(wire.packet(), pubrel(1));
    wire.send(&pubcomp(1));
    assert_eq!(delivered_until_up(&uplink), (vec![7], true));
}

#[test]
fn nothing_is_asked_after_a_login_that_was_refused() {
    let peer = Peer::new();
    let uplink = releasing(&peer);
    let mut wire = peer.accept();
    wire.packet();
    wire.send(&[0x20, 2, 0, 3]);
    assert_eq!(cut_kind(&uplink), "refused: unavailable");
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), pubrel(1));
}

#[test]
fn nothing_is_asked_where_nothing_is_to_be_released() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = up(&peer);
    send(&mut session, 7, Qos::ExactlyOnce);
    wire.packet();
    cut(&uplink, wire);
    leave_unanswered(&peer, &uplink);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), published(QOS_2 | DUP, 1, 7));
    wire.send(&pubrec(1));
    assert_eq!(wire.packet(), pubrel(1));
    // What was received by this session is for this session to release.
    cut(&uplink, wire);
    let mut wire = peer.resume(true);
    assert_eq!(wire.packet(), pubrel(1));
}

#[test]
fn the_link_stops_with_a_disconnect_while_it_waits_for_the_witness() {
    let peer = Peer::new();
    let uplink = releasing(&peer);
    leave_unanswered(&peer, &uplink);
    let (mut wire, _) = asked(&peer);
    assert!(uplink.link.stop(super::peer::LIMIT));
    assert_eq!(wire.packet(), (0xe0, vec![]));
}
