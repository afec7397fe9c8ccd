//! Everything that can happen to the outbox, in an order that chance makes.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::*;

/// A life of the outbox with a broker that comes and goes, a card that answers late or fails, and processes that end.
struct Life {
    rng: Rng,
    mode: SpoolMode,
    /// Whether the card is out of use at times, and what comes back from it may be late.
    failing: bool,
    outbox: Outbox,
    card: Card,
    now: Instant,
    connected: bool,
    in_flight: Vec<(Token, (String, u32))>,
    /// What this process has accepted, and has not been told the end of.
    notices: BTreeMap<(String, u32), Heard>,
    /// What this process knows to be delivered.
    delivered: BTreeSet<(String, u32)>,
    /// By topic, the numbers that the broker saw for the first time, in that order.
    seen: BTreeMap<String, Vec<u32>>,
    /// Numbers given out, and those that were said to be stored.
    accepted: BTreeMap<String, u32>,
    kept: Vec<(String, u32)>,
    /// What was said as a mere state.
    states: Vec<(String, u32)>,
    /// The last of them on `s` that an ended process may have taken with it.
    restarted_at: Option<u32>,
}

/// What one notice has said.
struct Heard {
    news: Receiver<News>,
    stored: bool,
    ended: Option<Option<Fate>>,
}

impl Heard {
    fn new(news: Receiver<News>) -> Heard {
        Heard { news, stored: false, ended: None }
    }

    /// Takes what was said since. Returns whether that is that the message is stored: never twice, nor anything after the end.
    fn listen(&mut self) -> bool {
        let before = self.stored;
        for news in self.news.try_iter() {
            assert_eq!(self.ended, None, "{news:?} comes after the end");
            match news {
                News::Stored => assert!(!std::mem::replace(&mut self.stored, true), "stored twice"),
                News::Ended(fate) => self.ended = Some(fate),
            }
        }
        self.stored && !before
    }
}

impl Life {
    fn new(seed: u64, mode: SpoolMode, failing: bool) -> Life {
        Life {
            rng: Rng::with_seed(seed),
            mode,
            failing,
            outbox: Outbox::new(20, mode, 1 << 30),
            card: Card { named: (seed % 3 == 0).then_some(1), ..Card::default() },
            now: Instant::now(),
            connected: false,
            in_flight: Vec::new(),
            notices: BTreeMap::new(),
            delivered: BTreeSet::new(),
            seen: BTreeMap::new(),
            accepted: BTreeMap::new(),
            kept: Vec::new(),
            states: Vec::new(),
            restarted_at: None,
        }
    }

    fn step(&mut self) {
        match self.rng.u32(0..100) {
            0..35 => self.append(),
            35..45 => self.put(),
            45..70 => self.send(),
            70..85 => self.acknowledge(),
            85..90 => drop(self.card.answer(&mut self.outbox, self.now)),
            90..93 => {
                // A card that is silent for longer than this is not waited for, which is another story.
                while self.card.answer(&mut self.outbox, self.now) {}
                self.now += Duration::from_millis(self.rng.u64(0..15_000));
            }
            93..96 => self.cut(),
            // Where promises are only kept by the card, it has to work.
            96..98 => self.card.full = self.mode == SpoolMode::Outage && self.rng.bool(),
            98 => self.restart(),
            _ => self.connected = true,
        }
        if self.failing && self.rng.u32(0..30) == 0 {
            self.fail_or_mend();
        }
        let situation = if self.connected { Situation::Connected } else { Situation::Away };
        self.card.take_orders(&mut self.outbox, self.now, situation);
        for (message, heard) in &mut self.notices {
            if !heard.stored && heard.listen() {
                self.kept.push(message.clone());
            }
        }
        let figures = self.outbox.total(None);
        assert!(self.failing || figures.dropped == 0, "there was room for all");
    }

    /// The card is out of use from now on, or in use again as it was.
    fn fail_or_mend(&mut self) {
        if !self.card.failed {
            // It is asked to open once, and says so itself when it is open later.
            self.card.orders.retain(|it| *it != SpoolOrder::Open);
            let failed = self.card.fail();
            self.outbox.heard(failed, self.now);
        } else if !self.card.full {
            for event in self.card.carry_out(SpoolOrder::Open) {
                self.outbox.heard(event, self.now);
            }
        }
    }

    fn append(&mut self) {
        let topic = ["a", "b", "c"][self.rng.usize(0..3)].to_owned();
        for _ in 0..self.rng.u32(1..40) {
            let next = self.accepted.entry(topic.clone()).or_default();
            let (notice, news) = promised();
            self.outbox.append(message(&topic, &next.to_string()), self.now, Some(notice));
            self.notices.insert((topic.clone(), *next), Heard::new(news));
            *next += 1;
        }
    }

    /// Says a state: on a topic of its own, or on one of those of which every message counts.
    fn put(&mut self) {
        let topic = ["a", "s"][self.rng.usize(0..2)].to_owned();
        let next = self.accepted.entry(topic.clone()).or_default();
        let (tell, news) = unbounded();
        let notice = Notice::new(move |it| _ = tell.send(it));
        self.outbox.put(Lane::State, message(&topic, &next.to_string()), None, self.now, Some(notice));
        self.notices.insert((topic.clone(), *next), Heard::new(news));
        self.states.push((topic, *next));
        *next += 1;
    }

    fn send(&mut self) {
        let (seen, in_flight, rng) = (&mut self.seen, &mut self.in_flight, &mut self.rng);
        let (delivered, failing) = (&self.delivered, self.failing);
        if !self.connected {
            return;
        }
        self.outbox.send(self.now, true, |token, message| {
            let goes = rng.u32(0..20) > 0;
            if goes {
                let number = String::from_utf8_lossy(&message.payload).parse().unwrap();
                let named = (message.topic.to_string(), number);
                assert!(!delivered.contains(&named), "{named:?} was delivered, and comes again");
                in_flight.push((token, named));
                let seen = seen.entry(message.topic.to_string()).or_default();
                if let Err(place) = seen.binary_search(&number) {
                    assert!(failing || place == seen.len(), "{number} comes after {:?}", seen.last());
                    seen.insert(place, number);
                }
            }
            goes
        });
    }

    fn acknowledge(&mut self) {
        for _ in 0..self.rng.usize(0..30).min(self.in_flight.len()) {
            let at = self.rng.usize(0..self.in_flight.len().min(5));
            self.acknowledge_one(at);
        }
    }

    /// What is acknowledged is told at once.
    fn acknowledge_one(&mut self, at: usize) {
        let (token, message) = self.in_flight.swap_remove(at);
        self.outbox.acknowledge(token);
        self.delivered.insert(message.clone());
        // One of an earlier process has no notice in this one.
        if let Some(mut it) = self.notices.remove(&message) {
            if it.listen() {
                self.kept.push(message.clone());
            }
            assert_eq!(it.ended, Some(Some(Fate::Delivered)), "{message:?}");
        }
    }

    /// What was not acknowledged is not told, but for states that a newer message replaced.
    fn check_notices(&mut self) {
        let (states, kept) = (&self.states, &mut self.kept);
        self.notices.retain(|message, it| {
            if it.listen() {
                kept.push(message.clone());
            }
            let replaced = it.ended == Some(Some(Fate::Replaced)) && states.contains(message);
            assert!(it.ended.is_none() || replaced, "{message:?} {:?}", it.ended);
            !replaced
        });
    }

    fn cut(&mut self) {
        self.connected = false;
        self.check_notices();
        self.in_flight.clear();
        self.outbox.rewind();
    }

    /// The process ends, in order where nothing else is promised, and another begins on the same card.
    fn restart(&mut self) {
        self.cut();
        self.restarted_at = self.accepted.get("s").map(|next| next - 1);
        self.card.full = false;
        if self.mode == SpoolMode::Outage || self.failing {
            self.card.settle(&mut self.outbox, self.now, Situation::Ending);
        }
        self.card.orders.clear();
        self.card.failed = false;
        self.check_notices();
        self.delivered.clear();
        self.outbox = Outbox::new(20, self.mode, 1 << 30);
        for (message, mut it) in std::mem::take(&mut self.notices) {
            it.listen();
            assert_eq!(it.ended, Some(None), "{message:?}");
        }
        // What was not promised is not to be expected, and must not leave gaps that look like losses.
        let order = self.outbox.open_spool(self.now);
        self.card.orders.push_back(order);
    }

    fn end(&mut self) {
        self.card.full = false;
        if self.card.failed {
            self.fail_or_mend();
        }
        self.connected = true;
        for _ in 0..10_000 {
            self.now += Duration::from_secs(1);
            self.card.settle(&mut self.outbox, self.now, Situation::Connected);
            self.send();
            while !self.in_flight.is_empty() {
                self.acknowledge_one(0);
            }
            if self.outbox.is_empty() {
                self.check_notices();
                if let Some(it) = self.notices.keys().next() {
                    panic!(
                        "{it:?} {} seen {:?} delivered {:?} state {} n {}",
                        self.outbox.queue.notices_kept(),
                        self.seen[&it.0].contains(&it.1),
                        self.delivered.contains(it),
                        self.states.contains(it),
                        self.notices.len()
                    );
                }
                return;
            }
        }
        panic!("{} messages never go", self.outbox.len());
    }
}

/// Lives with these seeds. What comes out of order ends one at once.
fn live(mode: SpoolMode, failing: bool, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let mut life = Life::new(seed, mode, failing);
        for _ in 0..600 {
            life.step();
        }
        life.end();
        for (topic, number) in &life.kept {
            let seen = life.seen.get(topic).is_some_and(|seen| seen.binary_search(number).is_ok());
            assert!(seen, "seed {seed}: {number} on {topic} was promised and is missing");
        }
        if mode == SpoolMode::Outage {
            for (topic, count) in &life.accepted {
                let state = |number| life.states.contains(&(topic.clone(), number));
                let missing =
                    (0..*count).find(|it| life.seen[topic].binary_search(it).is_err() && !state(*it));
                assert_eq!(missing, None, "seed {seed}: {topic}");
            }
        }
        let last = life.states.iter().rev().find(|(topic, _)| topic == "s").map(|it| it.1);
        if last > life.restarted_at {
            assert_eq!(life.seen["s"].last().copied(), last, "seed {seed}: the newest state is missing");
        }
    }
}

#[test]
fn in_an_outage_nothing_accepted_is_missing_or_out_of_order_whatever_happens() {
    live(SpoolMode::Outage, false, 0..12);
}

#[test]
fn with_the_card_always_nothing_promised_is_missing_or_out_of_order_although_processes_are_killed() {
    live(SpoolMode::Always, false, 0..12);
}

#[test]
fn a_card_that_is_out_of_use_at_times_costs_nothing_and_has_nothing_sent_again() {
    live(SpoolMode::Outage, true, 0..7);
    live(SpoolMode::Always, true, 0..7);
}
