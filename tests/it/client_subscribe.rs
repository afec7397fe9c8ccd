//! Subscriptions of a client: who gets which message, whatever the others do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, unbounded};

use luigi_mqtt::client::SubscribeError;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::model::Incoming;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;
use luigi_mqtt::model::TopicError;

use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::connected;
use crate::support::is_subscribed;
use crate::support::wait_until;

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

/// Waits until the broker has a subscription to each of `filters`.
#[track_caller]
fn wait_for_subscriptions(broker: &Broker, filters: &[&str]) {
    wait_until(&format!("subscriptions to {filters:?}"), LIMIT, || {
        filters.iter().all(|filter| is_subscribed(broker, filter))
    });
}

fn shown(message: &Incoming) -> String {
    let retained = if message.retained { " retained" } else { "" };
    format!("{} = {}{retained}", message.topic, String::from_utf8_lossy(&message.payload))
}

/// The next message, as text.
#[track_caller]
fn next(messages: &Receiver<Incoming>) -> String {
    shown(&messages.recv_timeout(LIMIT).expect("a message"))
}

#[test]
fn each_subscription_gets_each_message_that_its_filter_matches_once() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let filters = ["sport/#", "sport/+", "+/tennis", "sport/tennis", "#"];
    // What the last one covers is no subscription of its own.
    let channels = filters.map(|it| client.subscribe_channel(it).unwrap());
    let (sender, called) = unbounded();
    client.subscribe("sport/#", Qos::AtLeastOnce, move |_, it| sender.send(shown(it)).unwrap()).unwrap();
    wait_for_subscriptions(&broker, &["#"]);
    for it in ["sport", "sport/tennis", "sport/tennis/x", "$SYS/x", "end"] {
        broker.publish(&topic(it), "1", false);
    }
    let expected: [&[&str]; 5] = [
        &["sport = 1", "sport/tennis = 1", "sport/tennis/x = 1"],
        &["sport/tennis = 1"],
        &["sport/tennis = 1"],
        &["sport/tennis = 1"],
        &["sport = 1", "sport/tennis = 1", "sport/tennis/x = 1", "end = 1"],
    ];
    for expected in expected[0] {
        assert_eq!(&called.recv_timeout(LIMIT).unwrap(), expected);
    }
    for (channel, expected) in channels.iter().zip(expected).rev() {
        for expected in expected {
            let mut found = next(channel);
            while found.contains("availability") {
                found = next(channel); // Our own.
            }
            assert_eq!(&found, expected);
        }
        assert!(channel.is_empty(), "{:?}", channel.try_recv());
    }
}

#[test]
fn a_broker_that_sends_a_copy_for_each_filter_has_none_get_a_message_twice() {
    let broker = Broker::start(Faults { copy_per_filter: true, ..Default::default() }).unwrap();
    let client = connected(&broker);
    let all = ["sport/tennis", "sport/+", "sport/tennis", "sport/#"];
    let channels = all.map(|it| client.subscribe_channel(it).unwrap());
    let has_only = |filter: &str| {
        let of_sport = |it: &str| it.starts_with("sport/");
        let subscriptions = broker.subscriptions();
        let mut found = subscriptions.iter().map(|it| it.filter.as_str()).filter(|it| of_sport(it));
        found.next() == Some(filter) && found.next().is_none()
    };
    wait_until("one filter for all", LIMIT, || has_only("sport/#"));
    for payload in ["1", "1", "2"] {
        broker.publish(&topic("sport/tennis"), payload, false);
    }
    for channel in channels {
        assert_eq!(
            [(); 3].map(|()| next(&channel)),
            ["1", "1", "2"].map(|it| format!("sport/tennis = {it}"))
        );
        assert!(channel.is_empty());
    }
}

#[test]
fn what_is_retained_comes_once_to_each_who_subscribes_however_many_did_before() {
    let broker = Broker::start(Faults::default()).unwrap();
    broker.publish(&topic("porch/light"), "on", true);
    let client = connected(&broker);
    let first = client.subscribe_channel("porch/+").unwrap();
    assert_eq!(next(&first), "porch/light = on retained");
    for filter in ["porch/+", "porch/#", "porch/light"] {
        let other = client.subscribe_channel(filter).unwrap();
        assert_eq!(next(&other), "porch/light = on retained");
        broker.publish(&topic("porch/light"), "off", false);
        assert_eq!(next(&other), "porch/light = off");
        assert_eq!(next(&first), "porch/light = off", "after {filter}");
    }
}

#[test]
fn subscriptions_are_made_again_after_each_cut() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let channel = client.subscribe_channel("a/+").unwrap();
    let gone = client.subscribe("b/+", Qos::AtLeastOnce, |_, _| panic!("it has ended")).unwrap();
    wait_for_subscriptions(&broker, &["a/+", "b/+"]);
    gone.unsubscribe();
    for round in 0..3 {
        let connects = broker.connect_count();
        broker.cut();
        wait_until("the next connection", LIMIT, || broker.connect_count() > connects);
        wait_for_subscriptions(&broker, &["a/+"]);
        broker.publish(&topic("b/x"), "1", false);
        broker.publish(&topic("a/x"), round.to_string(), false);
        assert_eq!(next(&channel), format!("a/x = {round}"));
    }
    assert!(!is_subscribed(&broker, "b/+"));
}

#[test]
fn a_callback_may_publish_subscribe_and_end_its_own_subscription() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let client = connected(&broker);
    let own = Arc::new(Mutex::new(None::<luigi_mqtt::client::Subscription>));
    let subscription = client.subscribe("ask", Qos::AtLeastOnce, {
        let own = Arc::clone(&own);
        move |client, message| {
            client.publish("answer", message.payload.to_vec()).unwrap();
            client
                .subscribe("more", Qos::AtLeastOnce, |client, _| client.publish("even", "more").unwrap())
                .unwrap();
            own.lock().unwrap().take().unwrap().unsubscribe();
            client.publish_and_wait("waited", "for", LIMIT).unwrap();
        }
    });
    *own.lock().unwrap() = Some(subscription.unwrap());
    wait_for_subscriptions(&broker, &["ask"]);
    broker.publish(&topic("ask"), "x", false);
    witness.wait_for_line("answer", "x");
    witness.wait_for_line("waited", "for");
    wait_for_subscriptions(&broker, &["more"]);
    wait_until("the end of the subscription", LIMIT, || !is_subscribed(&broker, "ask"));
    broker.publish(&topic("more"), "", false);
    witness.wait_for_line("even", "more");
}

#[test]
fn a_callback_that_hangs_and_one_that_panics_harm_nobody_else() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let (release, released) = bounded::<()>(0);
    let hangs = client.subscribe("a", Qos::AtLeastOnce, move |_, _| {
        let _ = released.recv();
    });
    let panics = client.subscribe("a", Qos::AtLeastOnce, |_, _| panic!("on purpose"));
    let (sender, called) = unbounded();
    let fine = client.subscribe("a", Qos::AtLeastOnce, move |_, it| sender.send(shown(it)).unwrap());
    assert!(hangs.is_ok() && panics.is_ok() && fine.is_ok());
    wait_for_subscriptions(&broker, &["a"]);
    for payload in ["1", "2", "3"] {
        broker.publish(&topic("a"), payload, false);
        assert_eq!(called.recv_timeout(LIMIT).unwrap(), format!("a = {payload}"));
    }
    client.publish_and_wait("b", "still", LIMIT).unwrap();
    drop(release);
}

#[test]
fn a_subscriber_who_does_not_look_loses_the_oldest_and_nobody_else_anything() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let (asleep, awake) = (client.subscribe_channel("a").unwrap(), client.subscribe_channel("a").unwrap());
    wait_for_subscriptions(&broker, &["a"]);
    for number in 0..1_500 {
        broker.publish(&topic("a"), number.to_string(), false);
        assert_eq!(next(&awake), format!("a = {number}"));
    }
    assert_eq!((asleep.dropped(), awake.dropped()), (1_500 - 1_024, 0));
    assert_eq!(next(&asleep), format!("a = {}", 1_500 - 1_024));
}

#[test]
fn a_channel_that_is_dropped_is_subscribed_to_no_more() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let channel = client.subscribe_channel("a").unwrap();
    wait_for_subscriptions(&broker, &["a"]);
    drop(channel);
    wait_until("no subscription", LIMIT, || !is_subscribed(&broker, "a"));
}

#[test]
fn a_filter_that_is_none_is_refused_at_once() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let error = client.subscribe_channel("a/#/b").unwrap_err();
    assert_eq!(
        error,
        SubscribeError::Filter { filter: "a/#/b".to_owned(), cause: TopicError::MisplacedWildcard }
    );
    assert!(client.subscribe("", Qos::AtMostOnce, |_, _| {}).is_err());
}

#[test]
fn the_client_that_a_callback_is_given_does_not_keep_the_connection() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let kept = Arc::new(Mutex::new(None));
    client
        .subscribe("a", Qos::AtLeastOnce, {
            let kept = Arc::clone(&kept);
            move |client, _| *kept.lock().unwrap() = Some(client.clone())
        })
        .unwrap();
    wait_for_subscriptions(&broker, &["a"]);
    broker.publish(&topic("a"), "", false);
    wait_until("the call", LIMIT, || kept.lock().unwrap().is_some());
    drop(client);
    assert_eq!(broker.connected(), 0);
    assert!(kept.lock().unwrap().as_ref().unwrap().publish("b", "").is_err());
}

#[test]
fn the_end_waits_a_moment_for_a_callback_and_then_leaves_it_behind() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let (release, released) = bounded::<()>(0);
    let (began, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    client
        .subscribe("a", Qos::AtLeastOnce, {
            let (began, has_ended) = (Arc::clone(&began), Arc::clone(&has_ended));
            move |client, _| {
                began.store(true, SeqCst);
                let _ = released.recv();
                // The connection has ended: it is refused, and nothing hangs.
                assert!(client.publish("b", "").is_err());
                has_ended.fetch_add(1, SeqCst);
            }
        })
        .unwrap();
    wait_for_subscriptions(&broker, &["a"]);
    broker.publish(&topic("a"), "", false);
    wait_until("the call", LIMIT, || began.load(SeqCst));
    client.disconnect(Duration::from_secs(1));
    drop(release);
    wait_until("its end", LIMIT, || has_ended.load(SeqCst) == 1);
}
