//! The link against a scripted peer that is subscribed to while a session is up.

use crate::model::Qos;
use crate::model::Token;
use crate::model::TopicFilter;

use super::kept_tests::{self, QOS_2, cut, delivered_until_up, pubcomp, published, pubrec};
use super::peer::{Peer, options, puback, publish};
use super::tests::{Uplink, send};
use super::{Full, LinkEvent, Session};

fn filter(text: &str) -> TopicFilter {
    TopicFilter::new(text).unwrap()
}

fn filters(texts: &[&str]) -> Vec<(TopicFilter, Qos)> {
    texts.iter().map(|it| (filter(it), Qos::AtLeastOnce)).collect()
}

/// The answer that comes next, each filter with a sign that says whether it is granted.
#[track_caller]
fn answer(uplink: &Uplink) -> String {
    match uplink.next() {
        LinkEvent::Subscribed(filters) => {
            let sign = |granted: &bool| if *granted { '+' } else { '-' };
            filters.iter().map(|(filter, granted)| format!("{}{filter}", sign(granted))).collect()
        }
        LinkEvent::Unsubscribed => "unsubscribed".to_owned(),
        other => panic!("expected an answer, found {other:?}"),
    }
}

/// A SUBSCRIBE for `filters`, each with its QoS.
fn subscribe(packet_id: u8, filters: &[(&str, u8)]) -> (u8, Vec<u8>) {
    let filter = |(filter, qos): &(&str, u8)| [&[0, filter.len() as u8], filter.as_bytes(), &[*qos]].concat();
    (0x82, [vec![0, packet_id], filters.iter().flat_map(filter).collect()].concat())
}

fn suback(packet_id: u8, codes: &[u8]) -> Vec<u8> {
    [&[0x90, 2 + codes.len() as u8, 0, packet_id], codes].concat()
}

fn unsuback(packet_id: u8) -> [u8; 4] {
    [0xb0, 2, 0, packet_id]
}

const UNSUBSCRIBE: u8 = 0xa2;

#[test]
fn one_question_after_the_other_is_answered_beginning_with_that_of_the_options() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.subscriptions = filters(&["birth"]);
    let uplink = Uplink::start(options);
    let mut wire = peer.log_in();
    let mut session = uplink.session();
    let wanted = [(filter("a"), Qos::AtMostOnce), (filter("b/#"), Qos::ExactlyOnce)];
    assert_eq!(session.subscribe(&wanted), Err(Full));
    assert_eq!(wire.packet(), subscribe(1, &[("birth", 1)]));
    wire.send(&suback(1, &[1]));
    assert_eq!(answer(&uplink), "+birth");

    assert_eq!(session.subscribe(&wanted), Ok(2));
    assert!(session.unanswered_since().is_some());
    assert_eq!(session.subscribe(&wanted), Err(Full));
    assert_eq!(session.unsubscribe(&[filter("a")]), Err(Full));
    // Not QoS 2.
    assert_eq!(wire.packet(), subscribe(2, &[("a", 0), ("b/#", 1)]));
    wire.send(&suback(2, &[0x80, 1]));
    assert_eq!(answer(&uplink), "-a+b/#");
    assert_eq!(session.unanswered_since(), None);

    assert_eq!(session.unsubscribe(&[filter("b/#"), filter("a")]), Ok(1));
    assert_eq!(session.subscribe(&wanted), Err(Full));
    assert_eq!(wire.packet(), (UNSUBSCRIBE, b"\0\x03\0\x03b/#".to_vec()));
    wire.send(&unsuback(3));
    assert_eq!(answer(&uplink), "unsubscribed");
    assert_eq!((session.subscribe(&[]), session.unsubscribe(&[])), (Ok(0), Ok(0)));
    assert_eq!((session.unanswered_since(), uplink.events.len()), (None, 0));
}

#[test]
fn what_answers_no_question_is_none_and_what_is_left_out_of_an_answer_is_not_granted() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = Uplink::up(&peer);
    wire.send(&[suback(1, &[1]), unsuback(1).to_vec()].concat());
    session.subscribe(&filters(&["a", "b"])).unwrap();
    wire.packet();
    wire.send(&[suback(2, &[1, 1]), unsuback(1).to_vec(), suback(1, &[1]), suback(1, &[1, 1])].concat());
    assert_eq!(answer(&uplink), "+a-b");
    session.unsubscribe(&[filter("a")]).unwrap();
    wire.packet();
    wire.send(&[suback(2, &[1]), unsuback(1).to_vec(), unsuback(2).to_vec(), unsuback(2).to_vec()].concat());
    assert_eq!(answer(&uplink), "unsubscribed");
    drop(wire);
    assert_eq!(uplink.down().cause.kind(), "closed by broker");
}

#[test]
fn one_packet_takes_a_hundred_filters_or_32_kib_and_always_one() {
    for (count, bytes, taken) in
        [(99, 10, 99), (100, 10, 100), (5000, 10, 100), (100, 1024, 32), (3, 20_000, 1), (3, 60_000, 1)]
    {
        let peer = Peer::new();
        let (uplink, mut session, mut wire) = Uplink::up(&peer);
        let wanted: Vec<_> =
            (0..count).map(|it| (filter(&format!("{it:0bytes$}")), Qos::AtLeastOnce)).collect();
        assert_eq!(session.subscribe(&wanted), Ok(taken), "{count} of {bytes} bytes");
        let (first, body) = wire.packet();
        assert_eq!((first, body.len()), (0x82, 2 + taken * (bytes + 3)));
        wire.send(&[&[0x90, 2 + taken as u8, 0, 1], &vec![1; taken][..]].concat());
        assert_eq!(answer(&uplink).matches('+').count(), taken);
    }
}

#[test]
fn messages_for_a_subscription_arrive_before_its_answer() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = Uplink::up(&peer);
    session.subscribe(&filters(&["a"])).unwrap();
    wire.packet();
    wire.send(&[publish("a", b"on", None, true), suback(1, &[1])].concat());
    assert!(matches!(uplink.next(), LinkEvent::Received(it) if *it.payload == *b"on"));
    assert_eq!(answer(&uplink), "+a");
}

#[test]
fn questions_wait_for_a_message_that_is_not_acknowledged_before_identifiers_come_round() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.client.max_in_flight = 10;
    let uplink = Uplink::start(options);
    let mut wire = peer.log_in();
    let mut session = uplink.session();
    send(&mut session, 1, Qos::AtLeastOnce);
    assert_eq!(wire.packet().0, 0x32);
    // 76 identifiers, of which 38 are left to messages that may be waiting, and one to the last question.
    for packet_id in 2..=38 {
        session.subscribe(&filters(&["a"])).unwrap();
        assert_eq!(wire.packet(), subscribe(packet_id, &[("a", 1)]));
        wire.send(&suback(packet_id, &[1]));
        if packet_id < 38 {
            assert_eq!(answer(&uplink), "+a");
        }
    }
    // All that its window may ever allow a bridge.
    for token in 2..=20 {
        send(&mut session, token, Qos::AtLeastOnce);
        assert_eq!(wire.packet().0, 0x32);
    }
    assert_eq!((session.subscribe(&filters(&["a"])), uplink.events.len()), (Err(Full), 0));
    wire.send(&puback(1));
    assert!(matches!(uplink.next(), LinkEvent::Delivered(Token(1))));
    assert_eq!(answer(&uplink), "+a");
}

#[test]
fn a_session_ends_whatever_is_asked() {
    type End = fn(&Session);
    let ends: [(End, &str); 2] =
        [(Session::disconnect, "disconnected"), (Session::abandon, "unacknowledged")];
    type Ask = fn(&mut Session) -> Result<usize, Full>;
    let asks: [Ask; 2] = [|it| it.subscribe(&filters(&["a"])), |it| it.unsubscribe(&[filter("a")])];
    for (end, kind) in ends {
        for ask in asks {
            let peer = Peer::new();
            let (uplink, mut session, mut wire) = Uplink::up(&peer);
            assert_eq!(ask(&mut session), Ok(1));
            end(&session);
            assert_eq!(ask(&mut session), Err(Full));
            wire.packet();
            assert_eq!(uplink.down().cause.kind(), kind);
            // And the next one may ask.
            let mut wire = peer.log_in();
            let mut session = uplink.session();
            assert_eq!(ask(&mut session), Ok(1));
            assert_eq!(wire.packet().1[..2], [0, 1]);
        }
    }
}

/// Subscribes to `filters` one by one, all of which are granted, and then the peer sends a packet beyond the limit.
#[track_caller]
fn send_too_much_after(peer: &Peer, uplink: &Uplink, filters: &[(TopicFilter, Qos)]) -> Session {
    let mut wire = peer.log_in();
    let mut session = uplink.session();
    for (nth, filter) in filters.iter().enumerate() {
        assert_eq!(session.subscribe(&filters[nth..]), Ok(1));
        let packet_id = nth as u8 + 1;
        assert_eq!(wire.packet(), subscribe(packet_id, &[(filter.0.as_str(), 1)]));
        wire.send(&suback(packet_id, &[1]));
        assert_eq!(answer(uplink), format!("+{}", filter.0));
    }
    wire.send(&publish("x", &[0; 2000], None, true));
    assert_eq!(uplink.down().cause.kind(), "oversize");
    session
}

#[test]
fn a_filter_at_which_packets_beyond_the_limit_come_is_found_and_left_out() {
    let peer = Peer::new();
    let mut options = options(peer.port());
    options.client.max_packet_bytes = 1024;
    let uplink = Uplink::start(options);
    let wanted = filters(&["a", "b", "c"]);
    let mut wire = peer.log_in();
    let mut session = uplink.session();
    assert_eq!(session.subscribe(&wanted), Ok(3));
    wire.packet();
    wire.send(&publish("b", &[0; 2000], None, true));
    assert_eq!(uplink.down().cause.kind(), "oversize");

    send_too_much_after(&peer, &uplink, &wanted[..2]);
    // b is left out. What has only that to pass on writes no SUBSCRIBE, and is answered all the same.
    let mut wire = peer.log_in();
    let mut session = uplink.session();
    assert_eq!(session.subscribe(&wanted[1..]), Ok(1));
    assert_eq!(wire.packet().0, UNSUBSCRIBE);
    wire.send(&unsuback(1));
    assert_eq!(answer(&uplink), "-b");
    drop(wire);
    assert_eq!(uplink.down().cause.kind(), "closed by broker");
    // Nor is it later, in one packet with others.
    let mut wire = peer.log_in();
    let mut session = uplink.session();
    assert_eq!(session.subscribe(&wanted), Ok(3));
    assert_eq!(wire.packet(), subscribe(1, &[("a", 1), ("c", 1)]));
    wire.send(&suback(1, &[1, 0x80]));
    assert_eq!(answer(&uplink), "+a-b-c");
}

#[test]
fn what_was_asked_and_not_answered_is_not_asked_again_by_the_link_in_a_session_that_was_kept() {
    let peer = Peer::new();
    let (uplink, mut session, mut wire) = kept_tests::up(&peer);
    wire.send(&suback(1, &[0]));
    assert_eq!(answer(&uplink), "", "the topic is the link's own");
    send(&mut session, 7, Qos::ExactlyOnce);
    assert_eq!(wire.packet(), published(QOS_2, 1, 7));
    session.subscribe(&filters(&["a"])).unwrap();
    send(&mut session, 8, Qos::ExactlyOnce);
    assert_eq!((wire.packet(), wire.packet()), (subscribe(3, &[("a", 1)]), published(QOS_2, 3, 8)));
    assert!(cut(&uplink, wire).is_empty());

    let mut wire = peer.resume(true);
    for (nth, token) in [(1, 7), (3, 8)] {
        assert_eq!(wire.packet(), published(QOS_2 | kept_tests::DUP, nth, token));
    }
    // The answer to the question of the connection before is none.
    wire.send(&[suback(3, &[1]), pubrec(1).to_vec(), pubrec(3).to_vec()].concat());
    wire.send(&[pubcomp(1), pubcomp(3)].concat());
    assert_eq!(delivered_until_up(&uplink), (vec![7, 8], true));
    for nth in [1, 3] {
        assert_eq!(wire.packet(), kept_tests::pubrel(nth));
    }
    assert_eq!(wire.packet(), kept_tests::subscribe(b""));
}
