//! What the mock broker does wrong on request, and how it is stopped, cut and observed.

use super::*;
use crate::mock::Faults;
use crate::mock::Refusal;
use crate::mock::Settings;
use crate::model::TopicFilter;

fn broker(faults: Faults) -> Broker {
    Broker::start(faults).unwrap()
}

#[test]
fn a_late_connack_is_late_and_what_came_before_it_is_answered_after_it() {
    let broker = broker(Faults { connack_delay: Some(Duration::from_millis(80)), ..Faults::default() });
    let started = Instant::now();
    let mut peer = Peer::dial(&broker);
    peer.send(Packet::Connect(Connect::new("pi")));
    peer.send(Packet::PingReq);
    assert!(matches!(peer.next(), Packet::ConnAck(_)));
    assert!(started.elapsed() >= Duration::from_millis(80));
    assert_eq!(peer.next(), Packet::PingResp);
}

#[test]
fn a_silent_broker_sends_nothing_and_forgets_whoever_leaves() {
    let broker = broker(Faults::default());
    let mut open = Peer::clean(&broker, "open");
    broker.set_faults(Faults { silent: true, ..Faults::default() });
    let mut peer = Peer::dial(&broker);
    peer.send(Packet::Connect(Connect::new("pi")));
    wait_until("CONNECT is recorded", || broker.connect_count() == 2);
    open.send(Packet::PingReq);
    let publishes = broker.publishes(1);
    open.publish(1, "t", "heard", QoS::AtLeastOnce, false);
    publishes.recv_timeout(LIMIT).unwrap();
    for peer in [&peer, &open] {
        peer.stream.set_nonblocking(true).unwrap();
        assert_eq!((&peer.stream).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    drop(peer);
    drop(open);
    wait_until("all records are cleared away", || broker.connected() == 0);
}

#[test]
fn a_refusal_has_its_code_and_ends_the_connection() {
    let broker = broker(Faults::default());
    for (refusal, code) in [
        (Refusal::ProtocolVersion, 1),
        (Refusal::Identifier, 2),
        (Refusal::Unavailable, 3),
        (Refusal::Credentials, 4),
        (Refusal::NotAuthorized, 5),
    ] {
        broker.set_faults(Faults { refuse: Some(refusal), ..Faults::default() });
        let mut peer = Peer::dial(&broker);
        peer.send(Packet::Connect(Connect::new("pi")));
        let Packet::ConnAck(answer) = peer.next() else { panic!("no CONNACK") };
        assert_eq!(answer.code as u8, code);
        peer.assert_closed();
        assert_eq!(broker.connects().last().unwrap().refusal, Some(refusal));
    }
}

#[test]
fn a_connection_is_cut_after_n_bytes_received_or_sent() {
    let connect_bytes = Connect::new("pi").size() as u64;
    let broker = broker(Faults { cut_after_received: Some(connect_bytes + 10), ..Faults::default() });
    let publishes = broker.publishes(10);
    let mut peer = Peer::clean(&broker, "pi");
    // 2 + 2 + 1 + 2 bytes, so that the limit is within the second.
    peer.publish(0, "t", "ab", QoS::AtMostOnce, false);
    peer.publish(0, "t", "cd", QoS::AtMostOnce, false);
    peer.assert_closed();
    assert_eq!(publishes.try_iter().count(), 1);

    broker.set_faults(Faults { cut_after_sent: Some(5), ..Faults::default() });
    let mut peer = Peer::clean(&broker, "pi");
    peer.send(Packet::PingReq);
    peer.assert_closed();
    assert_eq!(peer.input.len(), 1, "CONNACK has four bytes, PINGRESP came with one of two");
}

#[test]
fn a_session_can_get_lost() {
    let broker = broker(Faults::default());
    Peer::kept(&broker, "pi").0.subscribe(&[("t", QoS::AtMostOnce)]);
    broker.set_faults(Faults { lose_session: true, ..Faults::default() });
    let (_peer, present) = Peer::kept(&broker, "pi");
    assert!(!present);
    assert!(broker.subscriptions().is_empty());
}

#[test]
fn an_oversize_packet_comes_on_a_subscribed_topic() {
    let broker = broker(Faults { oversize: Some(300_000), ..Faults::default() });
    let mut peer = Peer::clean(&broker, "pi");
    peer.subscribe(&[("a/+/#", QoS::AtLeastOnce)]);
    let (_, topic, payload, qos, ..) = peer.publish_received();
    assert_eq!((topic.as_str(), payload.len(), qos), ("a/x/x", 300_000, QoS::AtMostOnce));
    peer.assert_nothing_waits();
}

#[test]
fn a_filter_can_be_refused_and_the_others_beside_it_are_granted() {
    let broker = broker(Faults::default());
    broker.publish(&topic("secret"), "x", true);
    let refuse_filters = vec![TopicFilter::new("secret").unwrap()];
    broker.set_faults(Faults { refuse_filters, ..Faults::default() });
    let mut peer = Peer::clean(&broker, "pi");
    let codes = peer.subscribe(&[("secret", QoS::AtLeastOnce), ("a", QoS::AtLeastOnce)]);
    let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
    assert_eq!(codes, [SubscribeReasonCode::Failure, granted]);
    broker.publish(&topic("secret"), "x", true);
    broker.publish(&topic("a"), "x", false);
    assert_eq!(peer.publish_received().1, "a");
}

#[test]
fn the_answers_to_subscribe_and_unsubscribe_can_be_withheld() {
    let broker = broker(Faults { withhold_subacks: true, ..Faults::default() });
    let mut peer = Peer::clean(&broker, "pi");
    peer.send(Packet::Subscribe(Subscribe { pkid: 1, ..Subscribe::new("a", QoS::AtMostOnce) }));
    peer.publish(0, "a", "x", QoS::AtMostOnce, false);
    assert_eq!(peer.publish_received().1, "a");
    peer.send(Packet::Unsubscribe(Unsubscribe { pkid: 2, topics: vec!["a".to_owned()] }));
    peer.publish(0, "a", "x", QoS::AtMostOnce, false);
    peer.assert_nothing_waits();
}

#[test]
fn overlapping_filters_can_bring_a_copy_each() {
    let broker = broker(Faults { copy_per_filter: true, ..Faults::default() });
    broker.publish(&topic("a/b"), "kept", true);
    let mut peer = Peer::clean(&broker, "pi");
    peer.subscribe(&[("a/#", QoS::AtMostOnce), ("a/b", QoS::AtLeastOnce)]);
    broker.publish(&topic("a/b"), "new", false);
    for (payload, retained) in [("kept", true), ("new", false)] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let (_, _, found, level, retain, _) = peer.publish_received();
            assert_eq!((found.as_str(), level, retain), (payload, qos, retained));
        }
    }
}

#[test]
fn every_nth_acknowledgement_is_withheld() {
    let broker = broker(Faults { withhold_acks: Some(3), ..Faults::default() });
    let mut peer = Peer::clean(&broker, "pi");
    let publish_six = |peer: &mut Peer| {
        for id in 1..=6 {
            peer.publish(id, "t", "x", QoS::AtLeastOnce, false);
        }
    };
    publish_six(&mut peer);
    for id in [1, 2, 4, 5] {
        assert_eq!(peer.next(), Packet::PubAck(PubAck::new(id)));
    }
    broker.set_faults(Faults { withhold_acks: Some(1), ..Faults::default() });
    publish_six(&mut peer);
    peer.assert_nothing_waits();
}

#[test]
fn acknowledgements_come_in_reverse_and_the_rest_soon() {
    let broker = broker(Faults { reverse_acks: Some(3), ..Faults::default() });
    let mut peer = Peer::clean(&broker, "pi");
    // In one piece: those that wait for others do not wait for long.
    let mut bytes = BytesMut::new();
    for id in 1..=4 {
        Publish { pkid: id, ..Publish::new("t", QoS::AtLeastOnce, "x") }.write(&mut bytes).unwrap();
    }
    peer.stream.write_all(&bytes).unwrap();
    for id in [3, 2, 1, 4] {
        assert_eq!(peer.next(), Packet::PubAck(PubAck::new(id)));
    }
}

#[test]
fn a_stalled_broker_reads_nothing_until_the_fault_is_gone() {
    let broker = broker(Faults::default());
    let publishes = broker.publishes(10);
    let mut peer = Peer::clean(&broker, "pi");
    broker.set_faults(Faults { stall: true, ..Faults::default() });
    // One piece may have been on its way; the broker takes no second one.
    peer.publish(0, "t", "piece", QoS::AtMostOnce, false);
    publishes.recv_timeout(LIMIT).unwrap();
    peer.stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let junk = Publish::new("t", QoS::AtMostOnce, vec![b'x'; 1024 * 1024]);
    let mut bytes = BytesMut::new();
    junk.write(&mut bytes).unwrap();
    let mut left = &bytes[..];
    let mut wrote = 0;
    let full = loop {
        match peer.stream.write(left) {
            Ok(count) => {
                left = &left[count..];
                wrote += 1;
                if left.is_empty() {
                    left = &bytes[..];
                }
            }
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => break cause,
        }
        assert!(wrote < 10_000, "somebody reads");
    };
    assert!(matches!(full.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{full}");
    assert!(publishes.is_empty());
    broker.set_faults(Faults::default());
    assert_eq!(publishes.recv_timeout(LIMIT).unwrap().payload.len(), 1024 * 1024);
}

#[test]
fn a_cut_ends_every_connection_and_a_forgetful_broker_has_no_memory() {
    let broker = broker(Faults::default());
    let (mut peer, _) = Peer::kept(&broker, "pi");
    peer.publish(0, "t", "x", QoS::AtMostOnce, true);
    peer.assert_nothing_waits();
    broker.cut();
    peer.assert_closed();
    assert!(broker.retained(&topic("t")).is_some());
    let (_peer, present) = Peer::kept(&broker, "pi");
    assert!(present);
    broker.forget();
    assert_eq!(broker.retained(&topic("t")), None);
    broker.cut();
    assert!(!Peer::kept(&broker, "pi").1);
}

#[test]
fn a_stopped_broker_refuses_until_it_is_restarted_on_the_same_port() {
    let mut broker = broker(Faults::default());
    let address = broker.address();
    for forget in [false, true] {
        let (mut peer, _) = Peer::kept(&broker, "pi");
        broker.stop();
        peer.assert_closed();
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        if forget {
            broker.forget();
        }
        broker.restart().unwrap();
        assert_eq!(broker.address(), address);
        assert_eq!(Peer::kept(&broker, "pi").1, !forget);
    }
    drop(broker);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    Broker::start(Settings { port: address.port(), ..Settings::default() }).unwrap();
}

#[test]
fn an_observer_that_is_behind_misses_the_newest_and_it_is_counted() {
    let broker = broker(Faults::default());
    let (publishes, left) = (broker.publishes(1), broker.publishes(5));
    drop(left);
    let mut peer = Peer::clean(&broker, "pi");
    for payload in ["a", "b", "c"] {
        peer.publish(0, "t", payload, QoS::AtMostOnce, false);
    }
    peer.assert_nothing_waits();
    assert_eq!(&*publishes.try_recv().unwrap().payload, b"a");
    assert_eq!(broker.unobserved(), 2);
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let broker = broker(Faults::default());
    for round in 0..300 {
        let mut peer = Peer::clean(&broker, "pi");
        match round % 3 {
            0 => peer.send(Packet::Disconnect),
            1 => peer.stream.write_all(b"\xf0\x00").unwrap(),
            _ => {}
        }
    }
    wait_until("all records are cleared away", || broker.connected() == 0);
    let strangers: Vec<_> = (0..70).map(|_| Peer::dial(&broker)).collect();
    wait_until("there are as many as may be", || broker.connected() == 64);
    drop(strangers);
    wait_until("all records are cleared away", || broker.connected() == 0);
    assert_eq!(broker.connects().len(), 256);
}
