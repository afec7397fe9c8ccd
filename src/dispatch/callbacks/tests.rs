//! How callbacks are called: in order, one at a time, on as few threads as will do, until they are removed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::super::tests::{filter, incoming, keep_log, logged, wait_until};
use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A callback that tells of each call, and stays in it until it is let go; and of its end.
struct Gate {
    slot: Slot,
    /// The payload of each call when it begins.
    begun: Receiver<String>,
    /// One for each call.
    release: Sender<()>,
    /// The name of the thread that has dropped it.
    dropped: Receiver<String>,
}

/// Tells on which thread it was dropped.
struct Tell(Sender<String>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().name().unwrap_or_default().to_owned());
    }
}

impl Gate {
    fn add(pool: &Pool) -> Gate {
        let (begins, begun) = unbounded();
        let (release, released) = unbounded();
        let (tell, dropped) = bounded(1);
        let tell = Tell(tell);
        let slot = pool.add(
            filter("gate"),
            Box::new(move |incoming| {
                let _tell = &tell;
                begins.send(String::from_utf8_lossy(&incoming.payload).into_owned()).unwrap();
                let _ = released.recv();
            }),
        );
        Gate { slot, begun, release, dropped }
    }

    fn push(&self, pool: &mut Pool, payload: &str) {
        pool.push(self.slot, &incoming("gate", payload));
    }

    #[track_caller]
    fn begins(&self, payload: &str) {
        assert_eq!(self.begun.recv_timeout(LIMIT).as_deref(), Ok(payload));
    }

    #[track_caller]
    fn is_dropped_by_a_callback_thread(&self) {
        assert_eq!(self.dropped.recv_timeout(LIMIT).as_deref(), Ok("callback"));
    }
}

/// Threads, and those of them that have nothing to do.
fn threads(pool: &Pool) -> (usize, usize) {
    let state = pool.shared.lock();
    (state.threads, state.idle)
}

#[test]
fn there_is_no_thread_until_one_is_needed() {
    let mut pool = Pool::new();
    let gate = Gate::add(&pool);
    assert_eq!(threads(&pool), (0, 0));
    gate.push(&mut pool, "1");
    gate.begins("1");
    assert_eq!(threads(&pool), (1, 0));
}

#[test]
fn calls_of_one_callback_are_in_order_and_one_at_a_time() {
    let mut pool = Pool::with(Pace { patience: Duration::ZERO, idle: IDLE });
    let (sender, calls) = unbounded();
    let slots: Vec<_> = (0..4)
        .map(|who| {
            let (sender, busy) = (sender.clone(), AtomicBool::new(false));
            let callback = move |incoming: Incoming| {
                assert!(!busy.swap(true, SeqCst));
                thread::yield_now();
                busy.store(false, SeqCst);
                let payload = String::from_utf8_lossy(&incoming.payload).into_owned();
                sender.send((who, payload.parse::<usize>().unwrap())).unwrap();
            };
            pool.add(filter("a"), Box::new(callback))
        })
        .collect();
    let mut next = [0; 4];
    for round in 0..10 {
        for number in 0..100 {
            for slot in &slots {
                pool.push(*slot, &incoming("a", &(round * 100 + number).to_string()));
                pool.tick(Instant::now());
            }
        }
        for _ in 0..400 {
            let (who, number) = calls.recv_timeout(LIMIT).unwrap();
            assert_eq!(number, next[who]);
            next[who] += 1;
        }
    }
    assert!(pool.stop(LIMIT));
}

#[test]
fn a_slow_callback_keeps_others_waiting_for_its_patience_only() {
    let mut pool = Pool::new();
    let (slow, other) = (Gate::add(&pool), Gate::add(&pool));
    slow.push(&mut pool, "1");
    slow.push(&mut pool, "2");
    slow.begins("1");
    assert_eq!(pool.due(), None, "nobody else waits");
    let before = Instant::now();
    other.push(&mut pool, "3");
    let due = pool.due().unwrap();
    assert!(due >= before + PATIENCE && due <= Instant::now() + PATIENCE);
    pool.tick(due - Duration::from_nanos(1));
    assert_eq!(threads(&pool).0, 1);
    pool.tick(due);
    other.begins("3");
    assert_eq!((threads(&pool).0, pool.due()), (2, None));
    // Both are in calls, and there is nobody for whom a third would be.
    other.push(&mut pool, "4");
    pool.tick(Instant::now() + LIMIT);
    assert_eq!((threads(&pool).0, pool.due()), (2, None));
}

#[test]
fn threads_are_added_one_by_one() {
    let mut pool = Pool::new();
    let gates: Vec<_> = (0..3).map(|_| Gate::add(&pool)).collect();
    gates[0].push(&mut pool, "1");
    gates[0].begins("1");
    gates[1..].iter().for_each(|it| it.push(&mut pool, "2"));
    let due = pool.due().unwrap();
    pool.tick(due);
    gates[1].begins("2");
    assert_eq!(pool.due(), Some(due + PATIENCE));
    pool.tick(due);
    assert_eq!(threads(&pool).0, 2);
    pool.tick(due + PATIENCE);
    gates[2].begins("2");
    assert_eq!(threads(&pool).0, 3);
}

#[test]
fn messages_take_turns() {
    let mut pool = Pool::new();
    let (eager, other) = (Gate::add(&pool), Gate::add(&pool));
    for payload in ["1", "2", "3"] {
        eager.push(&mut pool, payload);
    }
    eager.begins("1");
    other.push(&mut pool, "4");
    eager.release.send(()).unwrap();
    other.begins("4");
    assert!(eager.begun.is_empty());
}

#[test]
fn a_thread_without_work_ends_unless_it_is_the_last() {
    let mut pool = Pool::with(Pace { patience: PATIENCE, idle: Duration::from_millis(20) });
    let gates: Vec<_> = (0..3).map(|_| Gate::add(&pool)).collect();
    for (gate, looks) in gates.iter().zip(1..) {
        gate.push(&mut pool, "1");
        pool.tick(Instant::now() + LIMIT * looks);
        gate.begins("1");
    }
    assert_eq!(threads(&pool), (3, 0));
    gates.iter().for_each(|it| it.release.send(()).unwrap());
    wait_until(|| threads(&pool) == (1, 1));
    gates[0].push(&mut pool, "2");
    gates[0].begins("2");
    assert_eq!(pool.workers.len(), 3, "one had ended that was to stay");
    wait_until(|| pool.workers.iter().filter(|it| !it.has_ended()).count() == 1);
    gates[1].push(&mut pool, "2");
    pool.tick(Instant::now() + LIMIT * 4);
    gates[1].begins("2");
    assert_eq!(pool.workers.len(), 2, "those that ended are forgotten");
}

#[test]
fn a_panic_is_told_once_and_the_callback_goes_on() {
    keep_log();
    let mut pool = Pool::new();
    let (sender, calls) = unbounded();
    let callback = move |it: Incoming| {
        sender.send(it.payload.len()).unwrap();
        assert!(it.payload.is_empty(), "a panic that belongs to the test");
    };
    let slot = pool.add(filter("panics/+"), Box::new(callback));
    for payload in ["1", "22", "", "333"] {
        pool.push(slot, &incoming("panics/x", payload));
    }
    let lengths: Vec<_> = (0..4).map(|_| calls.recv_timeout(LIMIT).unwrap()).collect();
    assert_eq!(lengths, [1, 2, 0, 3]);
    assert!(pool.stop(LIMIT));
    assert_eq!(logged("panics/+"), 1);
}

#[test]
fn no_call_begins_after_the_removal() {
    let mut pool = Pool::new();
    let (gate, other) = (Gate::add(&pool), Gate::add(&pool));
    for payload in ["1", "2", "3"] {
        gate.push(&mut pool, payload);
    }
    gate.begins("1");
    pool.remove(gate.slot);
    assert!(gate.dropped.is_empty(), "it is in a call");
    gate.release.send(()).unwrap();
    gate.is_dropped_by_a_callback_thread();
    assert!(gate.begun.is_empty());
    other.push(&mut pool, "4");
    other.begins("4");
    pool.remove(other.slot);
    assert_eq!(pool.due(), None, "nothing can be done before the call ends");
    other.release.send(()).unwrap();
    other.is_dropped_by_a_callback_thread();
    wait_until(|| pool.shared.lock().places.is_empty());
}

#[test]
fn a_callback_is_dropped_by_a_thread_that_calls_callbacks() {
    let mut pool = Pool::new();
    let (never_called, busy, waiting) = (Gate::add(&pool), Gate::add(&pool), Gate::add(&pool));
    pool.remove(never_called.slot);
    never_called.is_dropped_by_a_callback_thread();
    busy.push(&mut pool, "1");
    busy.begins("1");
    waiting.push(&mut pool, "2");
    pool.remove(waiting.slot);
    pool.remove(waiting.slot);
    busy.release.send(()).unwrap();
    waiting.is_dropped_by_a_callback_thread();
    assert!(waiting.begun.is_empty());
    assert!(pool.stop(LIMIT));
    busy.is_dropped_by_a_callback_thread();
}

#[test]
fn one_that_hangs_is_left_behind() {
    let mut pool = Pool::new();
    let (hanging, other) = (Gate::add(&pool), Gate::add(&pool));
    hanging.push(&mut pool, "1");
    hanging.push(&mut pool, "2");
    hanging.begins("1");
    other.push(&mut pool, "3");
    pool.tick(Instant::now() + LIMIT);
    other.begins("3");
    other.release.send(()).unwrap();
    assert!(!pool.stop(Duration::from_millis(50)));
    other.is_dropped_by_a_callback_thread();
    assert!(hanging.dropped.is_empty());
    hanging.release.send(()).unwrap();
    hanging.is_dropped_by_a_callback_thread();
    assert!(hanging.begun.is_empty(), "a call began after the stop");
}

#[test]
fn a_pool_that_is_dropped_waits_for_nobody() {
    let mut pool = Pool::new();
    let gate = Gate::add(&pool);
    gate.push(&mut pool, "1");
    gate.push(&mut pool, "2");
    gate.begins("1");
    drop(pool);
    gate.release.send(()).unwrap();
    gate.is_dropped_by_a_callback_thread();
    assert!(gate.begun.is_empty(), "a call began after the drop");
}

#[test]
fn a_callback_may_push_remove_itself_and_stop_all() {
    let pool = Arc::new(Mutex::new(Some(Pool::new())));
    let calls = Arc::new(AtomicUsize::new(0));
    let (ended, end) = bounded(1);
    let slot = pool.lock().unwrap().as_ref().unwrap().add(
        filter("a"),
        Box::new({
            let (pool, calls) = (Arc::clone(&pool), Arc::clone(&calls));
            move |it| {
                assert!(in_callback());
                calls.fetch_add(1, SeqCst);
                let mut own = pool.lock().unwrap();
                own.as_mut().unwrap().push(Slot(0), &it);
                own.as_mut().unwrap().remove(Slot(0));
                ended.send(own.take().unwrap().stop(LIMIT)).unwrap();
            }
        }),
    );
    pool.lock().unwrap().as_mut().unwrap().push(slot, &incoming("a", ""));
    assert_eq!(end.recv_timeout(LIMIT / 2), Ok(false), "its own thread cannot have ended");
    assert_eq!((calls.load(SeqCst), in_callback()), (1, false));
}
