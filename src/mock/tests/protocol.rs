//! What MQTT 3.1.1 asks of a broker.

use super::super::exchange::MAX_KEPT;
use super::*;
use crate::mock::Login;
use crate::mock::Refusal;
use crate::mock::Settings;
use crate::mock::Subscription;
use crate::model::Qos;
use crate::model::Secret;
use crate::model::TopicFilter;

fn broker() -> Broker {
    Broker::start(Settings::default()).unwrap()
}

#[test]
fn each_qos_arrives_with_its_handshake_in_both_directions() {
    let broker = broker();
    let publishes = broker.publishes(10);
    let (mut from, mut to) = (Peer::clean(&broker, "from"), Peer::clean(&broker, "to"));
    to.subscribe(&[("t/#", QoS::ExactlyOnce)]);

    from.publish(0, "t/0", "a", QoS::AtMostOnce, false);
    assert_eq!(to.publish_received(), (0, "t/0".into(), "a".into(), QoS::AtMostOnce, false, false));

    from.publish(7, "t/1", "b", QoS::AtLeastOnce, false);
    assert_eq!(from.next(), Packet::PubAck(PubAck::new(7)));
    assert_eq!(to.publish_received(), (1, "t/1".into(), "b".into(), QoS::AtLeastOnce, false, false));
    to.send(Packet::PubAck(PubAck::new(1)));

    from.publish(8, "t/2", "c", QoS::ExactlyOnce, false);
    assert_eq!(from.next(), Packet::PubRec(PubRec::new(8)));
    from.send(Packet::PubRel(PubRel::new(8)));
    assert_eq!(from.next(), Packet::PubComp(PubComp::new(8)));
    assert_eq!(to.publish_received(), (2, "t/2".into(), "c".into(), QoS::ExactlyOnce, false, false));
    to.send(Packet::PubRec(PubRec::new(2)));
    assert_eq!(to.next(), Packet::PubRel(PubRel::new(2)));
    to.send(Packet::PubComp(PubComp::new(2)));
    to.assert_nothing_waits();

    let seen: Vec<_> = publishes.try_iter().map(|it| (it.client, it.topic, it.qos)).collect();
    assert_eq!(
        seen,
        [
            ("from".to_owned(), topic("t/0"), Qos::AtMostOnce),
            ("from".to_owned(), topic("t/1"), Qos::AtLeastOnce),
            ("from".to_owned(), topic("t/2"), Qos::ExactlyOnce),
        ]
    );
}

#[test]
fn a_message_arrives_at_the_lower_of_both_qos_and_once_for_overlapping_filters() {
    let broker = broker();
    let mut peer = Peer::clean(&broker, "pi");
    peer.subscribe(&[("a/b", QoS::AtMostOnce), ("a/+", QoS::AtLeastOnce), ("#", QoS::AtMostOnce)]);
    peer.publish(1, "a/b", "x", QoS::ExactlyOnce, false);
    assert_eq!(peer.publish_received(), (1, "a/b".into(), "x".into(), QoS::AtLeastOnce, false, false));
    assert_eq!(peer.next(), Packet::PubRec(PubRec::new(1)));
    peer.publish(0, "a/b", "y", QoS::AtMostOnce, false);
    assert_eq!(peer.publish_received(), (0, "a/b".into(), "y".into(), QoS::AtMostOnce, false, false));
    peer.assert_nothing_waits();
}

#[test]
fn a_qos_2_message_sent_again_counts_once_until_it_is_released() {
    let broker = broker();
    let publishes = broker.publishes(10);
    let (mut peer, _) = Peer::kept(&broker, "pi");
    for payload in ["a", "b"] {
        peer.publish(1, "t", payload, QoS::ExactlyOnce, false);
        assert_eq!(peer.next(), Packet::PubRec(PubRec::new(1)));
        drop(peer);
        peer = Peer::kept(&broker, "pi").0;
        peer.publish(1, "t", payload, QoS::ExactlyOnce, false);
        assert_eq!(peer.next(), Packet::PubRec(PubRec::new(1)));
        peer.send(Packet::PubRel(PubRel::new(1)));
        assert_eq!(peer.next(), Packet::PubComp(PubComp::new(1)));
    }
    let payloads: Vec<_> = publishes.try_iter().map(|it| it.payload.to_vec()).collect();
    assert_eq!(payloads, [b"a", b"b"]);
}

#[test]
fn a_retained_message_is_kept_shown_to_newcomers_and_deleted_by_an_empty_one() {
    let broker = broker();
    let mut peer = Peer::clean(&broker, "pi");
    peer.subscribe(&[("a/live", QoS::AtMostOnce)]);
    peer.publish(0, "a/live", "on", QoS::AtMostOnce, true);
    assert_eq!(peer.publish_received(), (0, "a/live".into(), "on".into(), QoS::AtMostOnce, false, false));
    peer.publish(0, "a/other", "x", QoS::AtMostOnce, true);
    peer.publish(0, "a/other", "", QoS::AtMostOnce, true);
    peer.publish(0, "a/news", "x", QoS::AtMostOnce, false);
    peer.assert_nothing_waits();
    assert_eq!(broker.retained(&topic("a/live")).unwrap(), b"on");
    assert_eq!(broker.retained(&topic("a/other")), None);

    let mut late = Peer::clean(&broker, "late");
    late.subscribe(&[("a/#", QoS::AtLeastOnce), ("+/live", QoS::AtLeastOnce)]);
    assert_eq!(late.publish_received(), (0, "a/live".into(), "on".into(), QoS::AtMostOnce, true, false));
    late.assert_nothing_waits();
}

#[test]
fn no_more_is_retained_than_there_is_room_for() {
    let broker = broker();
    let mut peer = Peer::clean(&broker, "a");
    for at in 0..=MAX_KEPT {
        peer.send(Packet::Publish(Publish {
            retain: true,
            ..Publish::new(format!("t/{at}"), QoS::AtMostOnce, "1")
        }));
    }
    peer.send(Packet::Publish(Publish { retain: true, ..Publish::new("t/0", QoS::AtMostOnce, "2") }));
    peer.send(Packet::PingReq);
    assert_eq!(peer.next(), Packet::PingResp);
    let retained = |at: usize| broker.retained(&Topic::new(format!("t/{at}")).unwrap());
    assert_eq!(retained(0).as_deref(), Some(&b"2"[..]));
    assert!(retained(MAX_KEPT - 1).is_some());
    assert_eq!(retained(MAX_KEPT), None);
}

#[test]
fn filters_are_granted_listed_refused_and_given_up() {
    let broker = broker();
    let mut peer = Peer::clean(&broker, "pi");
    let granted =
        peer.subscribe(&[("b", QoS::ExactlyOnce), ("a/#/b", QoS::AtMostOnce), ("a", QoS::AtMostOnce)]);
    assert_eq!(
        granted,
        [
            SubscribeReasonCode::Success(QoS::ExactlyOnce),
            SubscribeReasonCode::Failure,
            SubscribeReasonCode::Success(QoS::AtMostOnce)
        ]
    );
    let subscription =
        |filter, qos| Subscription { client: "pi".into(), filter: TopicFilter::new(filter).unwrap(), qos };
    let both = [subscription("a", Qos::AtMostOnce), subscription("b", Qos::ExactlyOnce)];
    assert_eq!(broker.subscriptions(), both);
    peer.send(Packet::Unsubscribe(Unsubscribe { pkid: 3, ..Unsubscribe::new("b") }));
    assert_eq!(peer.next(), Packet::UnsubAck(codec::v4::UnsubAck::new(3)));
    assert_eq!(broker.subscriptions(), both[..1]);
    broker.publish(&topic("b"), "x", false);
    peer.assert_nothing_waits();
}

#[test]
fn a_kept_session_holds_subscriptions_and_messages_while_its_client_is_away() {
    let broker = broker();
    let (mut peer, present) = Peer::kept(&broker, "pi");
    assert!(!present);
    peer.subscribe(&[("t", QoS::AtLeastOnce)]);
    broker.publish(&topic("t"), "unacknowledged", false);
    peer.publish_received();
    drop(peer);
    wait_until("the client is gone", || broker.connected() == 0);
    broker.publish(&topic("t"), "while away", false);

    let (mut peer, present) = Peer::kept(&broker, "pi");
    assert!(present);
    let again = (1, "t".into(), "unacknowledged".into(), QoS::AtLeastOnce, false, true);
    assert_eq!(peer.publish_received(), again);
    assert_eq!(peer.publish_received(), (2, "t".into(), "while away".into(), QoS::AtLeastOnce, false, false));
    peer.send(Packet::PubAck(PubAck::new(1)));
    peer.send(Packet::PubAck(PubAck::new(2)));
    peer.send(Packet::Disconnect);
    peer.assert_closed();

    let mut clean = Peer::clean(&broker, "pi");
    clean.assert_nothing_waits();
    drop(clean);
    wait_until("the client is gone", || broker.connected() == 0);
    assert!(!Peer::kept(&broker, "pi").1, "a clean session ends the kept one");
}

#[test]
fn a_will_follows_every_end_but_disconnect() {
    let broker = broker();
    let publishes = broker.publishes(10);
    let with_will = |payload| Connect {
        last_will: Some(LastWill::new("w", payload, QoS::AtLeastOnce, true)),
        ..Connect::new("pi")
    };
    let (mut peer, _) = Peer::connect_with(&broker, with_will("suppressed"));
    peer.send(Packet::Disconnect);
    peer.assert_closed();
    drop(Peer::connect_with(&broker, with_will("offline")));
    let publish = publishes.recv_timeout(LIMIT).unwrap();
    assert_eq!((publish.client.as_str(), &*publish.payload, publish.retain), ("pi", &b"offline"[..], true));
    assert_eq!((publish.topic, publish.qos), (topic("w"), Qos::AtLeastOnce));
    assert_eq!(broker.retained(&topic("w")).unwrap(), b"offline");
    assert!(publishes.is_empty());
}

#[test]
fn a_second_client_of_the_same_name_closes_the_first() {
    let broker = broker();
    let publishes = broker.publishes(10);
    let connect = Connect {
        last_will: Some(LastWill::new("w", "taken over", QoS::AtMostOnce, false)),
        clean_session: false,
        ..Connect::new("pi")
    };
    let (mut first, _) = Peer::connect_with(&broker, connect.clone());
    first.subscribe(&[("t", QoS::AtMostOnce)]);
    let (mut second, present) = Peer::connect_with(&broker, connect);
    first.assert_closed();
    assert!(present);
    assert_eq!(broker.connected(), 1);
    assert_eq!(&*publishes.recv_timeout(LIMIT).unwrap().payload, b"taken over");
    broker.publish(&topic("t"), "x", false);
    second.publish_received();
}

#[test]
fn a_client_silent_for_one_and_a_half_keep_alives_is_gone() {
    let broker = broker();
    let publishes = broker.publishes(10);
    let will = Some(LastWill::new("w", "offline", QoS::AtMostOnce, false));
    let started = Instant::now();
    let connect = Connect { keep_alive: 1, last_will: will, ..Connect::new("pi") };
    let (mut peer, _) = Peer::connect_with(&broker, connect);
    peer.assert_closed();
    assert!(started.elapsed() >= Duration::from_millis(1_500), "{:?}", started.elapsed());
    assert_eq!(&*publishes.recv_timeout(LIMIT).unwrap().payload, b"offline");
}

#[test]
fn connects_are_recorded_as_they_were() {
    let broker = broker();
    let mut connect = Connect { keep_alive: 17, clean_session: false, ..Connect::new("pi") };
    connect.last_will = Some(LastWill::new("w", "offline", QoS::ExactlyOnce, true));
    connect.set_login("joe", "secret");
    let (_peer, _) = Peer::connect_with(&broker, connect);
    let (_nameless, _) = Peer::connect_with(&broker, Connect::new(""));
    let connects = broker.connects();
    assert_eq!(broker.connect_count(), 2);
    let first = &connects[0];
    assert_eq!((first.client.as_str(), first.user_name.as_deref()), ("pi", Some("joe")));
    assert_eq!((first.clean_session, first.keep_alive), (false, Duration::from_secs(17)));
    assert_eq!((&first.password, first.refusal), (&Some(Secret::new("secret")), None));
    let will = first.will.as_ref().unwrap();
    assert_eq!((will.topic.as_str(), &*will.payload), ("w", &b"offline"[..]));
    assert_eq!((will.qos, will.retain), (Qos::ExactlyOnce, true));
    assert!(!connects[1].client.is_empty(), "a client without a name is given one");
}

#[test]
fn only_the_right_password_connects() {
    let login = Login { user_name: "joe".into(), password: Secret::new("right") };
    let broker = Broker::start(Settings { login: Some(login), ..Settings::default() }).unwrap();
    for (user, password, refusal) in [
        ("joe", "right", None),
        ("joe", "wrong", Some(Refusal::NotAuthorized)),
        ("jim", "right", Some(Refusal::NotAuthorized)),
        ("", "", Some(Refusal::NotAuthorized)),
    ] {
        let mut connect = Connect::new("pi");
        connect.set_login(user, password);
        let mut peer = Peer::dial(&broker);
        peer.send(Packet::Connect(connect));
        let Packet::ConnAck(answer) = peer.next() else { panic!("no CONNACK") };
        assert_eq!(answer.code as u8, if refusal.is_some() { 5 } else { 0 }, "{user} {password}");
        assert_eq!(broker.connects().last().unwrap().refusal, refusal);
        if refusal.is_some() {
            peer.assert_closed();
        }
    }
}

#[test]
fn what_the_standard_forbids_ends_the_connection() {
    let broker = broker();
    let connect = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02pi".as_slice();
    for (bytes, what) in [
        (&b"\xc0\x00"[..], "PINGREQ before CONNECT"),
        (b"\x10\x0e\x00\x04MQTT\x04\x03\x00\x00\x00\x02pi", "the reserved flag of CONNECT"),
        (b"\x10\x0e\x00\x04MQTX\x04\x02\x00\x00\x00\x02pi", "another protocol"),
        (b"GET / HTTP/1.1\r\n\r\n", "a browser"),
        (b"\x10\xff\xff\xff\xff\x01", "a length of five bytes"),
        (b"\x10\xff\xff\xff\x7f", "256 MB"),
    ] {
        let mut peer = Peer::dial(&broker);
        peer.stream.write_all(bytes).unwrap();
        assert_eq!(peer.poll(), None, "{what}");
    }
    for (bytes, what) in [
        (connect, "a second CONNECT"),
        (b"\x80\x06\x00\x01\x00\x01a\x00", "SUBSCRIBE with wrong flags"),
        (b"\x82\x06\x00\x00\x00\x01a\x00", "SUBSCRIBE without identifier"),
        (b"\x82\x06\x00\x01\x00\x01a\x03", "QoS 3"),
        (b"\x82\x02\x00\x01", "SUBSCRIBE to nothing"),
        (b"\xa2\x02\x00\x01", "UNSUBSCRIBE from nothing"),
        (b"\x60\x02\x00\x01", "PUBREL with wrong flags"),
        (b"\x30\x03\x00\x01#", "PUBLISH to a filter"),
        (b"\x30\x02\x00\x00", "PUBLISH without topic"),
        (b"\x36\x05\x00\x01a\x00\x01", "PUBLISH with QoS 3"),
        (b"\x32\x05\x00\x01a\x00\x00", "PUBLISH without identifier"),
        (b"\x20\x02\x00\x00", "a broker's packet"),
        (b"\xf0\x00", "a packet of MQTT 5"),
    ] {
        let mut peer = Peer::dial(&broker);
        peer.stream.write_all(connect).unwrap();
        assert_eq!(peer.next(), Packet::ConnAck(ConnAck::new(codec::v4::ConnectReturnCode::Success, false)));
        peer.stream.write_all(bytes).unwrap();
        assert_eq!(peer.poll(), None, "{what}");
    }
    wait_until("all records are cleared away", || broker.connected() == 0);
}

#[test]
fn other_versions_and_nameless_kept_sessions_are_told_why() {
    let broker = broker();
    for (bytes, code) in [
        (&b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02pi"[..], 1),
        (b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x00\x00\x02pi", 1),
        (b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00", 2),
    ] {
        let mut peer = Peer::dial(&broker);
        peer.stream.write_all(bytes).unwrap();
        let Packet::ConnAck(answer) = peer.next() else { panic!("no CONNACK") };
        assert_eq!(answer.code as u8, code);
        peer.assert_closed();
    }
}

#[test]
fn a_client_that_stops_reading_loses_its_connection_and_the_others_do_not_wait_for_it() {
    let broker = broker();
    let (mut deaf, mut other) = (Peer::clean(&broker, "deaf"), Peer::clean(&broker, "other"));
    deaf.subscribe(&[("big", QoS::AtMostOnce)]);
    // More than the sockets' buffers take.
    for _ in 0..5 {
        broker.publish(&topic("big"), vec![b'x'; 4_000_000], false);
    }
    wait_until("the connection is closed", || broker.connected() == 1);
    other.assert_nothing_waits();
}

#[test]
fn a_packet_may_come_byte_by_byte_and_many_at_once() {
    let broker = broker();
    let mut peer = Peer::dial(&broker);
    for byte in b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02pi" {
        peer.stream.write_all(&[*byte]).unwrap();
    }
    assert!(matches!(peer.next(), Packet::ConnAck(_)));
    peer.stream.write_all(&b"\xc0\x00".repeat(1_000)).unwrap();
    for _ in 0..1_000 {
        assert_eq!(peer.next(), Packet::PingResp);
    }
}

#[test]
fn nothing_that_strangers_send_stops_the_broker() {
    let broker = broker();
    let mut random = fastrand::Rng::with_seed(2);
    let mut connected = BytesMut::new();
    Packet::Connect(Connect::new("x")).write(&mut connected, usize::MAX).unwrap();
    for round in 0..300 {
        let mut peer = Peer::dial(&broker);
        if round % 2 == 0 {
            peer.stream.write_all(&connected).unwrap();
        }
        let mut bytes: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
        if round % 3 == 0 {
            bytes[0] = (random.u8(1..15) << 4) | random.u8(..16);
            if let Some(length) = bytes.get_mut(1) {
                *length = random.u8(..64);
            }
        }
        let _ = peer.stream.write_all(&bytes); // The broker may have hung up already.
    }
    wait_until("all records are cleared away", || broker.connected() == 0);
    Peer::clean(&broker, "after").assert_nothing_waits();
}
