//! What waits as the newest of its topic, and the window.

use super::*;

#[test]
fn announcements_go_before_states_and_states_wait_for_their_lane() {
    let mut outbox = outbox();
    put(&mut outbox, "s", "1");
    outbox.put(Lane::Announcement, message("a", "x"), None, Instant::now(), None);
    assert_eq!(sent(&mut outbox, false), ["0 a=x"]);
    assert!(!outbox.is_announced());
    outbox.acknowledge(Token(0));
    assert!(outbox.is_announced());
    assert_eq!(sent(&mut outbox, true), ["1 s=1"]);
}

#[test]
fn only_the_newest_of_a_topic_waits_and_keeps_its_place() {
    let mut outbox = outbox();
    put(&mut outbox, "a", "1");
    put(&mut outbox, "b", "1");
    put(&mut outbox, "a", "2");
    assert_eq!(sent(&mut outbox, true), ["0 a=2", "1 b=1"]);
}

#[test]
fn a_lost_connection_sends_the_unacknowledged_again_in_order_under_new_tokens() {
    let mut outbox = outbox();
    for topic in ["a", "b", "c"] {
        put(&mut outbox, topic, "1");
    }
    sent(&mut outbox, true);
    outbox.acknowledge(Token(1));
    put(&mut outbox, "d", "1");
    outbox.rewind();
    assert_eq!((outbox.len(), replaced(&outbox)), (3, 0));
    assert_eq!(sent(&mut outbox, true), ["3 a=1", "4 c=1", "5 d=1"]);
}

#[test]
fn what_was_in_flight_never_overtakes_a_newer_message_of_its_topic() {
    let mut outbox = outbox();
    put(&mut outbox, "a", "old");
    sent(&mut outbox, true);
    put(&mut outbox, "a", "new");
    outbox.rewind();
    assert_eq!(replaced(&outbox), 1);
    assert_eq!(sent(&mut outbox, true), ["1 a=new"]);
    outbox.acknowledge(Token(0));
    assert_eq!(outbox.len(), 1, "an acknowledgement of the lost connection counts for nothing");
}

#[test]
fn two_messages_of_one_topic_in_flight_come_back_as_the_newer() {
    let mut outbox = outbox();
    for payload in ["1", "2"] {
        put(&mut outbox, "a", payload);
        sent(&mut outbox, true);
    }
    outbox.rewind();
    assert_eq!(replaced(&outbox), 1);
    assert_eq!(sent(&mut outbox, true), ["2 a=2"]);
}

#[test]
fn the_window_is_measured_from_the_oldest_unacknowledged() {
    let mut outbox = outbox();
    for at in 0..=WINDOW {
        put(&mut outbox, &format!("t{at}"), "1");
    }
    assert_eq!(sent(&mut outbox, true).len(), usize::from(WINDOW));
    outbox.acknowledge(Token(1));
    assert_eq!(sent(&mut outbox, true).len(), 0, "token 0 still holds the window");
    outbox.acknowledge(Token(0));
    assert_eq!(sent(&mut outbox, true).len(), 1);
}

#[test]
fn an_announcement_finds_room_however_many_states_are_unacknowledged() {
    let mut outbox = outbox();
    for at in 0..=WINDOW {
        put(&mut outbox, &format!("t{at}"), "1");
    }
    sent(&mut outbox, true);
    outbox.put(Lane::Announcement, message("availability", "offline"), None, Instant::now(), None);
    assert!(sent(&mut outbox, true)[0].ends_with(" availability=offline"));
}

#[test]
fn a_refused_message_stays_first() {
    let mut outbox = outbox();
    put(&mut outbox, "a", "1");
    put(&mut outbox, "b", "1");
    outbox.send(Instant::now(), true, |_, _| false);
    assert_eq!(sent(&mut outbox, true), ["0 a=1", "1 b=1"]);
}

#[test]
fn a_message_past_its_time_is_not_sent() {
    let mut outbox = outbox();
    let now = Instant::now();
    outbox.put(Lane::State, message("a", "1"), Some(now), now, None);
    outbox.put(Lane::State, message("b", "1"), Some(now + Duration::from_secs(60)), now, None);
    assert_eq!(sent(&mut outbox, true), ["0 b=1"]);
    assert_eq!(outbox.total(None).expired, 1);
}

#[test]
fn a_message_withdrawn_in_flight_never_comes_back() {
    let mut outbox = outbox();
    let state = message("a", "1");
    outbox.put(Lane::State, state.clone(), None, Instant::now(), None);
    put(&mut outbox, "b", "1");
    sent(&mut outbox, true);
    outbox.withdraw(Lane::State, &state.topic);
    assert_eq!(outbox.len(), 2, "it is still to be acknowledged");
    outbox.rewind();
    assert_eq!(sent(&mut outbox, true), ["2 b=1"]);
}

#[test]
fn a_withdrawn_message_is_not_sent() {
    let mut outbox = outbox();
    let message = message("a", "1");
    outbox.put(Lane::State, message.clone(), None, Instant::now(), None);
    outbox.withdraw(Lane::State, &message.topic);
    assert!(outbox.is_empty());
    assert_eq!(sent(&mut outbox, true), [""; 0]);
}

#[test]
fn the_message_at_which_the_broker_closes_each_connection_is_given_up() {
    let mut outbox = outbox();
    let poison = || message("poison", "a lot");
    let mut given_up = Vec::new();
    for _ in 0..10 {
        outbox.connected();
        put(&mut outbox, "a", "1");
        outbox.repeat(poison(), None, Instant::now());
        let sent = sent(&mut outbox, true);
        let (token, _) = sent.iter().find_map(|it| it.split_once(" a=")).unwrap();
        outbox.acknowledge(Token(token.parse().unwrap()));
        given_up.extend(outbox.closed_by_broker(false));
        outbox.rewind();
    }
    assert_eq!(given_up, [poison()]);
    outbox.repeat(poison(), None, Instant::now());
    assert!(outbox.is_empty(), "it is known from now on");
    assert_eq!(outbox.total(None).dropped, 2);
}

#[test]
fn it_is_found_also_where_each_connection_begins_with_it() {
    let mut outbox = outbox();
    let mut given_up = Vec::new();
    // A broker that closes at each of two messages, the first of all among them, and acknowledges what came before.
    for round in 0.. {
        outbox.connected();
        for (topic, payload) in [("p/1", "a lot"), ("p/2", "a lot"), ("a", "1"), ("b", "1")] {
            outbox.put(Lane::Announcement, message(topic, payload), None, Instant::now(), None);
        }
        let sent = sent(&mut outbox, true);
        for it in sent.iter().take_while(|it| !it.contains(" p/")) {
            let (token, _) = it.split_once(' ').unwrap();
            outbox.acknowledge(Token(token.parse().unwrap()));
        }
        given_up.extend(outbox.closed_by_broker(false).map(|it| it.topic.to_string()));
        outbox.rewind();
        if outbox.is_empty() {
            break;
        }
        assert!(round < 40, "{given_up:?}: {outbox:?}");
    }
    given_up.sort();
    assert_eq!(given_up, ["p/1", "p/2"]);
}

#[test]
fn what_was_first_too_often_has_its_turn_again_once_it_is_acknowledged() {
    let mut outbox = outbox();
    for expected in [["a", "b"], ["a", "b"], ["a", "b"], ["b", "a"], ["a", "b"]] {
        outbox.connected();
        for topic in ["a", "b"] {
            outbox.put(Lane::Announcement, message(topic, "1"), None, Instant::now(), None);
        }
        let sent = sent(&mut outbox, true);
        let topics: Vec<_> =
            sent.iter().map(|it| it.split_once(' ').unwrap().1.trim_end_matches("=1")).collect();
        assert_eq!(topics, expected);
        // The fourth connection is a good one.
        if expected[0] == "b" {
            while let Some((token, _)) = outbox.window.oldest() {
                outbox.acknowledge(token);
            }
        }
        assert_eq!(outbox.closed_by_broker(false), None);
        outbox.rewind();
    }
}

#[test]
fn a_message_is_not_given_up_where_the_broker_acknowledges_nothing_or_another_is_first() {
    let mut outbox = outbox();
    for at in 0..40 {
        outbox.connected();
        put(&mut outbox, "a", "1");
        outbox.append(message("b", &at.to_string()), Instant::now(), None);
        sent(&mut outbox, true);
        // Either nothing is acknowledged, or all that was there.
        if at % 9 == 8 {
            while let Some((token, _)) = outbox.window.oldest() {
                outbox.acknowledge(token);
            }
        }
        assert_eq!(outbox.closed_by_broker(false), None);
        outbox.rewind();
    }
}

#[test]
fn an_older_state_that_was_overtaken_in_flight_does_not_come_back() {
    let mut outbox = outbox();
    for payload in ["1", "2"] {
        put(&mut outbox, "a", payload);
        sent(&mut outbox, true);
    }
    outbox.acknowledge(Token(1));
    outbox.rewind();
    assert!(outbox.is_empty());
}

#[test]
fn a_message_waits_for_an_older_one_of_its_topic_that_is_in_flight_at_a_higher_quality_of_service() {
    for deliveries in [[false, false], [false, true], [true, false], [true, true]] {
        let mut outbox = outbox();
        for ((text, qos), every) in
            [("1", Qos::ExactlyOnce), ("2", Qos::AtLeastOnce)].into_iter().zip(deliveries)
        {
            let message = Message { qos, ..message("a", text) };
            match every {
                true => outbox.append(message, Instant::now(), None),
                false => outbox.put(Lane::State, message, None, Instant::now(), None),
            }
            let goes = if qos == Qos::ExactlyOnce { &["0 a=1"][..] } else { &[] };
            assert_eq!(sent(&mut outbox, true), goes, "{deliveries:?}");
        }
        outbox.acknowledge(Token(0));
        assert_eq!(sent(&mut outbox, true), ["1 a=2"], "{deliveries:?}");
        // Not for one at a lower quality of service, nor for one on another topic.
        let third = Message { qos: Qos::ExactlyOnce, ..message("a", "3") };
        outbox.put(Lane::State, third, None, Instant::now(), None);
        assert_eq!(sent(&mut outbox, true), ["2 a=3"], "{deliveries:?}");
        put(&mut outbox, "b", "1");
        assert_eq!(sent(&mut outbox, true), ["3 b=1"], "{deliveries:?}");
    }
}
