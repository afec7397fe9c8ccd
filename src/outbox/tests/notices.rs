//! What those hear who publish, whichever way their message goes.

use crossbeam_channel::RecvTimeoutError::{self, Disconnected, Timeout};

use super::*;

type Told = Result<Fate, RecvTimeoutError>;

const DELIVERED: Told = Ok(Fate::Delivered);
const REPLACED: Told = Ok(Fate::Replaced);
const DROPPED: Told = Ok(Fate::Dropped);
const MINUTE: Duration = Duration::from_secs(60);

fn put(outbox: &mut Outbox, topic: &str, payload: &str, expires: Option<Instant>) -> Awaited {
    let (notice, awaited) = Notice::channel();
    outbox.put(Lane::State, message(topic, payload), expires, Instant::now(), Some(notice));
    awaited
}

/// Appends messages with these numbers for payloads.
fn append(outbox: &mut Outbox, numbers: std::ops::Range<u32>) -> Vec<Awaited> {
    let one = |number: u32| {
        let (notice, awaited) = Notice::channel();
        outbox.append(message("a", &number.to_string()), Instant::now(), Some(notice));
        awaited
    };
    numbers.map(one).collect()
}

fn told(awaited: &Awaited) -> Told {
    awaited.wait(Duration::ZERO)
}

/// What was told of each, in runs of the same.
fn all_told(awaited: &[Awaited]) -> Vec<(Told, usize)> {
    let mut runs: Vec<(Told, usize)> = Vec::new();
    for told in awaited.iter().map(told) {
        match runs.last_mut() {
            Some((last, count)) if *last == told => *count += 1,
            _ => runs.push((told, 1)),
        }
    }
    runs
}

/// Delivers everything, the card answering at once.
fn drain(outbox: &mut Outbox, card: &mut Card) {
    let now = Instant::now();
    while !outbox.is_empty() {
        card.settle(outbox, now, Situation::Connected);
        let mut tokens = Vec::new();
        outbox.send(now, true, |token, _| {
            tokens.push(token);
            true
        });
        assert!(!tokens.is_empty(), "{} messages never go", outbox.len());
        tokens.into_iter().for_each(|it| outbox.acknowledge(it));
    }
}

#[test]
fn a_state_is_told_delivered_once_it_is_acknowledged_and_only_once() {
    let mut outbox = outbox();
    let awaited = put(&mut outbox, "a", "1", None);
    sent(&mut outbox, true);
    outbox.rewind();
    sent(&mut outbox, true);
    outbox.acknowledge(Token(0));
    assert_eq!(told(&awaited), Err(Timeout));
    outbox.acknowledge(Token(1));
    assert_eq!((told(&awaited), told(&awaited)), (DELIVERED, Err(Disconnected)));
}

#[test]
fn a_state_is_told_replaced_by_whatever_replaces_it() {
    let mut outbox = outbox();
    let first = put(&mut outbox, "a", "1", None);
    let second = put(&mut outbox, "a", "2", None);
    assert_eq!((told(&first), told(&second)), (REPLACED, Err(Timeout)));
    append(&mut outbox, 3..4);
    assert_eq!(told(&second), REPLACED, "by a message of which every one counts");
    let withdrawn = put(&mut outbox, "b", "1", None);
    outbox.withdraw(Lane::State, &Topic::new("b").unwrap());
    assert_eq!(told(&withdrawn), REPLACED);
}

#[test]
fn a_state_in_flight_is_told_replaced_only_where_it_is_not_sent_again() {
    let mut outbox = outbox();
    let topic = Topic::new("a").unwrap();
    let [first, second] = ["1", "2"].map(|payload| {
        let awaited = put(&mut outbox, "a", payload, None);
        sent(&mut outbox, true);
        awaited
    });
    outbox.withdraw(Lane::State, &topic);
    assert_eq!((told(&first), told(&second)), (Err(Timeout), Err(Timeout)));
    outbox.acknowledge(Token(0));
    outbox.rewind();
    assert_eq!((told(&first), told(&second)), (DELIVERED, REPLACED));
}

#[test]
fn a_state_past_its_time_is_told_expired() {
    let mut outbox = outbox();
    let awaited = put(&mut outbox, "a", "1", Some(Instant::now()));
    assert_eq!(sent(&mut outbox, true), [""; 0]);
    assert_eq!(told(&awaited), Ok(Fate::Expired));
}

#[test]
fn an_announcement_said_twice_is_told_to_both() {
    let mut outbox = outbox();
    let [first, second] = [(); 2].map(|()| {
        let (notice, awaited) = Notice::channel();
        outbox.put(Lane::Announcement, message("a", "x"), None, Instant::now(), Some(notice));
        awaited
    });
    outbox.put(Lane::Announcement, message("a", "x"), None, Instant::now(), None);
    sent(&mut outbox, true);
    outbox.acknowledge(Token(0));
    assert_eq!((told(&first), told(&second)), (REPLACED, DELIVERED));
}

#[test]
fn a_message_that_no_connection_survives_is_told_dropped_and_so_is_the_same_again() {
    for queued in [false, true] {
        let mut outbox = outbox();
        let poison = match queued {
            true => append(&mut outbox, 0..1).remove(0),
            false => put(&mut outbox, "a", "0", None),
        };
        loop {
            assert_eq!(told(&poison), Err(Timeout));
            outbox.connected();
            super::put(&mut outbox, "fine", "1");
            for it in sent(&mut outbox, true) {
                let (token, message) = it.split_once(' ').unwrap();
                if message == "fine=1" {
                    outbox.acknowledge(Token(token.parse().unwrap()));
                }
            }
            let given_up = outbox.closed_by_broker(false);
            outbox.rewind();
            if given_up.is_some() {
                break;
            }
        }
        assert_eq!(told(&poison), DROPPED);
        assert_eq!(told(&put(&mut outbox, "a", "0", None)), DROPPED, "it is known from now on");
    }
}

#[test]
fn what_finds_no_room_in_memory_is_told_dropped() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Memory, 64 << 10);
    let awaited = append(&mut outbox, 0..1_000);
    let dropped = outbox.total(None).dropped as usize;
    assert!(dropped > 100);
    assert_eq!(all_told(&awaited), [(DROPPED, dropped), (Err(Timeout), 1_000 - dropped)]);
    drop(outbox);
    assert_eq!(all_told(&awaited), [(Err(Disconnected), 1_000)]);
}

#[test]
fn what_went_to_the_card_and_came_back_is_told_delivered() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let mut awaited = append(&mut outbox, 0..1_000);
    card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    awaited.extend(append(&mut outbox, 1_000..1_100));
    assert_eq!(all_told(&awaited), [(Err(Timeout), 1_100)]);
    drain(&mut outbox, &mut card);
    assert_eq!(all_told(&awaited), [(DELIVERED, 1_100)]);
}

#[test]
fn what_finds_no_room_on_the_card_or_is_damaged_there_is_told_dropped() {
    let (mut outbox, mut card) = (outbox(), Card { room: Some(1_000), ..Card::default() });
    let mut awaited = append(&mut outbox, 0..1_000);
    card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    awaited.extend(append(&mut outbox, 1_000..1_200));
    card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    // The first wait in memory as well.
    let kept = outbox.queue.accepted().count();
    assert_eq!(all_told(&awaited), [(Err(Timeout), kept), (DROPPED, 200 - kept), (Err(Timeout), 1_000)]);

    outbox.heard(SpoolEvent::Loaded { first: 202, records: vec![None] }, Instant::now());
    drain(&mut outbox, &mut card);
    let awaited = &awaited[200..];
    assert_eq!(all_told(awaited), [(DROPPED, 3), (DELIVERED, 997)]);
}

#[test]
fn what_is_on_the_card_for_the_next_process_is_never_told() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let awaited = append(&mut outbox, 0..1_000);
    card.settle(&mut outbox, Instant::now(), Situation::Ending);
    assert_eq!(card.records.len(), 1_000);
    assert_eq!(all_told(&awaited), [(Err(Timeout), 1_000)]);
    drop(outbox);
    assert_eq!(all_told(&awaited), [(Err(Disconnected), 1_000)]);
}

#[test]
fn whoever_waits_no_more_costs_nothing_however_long_the_outage() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let patient = append(&mut outbox, 0..300);
    for _ in 0..50 {
        drop(append(&mut outbox, 0..100));
        card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    }
    // Those who went away after their message had gone to the card.
    for _ in 0..50 {
        let impatient = append(&mut outbox, 0..100);
        card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
        drop(impatient);
    }
    assert!(outbox.queue.notices_kept() < 700, "{}", outbox.queue.notices_kept());
    drain(&mut outbox, &mut card);
    assert_eq!(all_told(&patient), [(DELIVERED, 300)]);
    assert_eq!(outbox.queue.notices_kept(), 0);
}
