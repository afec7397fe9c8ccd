//! What it costs to hand a message to its subscribers, among 1,000 subscriptions: beside a plain loop that asks each
//! filter, in the same run.
//!
//! `scripts/bench dispatch` runs it. The rows take turns, round for round, so that a busy machine is as unfair to one
//! as to the other; what is printed is the median of the rounds. Arguments: `--messages N` a round (20,000),
//! `--rounds N` (9), `--topics N` for the memory of filters without wildcards (20,000).

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use luigi_mqtt::dispatch::Dispatch;
use luigi_mqtt::dispatch::Mailbox;
use luigi_mqtt::dispatch::Messages;
use luigi_mqtt::dispatch::SubscriptionId;
use luigi_mqtt::model::FilterTree;
use luigi_mqtt::model::Incoming;
use luigi_mqtt::model::Topic;
use luigi_mqtt::model::TopicFilter;

#[path = "support/options.rs"]
mod options;

use options::number;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (messages, rounds) = (number("--messages", 20_000)?, number("--rounds", 9)?);
    print_memory(number("--topics", 20_000)?)?;

    let filters = filters()?;
    let incoming = (0..messages).map(incoming).collect::<Outcome<Vec<_>>>()?;
    let mut tree = FilterTree::new();
    let mut subscribers = Subscribers::new(&filters);
    let mut callbacks = Dispatch::new();
    for (id, filter) in (0..).zip(&filters) {
        tree.insert(filter, id);
        callbacks.add(SubscriptionId(id), filter.clone(), Mailbox::callback(|it| drop(black_box(it))));
    }
    let found = |it: &Incoming| tree.matches(&it.topic).count();
    let asked = |it: &Incoming| filters.iter().filter(|filter| filter.matches(it.topic.as_str())).count();
    let takers: usize = incoming.iter().map(found).sum();
    assert_eq!(takers, incoming.iter().map(asked).sum::<usize>(), "the tree and the loop disagree");

    let mut rows = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        rows[0].push(time(&incoming, asked));
        rows[1].push(time(&incoming, found));
        rows[2].push(incoming.chunks(CHUNK).map(|it| subscribers.time(it)).sum());
        rows[3].push(time(&incoming, |it| callbacks.deliver(it)));
    }
    let each = takers as f64 / messages as f64;
    println!("\n{} subscriptions, {each:.1} of which get a message:", filters.len());
    println!("{:44}{:>12}{:>12}", "", "µs/message", "ratio");
    let plain = median(&mut rows[0]);
    for (what, row) in ROWS.iter().zip(&mut rows) {
        let took = median(row);
        let micros = took.as_secs_f64() * 1e6 / messages as f64;
        println!("{what:44}{micros:>12.2}{:>12.3}", took.as_secs_f64() / plain.as_secs_f64());
    }
    callbacks.stop(LIMIT);
    Ok(())
}

/// What is measured.
const ROWS: [&str; 4] = [
    "asking each filter, nothing delivered",
    "finding them in the tree, nothing delivered",
    "delivering to channels",
    "delivering to callbacks, which run meanwhile",
];

/// A dispatch with a channel for each filter.
struct Subscribers {
    dispatch: Dispatch,
    messages: Vec<Messages>,
}

impl Subscribers {
    fn new(filters: &[TopicFilter]) -> Subscribers {
        let mut dispatch = Dispatch::new();
        let messages = (0..).zip(filters).map(|(id, filter)| {
            let (mailbox, messages) = Mailbox::channel(|| {});
            dispatch.add(SubscriptionId(id), filter.clone(), mailbox);
            messages
        });
        let messages = messages.collect();
        Subscribers { dispatch, messages }
    }

    /// Delivers what is `incoming`. That the subscribers take it is not timed.
    fn time(&mut self, incoming: &[Incoming]) -> Duration {
        let took = time(incoming, |it| self.dispatch.deliver(it));
        for messages in &self.messages {
            while messages.try_recv().is_ok() {}
        }
        took
    }
}

fn time(incoming: &[Incoming], mut deliver: impl FnMut(&Incoming) -> usize) -> Duration {
    let began = Instant::now();
    for it in incoming {
        black_box(deliver(it));
    }
    began.elapsed()
}

fn median(rounds: &mut [Duration]) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

/// The mix of a house: mostly single topics, whole rooms, one kind of sensor everywhere, and few who hear everything.
fn filters() -> Outcome<Vec<TopicFilter>> {
    let filters = (0..1000).map(|number| match number {
        0..700 => format!("home/room{}/sensor{}/state", number % 50, number / 50),
        700..800 => format!("home/room{}/#", number % 50),
        800..900 => format!("home/room{}/+/state", number % 50),
        900..998 => format!("home/+/sensor{}/state", number % 98),
        _ => "#".to_owned(),
    });
    Ok(filters.map(TopicFilter::new).collect::<Result<_, _>>()?)
}

fn incoming(number: usize) -> Outcome<Incoming> {
    let topic = Topic::new(format!("home/room{}/sensor{}/state", number % 60, number % 101))?;
    Ok(Incoming { topic, payload: b"21.5"[..].into(), retained: false })
}

/// Prints what a filter without wildcards takes.
fn print_memory(topics: usize) -> Outcome<()> {
    let filters = (0..topics)
        .map(|it| TopicFilter::new(format!("zigbee2mqtt/0x{it:016x}")))
        .collect::<Result<Vec<_>, _>>()?;
    let before = resident()?;
    let mut tree = FilterTree::new();
    for (id, filter) in (0u64..).zip(&filters) {
        tree.insert(filter, id);
    }
    let bytes = (resident()? - before) * 1024;
    println!("{topics} filters without wildcards: {} bytes each, beside their texts", bytes / topics.max(1));
    drop(tree);
    Ok(())
}

/// Memory of this process, in kB of 1024 bytes.
fn resident() -> Outcome<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().ok_or("no VmRSS")?.parse()?)
}

/// Fewer messages than a mailbox holds, for nothing is to be dropped.
const CHUNK: usize = 1000;
/// Longer than the callbacks take.
const LIMIT: Duration = Duration::from_secs(10);
