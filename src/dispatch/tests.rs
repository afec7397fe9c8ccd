//! What is delivered to whom, and how often; what is said about it.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, OnceLock};
use std::thread;

use crossbeam_channel::TryRecvError;

use super::*;
use crate::model::Topic;

pub(super) fn filter(text: &str) -> TopicFilter {
    TopicFilter::new(text).unwrap()
}

pub(super) fn incoming(topic: &str, payload: &str) -> Incoming {
    Incoming { topic: Topic::new(topic).unwrap(), payload: payload.as_bytes().into(), retained: false }
}

fn retained(topic: &str) -> Incoming {
    Incoming { retained: true, ..incoming(topic, "") }
}

/// Waits for another thread.
#[track_caller]
pub(super) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true");
        thread::sleep(Duration::from_millis(1));
    }
}

/// How many lines of the log, in this process, hold `text`.
pub(super) fn logged(text: &str) -> usize {
    lines().lock().unwrap().iter().filter(|it| it.contains(text)).count()
}

/// Has lines of the log kept from here on.
pub(super) fn keep_log() {
    let _ = log::set_logger(&Keeper); // Another test was first.
    log::set_max_level(log::LevelFilter::Warn);
}

fn lines() -> &'static Mutex<Vec<String>> {
    static LINES: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    LINES.get_or_init(Mutex::default)
}

struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        lines().lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// A dispatch with a channel for each of `filters`; the ids count from 0.
fn with_channels(filters: &[&str]) -> (Dispatch, Vec<Messages>) {
    let mut dispatch = Dispatch::new();
    let messages = filters.iter().zip(0..).map(|(text, id)| {
        let (mailbox, messages) = Mailbox::channel(|| {});
        dispatch.add(SubscriptionId(id), filter(text), mailbox);
        messages
    });
    let messages = messages.collect();
    (dispatch, messages)
}

fn waiting(messages: &[Messages]) -> Vec<usize> {
    messages.iter().map(|it| it.len()).collect()
}

#[test]
fn each_subscription_gets_a_message_once() {
    let (mut dispatch, messages) = with_channels(&["a/b", "a/b", "a/+", "#", "b/#"]);
    assert_eq!(dispatch.deliver(&incoming("a/b", "1")), 4);
    assert_eq!(dispatch.deliver(&incoming("c", "2")), 1);
    assert_eq!(waiting(&messages), [1, 1, 1, 2, 0]);
    assert_eq!(messages[2].try_recv(), Ok(incoming("a/b", "1")));
}

#[test]
fn a_retained_copy_comes_once_a_connection() {
    let (mut dispatch, mut messages) = with_channels(&["a", "+"]);
    assert_eq!(dispatch.deliver(&retained("a")), 2);
    assert_eq!(dispatch.deliver(&retained("a")), 0);
    assert_eq!(dispatch.deliver(&retained("b")), 1);
    assert_eq!(dispatch.deliver(&incoming("a", "news")), 2);
    let (mailbox, late) = Mailbox::channel(|| {});
    dispatch.add(SubscriptionId(2), filter("#"), mailbox);
    messages.push(late);
    assert_eq!(dispatch.deliver(&retained("a")), 1);
    assert_eq!(waiting(&messages), [2, 3, 1]);
    dispatch.connected();
    assert_eq!(dispatch.deliver(&retained("a")), 3);
    assert_eq!(dispatch.deliver(&retained("a")), 0);
}

#[test]
fn what_is_known_of_retained_copies_is_bounded() {
    let (mut dispatch, _messages) = with_channels(&["#"]);
    for number in 0..MOST_RETAINED + 10 {
        assert_eq!(dispatch.deliver(&retained(&number.to_string())), 1);
    }
    assert_eq!(dispatch.subscriptions[&SubscriptionId(0)].retained.len(), MOST_RETAINED);
    assert_eq!(dispatch.deliver(&retained("0")), 0);
}

#[test]
fn whoever_shares_a_filter_with_one_that_is_removed_keeps_it() {
    let (mut dispatch, messages) = with_channels(&["a/#", "b", "a/#"]);
    assert_eq!(dispatch.remove(SubscriptionId(0)), Some(filter("a/#")));
    assert_eq!(dispatch.remove(SubscriptionId(0)), None);
    assert_eq!(dispatch.deliver(&incoming("a/x", "")), 1);
    assert_eq!(waiting(&messages), [0, 0, 1]);
}

#[test]
fn a_removed_channel_can_be_read_to_its_end() {
    let (mut dispatch, messages) = with_channels(&["a"]);
    dispatch.deliver(&incoming("a", "1"));
    dispatch.remove(SubscriptionId(0));
    assert_eq!(dispatch.deliver(&incoming("a", "2")), 0);
    assert_eq!(messages[0].try_recv(), Ok(incoming("a", "1")));
    assert_eq!(messages[0].try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_subscriber_that_goes_is_noticed_and_keeps_nothing() {
    let mut dispatch = Dispatch::new();
    let (told, tells) = crossbeam_channel::bounded(1);
    let (mailbox, messages) = Mailbox::channel(move || told.send(7).unwrap());
    dispatch.add(SubscriptionId(7), filter("a"), mailbox);
    let news = incoming("a", "1");
    dispatch.deliver(&news);
    drop(messages);
    assert_eq!(tells.try_recv(), Ok(7));
    assert_eq!(Arc::strong_count(&news.payload), 2);
    assert_eq!((dispatch.deliver(&news), dispatch.deliver(&news)), (0, 0));
    assert_eq!(Arc::strong_count(&news.payload), 1);
    assert_eq!(dispatch.closed(), [SubscriptionId(7)]);
    assert_eq!(dispatch.closed(), []);
    assert_eq!(dispatch.remove(SubscriptionId(7)), Some(filter("a")));
}

#[test]
fn a_subscriber_that_falls_behind_is_named_once_until_it_has_caught_up() {
    keep_log();
    let (mut dispatch, messages) = with_channels(&["behind/#"]);
    let mut fill = || (0..1030).for_each(|_| assert_eq!(dispatch.deliver(&incoming("behind/x", "")), 1));
    fill();
    assert_eq!((messages[0].dropped(), logged("behind/#")), (6, 1));
    messages[0].recv().unwrap();
    fill();
    assert_eq!((messages[0].dropped(), logged("behind/#")), (1035, 1));
    while messages[0].try_recv().is_ok() {}
    fill();
    assert_eq!((messages[0].dropped(), logged("behind/#")), (1041, 2));
}

#[test]
fn a_thousand_subscriptions_get_their_messages_from_one_thread() {
    let mut dispatch = Dispatch::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let threads = Arc::new(Mutex::new(Vec::new()));
    for id in 0..1000 {
        let (calls, threads) = (Arc::clone(&calls), Arc::clone(&threads));
        let mailbox = Mailbox::callback(move |_| {
            let own = thread::current().id();
            let mut threads = threads.lock().unwrap();
            if !threads.contains(&own) {
                threads.push(own);
            }
            calls.fetch_add(1, SeqCst);
        });
        dispatch.add(SubscriptionId(id), filter(&format!("{}/#", id % 10)), mailbox);
    }
    for topic in 0..10 {
        assert_eq!(dispatch.deliver(&incoming(&format!("{topic}/x"), "")), 100);
    }
    wait_until(|| calls.load(SeqCst) == 1000);
    assert!(dispatch.stop(Duration::from_secs(20)));
    assert_eq!((calls.load(SeqCst), threads.lock().unwrap().len()), (1000, 1));
}
