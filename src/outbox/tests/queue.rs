//! What must all be delivered: in memory, on the card and back.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Appends messages on `topic` with these numbers for payloads.
fn append(outbox: &mut Outbox, topic: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        outbox.append(message(topic, &number.to_string()), Instant::now(), None);
    }
}

/// Delivers everything, the card answering at once. Returns the payloads.
fn drained(outbox: &mut Outbox, card: &mut Card) -> Vec<u32> {
    let (mut payloads, now) = (Vec::new(), Instant::now());
    loop {
        card.settle(outbox, now, Situation::Connected);
        let mut tokens = Vec::new();
        outbox.send(now, true, |token, message| {
            tokens.push(token);
            payloads.push(String::from_utf8_lossy(&message.payload).trim().parse().unwrap());
            true
        });
        if tokens.is_empty() {
            return payloads;
        }
        tokens.into_iter().for_each(|it| outbox.acknowledge(it));
    }
}

#[test]
fn while_the_broker_acknowledges_nothing_is_written() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    for round in 0..10 {
        append(&mut outbox, "a", round * 100..round * 100 + 100);
        card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Connected);
        assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(round * 100..round * 100 + 100));
    }
    assert_eq!(card.appends, 0);
    assert!(outbox.is_empty());
}

#[test]
fn in_an_outage_all_goes_to_the_card_in_groups_and_comes_back_in_order() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let now = Instant::now();
    for number in 0..5_000 {
        append(&mut outbox, "a", number..number + 1);
        card.settle(&mut outbox, now, Situation::Away);
    }
    assert!(card.appends < 60, "{} groups", card.appends);
    card.settle(&mut outbox, now + MINUTE, Situation::Away);
    assert_eq!(card.records.len(), 5_000);
    assert!(outbox.queue.accepted().count() <= 256, "memory holds few of them");
    assert_eq!(outbox.waiting(), 5_000);
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(0..5_000));
    assert!(outbox.is_empty() && card.records.is_empty(), "{} records", card.records.len());
}

#[test]
fn what_is_accepted_while_the_card_drains_comes_last() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let now = Instant::now();
    append(&mut outbox, "a", 0..1_000);
    card.settle(&mut outbox, now + MINUTE, Situation::Away);
    append(&mut outbox, "a", 1_000..1_100);
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(0..1_100));
}

#[test]
fn what_an_earlier_process_left_goes_first_and_keeps_its_order() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    append(&mut outbox, "a", 0..500);
    card.settle(&mut outbox, Instant::now(), Situation::Ending);
    let mut outbox = super::outbox();
    let order = outbox.open_spool(Instant::now());
    append(&mut outbox, "a", 500..510);
    assert_eq!(sent(&mut outbox, true), [""; 0], "nobody knows yet what was there");
    card.orders.push_back(order);
    card.answer(&mut outbox, Instant::now());
    assert_eq!(outbox.len(), 510);
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(0..510));
}

#[test]
fn what_an_earlier_process_left_on_too_many_topics_keeps_its_order_and_is_counted_all_the_same() {
    let (mut outbox, mut card) = (outbox(), Card { named: Some(1), ..Card::default() });
    for number in 0..300 {
        append(&mut outbox, ["a", "b", "c"][number as usize % 3], number..number + 1);
    }
    card.settle(&mut outbox, Instant::now(), Situation::Ending);
    let mut outbox = super::outbox();
    outbox.track(&Topic::new("b").unwrap());
    let order = outbox.open_spool(Instant::now());
    put(&mut outbox, "b", "300");
    card.orders.push_back(order);
    card.answer(&mut outbox, Instant::now());
    put(&mut outbox, "b", "301");
    put(&mut outbox, "c", "302");
    assert_eq!(outbox.len(), 303);
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(0..303));
    let total = outbox.total(None);
    assert_eq!((total.delivered, total.dropped, total.waiting), (303, 0, 0));
    put(&mut outbox, "b", "303");
    put(&mut outbox, "b", "304");
    assert_eq!(drained(&mut outbox, &mut card), [304], "the queue is done, and only the newest counts again");
}

#[test]
fn with_the_card_always_a_message_is_stored_before_it_is_promised_and_those_that_come_meanwhile_together() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Always, 1 << 20);
    let (mut card, now) = (Card::default(), Instant::now());
    let mut promises = Vec::new();
    for number in 0..10 {
        let (notice, heard) = promised();
        outbox.append(message("a", &number.to_string()), now, Some(notice));
        card.take_orders(&mut outbox, now, Situation::Connected);
        promises.push(heard);
    }
    assert!(promises.iter().all(|it| it.is_empty()));
    card.answer(&mut outbox, now); // It is open,
    card.take_orders(&mut outbox, now, Situation::Connected);
    card.answer(&mut outbox, now); // and has the group.
    assert!(promises.iter().all(|it| it.try_iter().eq([News::Stored])));
    assert_eq!((card.appends, card.records.len()), (1, 10));
}

#[test]
fn with_the_card_always_nobody_waits_for_it_with_a_message_that_the_broker_has_acknowledged_meanwhile() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Always, 1 << 20);
    let (mut card, now) = (Card::default(), Instant::now());
    card.settle(&mut outbox, now, Situation::Connected);
    let promises = ["stored", "not stored"].map(|payload| {
        let (notice, heard) = promised();
        outbox.append(message("a", payload), now, Some(notice));
        card.take_orders(&mut outbox, now, Situation::Connected);
        heard
    });
    let mut tokens = Vec::new();
    while card.answer(&mut outbox, now) {
        outbox.send(now, true, |token, _| {
            tokens.push(token);
            true
        });
        tokens.drain(..).for_each(|it| outbox.acknowledge(it));
        card.take_orders(&mut outbox, now, Situation::Connected);
    }
    assert!(outbox.is_empty());
    assert!(promises.iter().all(|it| it.try_iter().eq([News::Ended(Some(Fate::Delivered))])));
}

#[test]
fn what_goes_to_the_card_at_once_is_bounded_and_each_is_told_when_it_is_there() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Always, 16 << 20);
    let (mut card, now) = (Card::default(), Instant::now());
    let mut told = Vec::new();
    for number in 0..700 {
        let (notice, heard) = promised();
        outbox.append(message("a", &format!("{number:1024}")), now, Some(notice));
        told.push(heard);
    }
    let mut groups = Vec::new();
    while outbox.on_card() < 700 {
        card.take_orders(&mut outbox, now, Situation::Away);
        if let Some(SpoolOrder::Append(records)) = card.orders.front() {
            groups.push(records.iter().map(|it| it.message.payload.len()).sum::<usize>());
        }
        card.answer(&mut outbox, now);
        let there = outbox.on_card() as usize;
        assert!(told[..there].iter().all(|it| it.len() == 1) && told[there..].iter().all(Receiver::is_empty));
    }
    assert!(groups.iter().all(|it| *it <= 256 << 10) && groups.len() < 6, "{groups:?}");
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(0..700));
    let whole = [News::Stored, News::Ended(Some(Fate::Delivered))];
    assert!(told.iter().all(|it| it.try_iter().eq(whole)));
}

#[test]
fn a_card_that_takes_nothing_leaves_all_in_memory_until_it_does() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Always, 1 << 20);
    let (mut card, now) = (Card { full: true, ..Card::default() }, Instant::now());
    let (notice, heard) = promised();
    outbox.append(message("a", "0"), now, Some(notice));
    card.settle(&mut outbox, now, Situation::Away);
    assert_eq!(heard.try_recv(), Ok(News::Stored), "nobody waits for a card that does not work");
    assert!(outbox.is_degraded(now));
    append(&mut outbox, "a", 1..300);
    card.settle(&mut outbox, now, Situation::Away);
    assert!(card.records.is_empty());

    card.full = false;
    card.settle(&mut outbox, now + MINUTE, Situation::Away);
    assert!(!outbox.is_degraded(now));
    assert_eq!(card.records.len(), 300);
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(0..300));
}

#[test]
fn a_card_that_fails_when_it_is_read_is_read_on_once_it_works() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let now = Instant::now();
    append(&mut outbox, "a", 0..1_000);
    card.settle(&mut outbox, now + MINUTE, Situation::Away);
    let load = loop {
        if let Some(order @ SpoolOrder::Load(_)) = outbox.order(now, Situation::Connected) {
            break order;
        }
        assert!(outbox.len() > 800, "it is not read before all in memory is delivered");
        let mut tokens = Vec::new();
        outbox.send(now, true, |token, _| {
            tokens.push(token);
            true
        });
        tokens.into_iter().for_each(|it| outbox.acknowledge(it));
    };
    let cause = SpoolError::Vanished { path: "spool".into() };
    outbox.heard(SpoolEvent::Failed { cause }, now);
    let SpoolOrder::Load(from) = load else { unreachable!() };
    outbox.heard(SpoolEvent::Loaded { first: from, records: Vec::new() }, now);
    for event in card.carry_out(SpoolOrder::Open) {
        outbox.heard(event, now);
    }
    assert!(drained(&mut outbox, &mut card).contains(&999));
    assert!(outbox.is_empty());
}

#[test]
fn a_card_that_comes_back_as_it_was_has_nothing_sent_twice_and_loses_nothing_meanwhile() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let now = Instant::now();
    append(&mut outbox, "a", 0..1_000);
    card.settle(&mut outbox, now + MINUTE, Situation::Away);
    let in_memory = outbox.queue.accepted().count() as u32;
    let failed = card.fail();
    outbox.heard(failed, now);
    assert_eq!((outbox.on_card(), outbox.len()), (0, u64::from(in_memory)));
    append(&mut outbox, "a", 1_000..1_010);
    let mut delivered = Vec::<u32>::new();
    while !outbox.is_empty() {
        let mut tokens = Vec::new();
        outbox.send(now, true, |token, message| {
            delivered.push(String::from_utf8_lossy(&message.payload).parse().unwrap());
            tokens.push(token);
            true
        });
        tokens.into_iter().for_each(|it| outbox.acknowledge(it));
        // It is in use again before it hears of this.
        card.take_orders(&mut outbox, now, Situation::Connected);
    }
    assert_eq!(delivered, Vec::from_iter((0..in_memory).chain(1_000..1_010)));

    for event in card.carry_out(SpoolOrder::Open) {
        outbox.heard(event, now);
    }
    assert_eq!(outbox.on_card(), u64::from(1_000 - in_memory));
    assert_eq!(drained(&mut outbox, &mut card), Vec::from_iter(in_memory..1_000));
    assert!(card.records.is_empty(), "{} records", card.records.len());
}

#[test]
fn what_was_in_memory_and_on_a_card_that_is_gone_goes_to_the_next_at_the_end() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    append(&mut outbox, "a", 0..100);
    card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    let failed = card.fail();
    outbox.heard(failed, Instant::now());
    card.first = card.next();
    card.records.clear();
    card.settle(&mut outbox, Instant::now(), Situation::Ending);
    assert_eq!((card.records.len(), outbox.on_card()), (100, 100));
}

#[test]
fn a_card_that_is_replaced_under_a_group_has_that_group_and_loses_no_other() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let now = Instant::now() + MINUTE;
    append(&mut outbox, "a", 0..500);
    card.settle(&mut outbox, now, Situation::Away);
    append(&mut outbox, "a", 500..900);
    card.take_orders(&mut outbox, now, Situation::Away);
    assert!(matches!(card.orders.front(), Some(SpoolOrder::Append(_))), "{:?}", card.orders);

    (card.first, card.records) = (card.next(), VecDeque::new());
    let cause = SpoolError::Vanished { path: "spool".into() };
    outbox.heard(SpoolEvent::Failed { cause }, now);
    for event in card.carry_out(SpoolOrder::Open) {
        outbox.heard(event, now);
    }
    append(&mut outbox, "a", 900..1_000);
    card.take_orders(&mut outbox, now, Situation::Away);
    assert_eq!(card.orders.len(), 1, "one group at a time");
    card.settle(&mut outbox, now, Situation::Away);
    assert_eq!(outbox.on_card(), outbox.len());

    let delivered = drained(&mut outbox, &mut card);
    assert_eq!(delivered[delivered.len() - 500..], Vec::from_iter(500..1_000));
    assert!(outbox.is_empty() && card.records.is_empty(), "{} records", card.records.len());
}

#[test]
fn without_a_card_the_oldest_give_way_and_are_counted() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Memory, 64 << 10);
    outbox.track(&Topic::new("a").unwrap());
    append(&mut outbox, "a", 0..10_000);
    let figures = outbox.of(&Topic::new("a").unwrap(), Instant::now());
    assert_eq!(figures.accepted, 10_000);
    assert!(figures.dropped > 9_000 && figures.waiting > 100, "{figures:?}");
    let rest = drained(&mut outbox, &mut Card::default());
    assert_eq!(rest, Vec::from_iter(figures.dropped as u32..10_000));
}

#[test]
fn what_the_card_drops_for_want_of_room_is_counted_on_its_topic() {
    let (mut outbox, mut card) = (outbox(), Card { room: Some(1_000), ..Card::default() });
    let topics = ["a", "b"].map(|it| Topic::new(it).unwrap());
    topics.iter().for_each(|it| outbox.track(it));
    for round in 0..20 {
        append(&mut outbox, "a", round * 100..round * 100 + 100);
        append(&mut outbox, "b", round * 10..round * 10 + 10);
        card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    }
    let lost = outbox.total(None).dropped;
    assert!((1_000..1_400).contains(&lost), "{lost} of 2,200 found no room");
    let [a, b] = topics.map(|it| outbox.of(&it, Instant::now()).dropped);
    assert_eq!(a + b, lost);
    assert!(b * 8 <= a && a <= b * 12, "{a} and {b}");
    assert_eq!(drained(&mut outbox, &mut card).len() as u64, 2_200 - lost);
    assert!(outbox.is_empty());
}

#[test]
fn a_state_goes_behind_what_waits_on_its_topic() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    append(&mut outbox, "a", 0..3);
    put(&mut outbox, "a", "3");
    put(&mut outbox, "a", "4");
    outbox.repeat(message("a", "2"), None, Instant::now());
    assert_eq!(drained(&mut outbox, &mut card), [0, 1, 2, 3, 4]);
    put(&mut outbox, "a", "5");
    append(&mut outbox, "a", 6..7);
    assert_eq!(drained(&mut outbox, &mut card), [6], "an older state gives way to a newer event");
}

#[test]
fn an_announcement_goes_behind_what_waits_on_its_topic_although_others_go_first() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    append(&mut outbox, "a", 0..3);
    outbox.put(Lane::Announcement, message("b", "9"), None, Instant::now(), None);
    outbox.put(Lane::Announcement, message("a", "3"), None, Instant::now(), None);
    assert_eq!(drained(&mut outbox, &mut card), [9, 0, 1, 2, 3]);
}

#[test]
fn what_the_card_has_damaged_is_counted_and_the_rest_delivered() {
    let (mut outbox, mut card) = (outbox(), Card::default());
    let topic = Topic::new("a").unwrap();
    outbox.track(&topic);
    append(&mut outbox, "a", 0..1_000);
    card.settle(&mut outbox, Instant::now() + MINUTE, Situation::Away);
    outbox.heard(SpoolEvent::Loaded { first: 128, records: vec![None, None] }, Instant::now());
    let delivered = drained(&mut outbox, &mut card);
    assert_eq!(delivered.len(), 998);
    let figures = outbox.of(&topic, Instant::now());
    assert_eq!((figures.delivered, figures.dropped, figures.waiting), (998, 2, 0));
}

#[test]
fn the_oldest_is_as_old_as_it_is() {
    let mut outbox = outbox();
    let now = Instant::now();
    outbox.append(message("a", "0"), now - MINUTE, None);
    outbox.append(message("a", "1"), now, None);
    assert_eq!(outbox.total(Some(now)).oldest, Some(MINUTE));
    assert_eq!(outbox.of(&Topic::new("a").unwrap(), now).oldest, Some(MINUTE));
    sent(&mut outbox, true);
    outbox.acknowledge(Token(0));
    assert_eq!(outbox.total(Some(now)).oldest, Some(Duration::ZERO));
}

#[test]
fn nobody_waits_for_a_card_that_does_not_answer_and_memory_stays_within_its_limit() {
    let mut outbox = Outbox::new(WINDOW, SpoolMode::Always, 1 << 20);
    let (mut card, now) = (Card::default(), Instant::now());
    card.settle(&mut outbox, now, Situation::Away);
    append(&mut outbox, "a", 0..1);
    card.take_orders(&mut outbox, now, Situation::Away); // It is asked to open,
    let order = outbox.order_due(now, Situation::Away);
    let (notice, heard) = promised();
    outbox.append(message("a", "1"), now, Some(notice));
    assert!(heard.is_empty() && !outbox.is_spool_silent(now));
    let later = order.expect("it is not waited for without end");
    put(&mut outbox, "s", "on");
    assert_eq!(sent(&mut outbox, true), [""; 0], "it may have older messages");
    card.take_orders(&mut outbox, later, Situation::Away);
    assert_eq!(heard.try_recv(), Ok(News::Stored));
    assert!(outbox.is_spool_silent(later) && outbox.is_degraded(later));
    assert_eq!(outbox.order_due(later, Situation::Away), None, "nothing more comes of waiting");
    let mut goes = Vec::new();
    outbox.send(later, true, |_, message| {
        goes.push(text(message));
        true
    });
    assert_eq!(goes[0], "s=on");
    card.answer(&mut outbox, later);
    assert!(!outbox.is_spool_silent(later));

    // The same with a group under way.
    card.take_orders(&mut outbox, later, Situation::Away);
    for _ in 0..40 {
        outbox.append(message("a", &"x".repeat(1 << 20)), later, None);
    }
    assert!(outbox.total(None).dropped >= 20, "{:?}", outbox.total(None));
    assert!(card.answer(&mut outbox, later));
    assert_eq!(card.records.len(), 2);
}
