//! What edges become, by tables.

use std::io;
use std::path::PathBuf;

use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::config::Filtering;
use crate::config::Input;
use crate::config::OnOff;
use crate::config::Place;
use crate::config::Sense;
use crate::entity::Sensor;
use crate::model::Bias;
use crate::model::Line;
use crate::model::LinePlace;
use crate::model::Value;
use crate::os::gpio::Edge;
use crate::os::gpio::Edges;

/// What happens on a line.
enum Step {
    /// It is had, active or not.
    Begins(bool),
    /// It becomes active or inactive, with this number.
    Edge(bool, u32),
    /// The clock is looked at.
    Clock,
    /// It is gone.
    Fails,
}

use Step::{Begins, Clock, Edge as Goes, Fails};

fn sensed(sense: Sense, filtering: Filtering) -> Declared {
    let place = LinePlace::Numbered { chip: "gpiochip9999".to_owned(), offset: 1 };
    let line = Line { place, active_low: false, bias: Bias::AsIs };
    let feed = Feed::Gpio { line, debounce: Duration::ZERO, sense };
    let input = Input { feed, interval: Duration::from_secs(10), misses: 2, filtering };
    Declared {
        section: "Sensor a".to_owned(),
        place: Place::File(PathBuf::new()),
        entity: Sensor::new("a", "A").build().unwrap(),
        input: Some(input),
        output: None,
    }
}

fn plain() -> Filtering {
    Filtering::plain(0.0, Duration::from_secs(25))
}

fn press() -> Sense {
    Sense::Event { active: Some("press".to_owned()), inactive: Some("release".to_owned()) }
}

fn outlet() -> (Outlet<Reading>, Receiver<Reading>) {
    let (sender, readings) = bounded(64);
    (Outlet::new(sender), readings)
}

/// Goes through `steps`, each of (ms, what happens, what is told then, and `!` where there is trouble).
#[track_caller]
fn check_kept(declared: &[Declared], store: &Store, steps: &[(u64, Step, &[&str])]) {
    let start = Instant::now();
    let mut taps = taps(declared, store, start);
    let [Tap { watch, .. }] = &mut taps[..] else { panic!("one line is one tap") };
    let (outlet, _readings) = outlet();
    let (mut telling, troubles) = (Telling::new(outlet), Troubles::default());
    for (position, (ms, step, expected)) in steps.iter().enumerate() {
        let now = start + Duration::from_millis(*ms);
        match *step {
            Begins(active) => watch.begins(active, now, &mut telling, &troubles),
            Goes(active, number) => {
                watch.take(Edge { active, number, at: Duration::ZERO }, now, &mut telling)
            }
            Clock => {}
            Fails => watch.fails(&GpioError::NoChips, true, now, &mut telling, &troubles),
        }
        watch.tell_due(now, &mut telling, &troubles);
        let mut told = telling.take();
        told.extend(troubles.list().first().map(|_| "!".to_owned()));
        assert_eq!(told, *expected, "step {position}, at {ms} ms");
    }
}

#[track_caller]
fn check(declared: &[Declared], steps: &[(u64, Step, &[&str])]) {
    let folder = tempfile::tempdir().unwrap();
    check_kept(declared, &Store::open(folder.path()), steps);
}

#[test]
fn a_level_is_told_at_the_start_at_each_change_and_with_the_heartbeat() {
    check(
        &[sensed(Sense::Level, plain())],
        &[
            (0, Begins(true), &["a on"]),
            (1, Goes(true, 1), &[]),
            (2, Goes(false, 2), &["a off"]),
            (3, Goes(true, 3), &["a on"]),
            (25_002, Clock, &[]),
            (25_003, Clock, &["a on"]),
            (50_002, Goes(false, 4), &["a off"]),
            (75_001, Clock, &[]),
        ],
    );
}

#[test]
fn an_inverted_level_is_told_the_other_way_round() {
    let words = |it: &str| vec![it.to_owned()];
    let on_off = Some(OnOff { on: words("1"), off: words("0"), invert: true });
    check(
        &[sensed(Sense::Level, Filtering { on_off, ..plain() })],
        &[(0, Begins(true), &["a off"]), (1, Goes(false, 1), &["a on"]), (25_001, Clock, &["a on"])],
    );
}

#[test]
fn a_level_is_right_however_many_edges_were_lost() {
    check(
        &[sensed(Sense::Level, plain())],
        &[
            (0, Begins(false), &["a off"]),
            (1, Goes(true, 9), &["a on"]),
            (2, Goes(true, 27), &[]),
            (3, Goes(false, 40), &["a off"]),
        ],
    );
}

#[test]
fn what_happens_is_told_each_time() {
    check(
        &[sensed(press(), plain())],
        &[
            (0, Begins(true), &["a Unknown"]),
            (1, Goes(true, 1), &["a press"]),
            (2, Goes(true, 2), &["a press"]),
            (3, Goes(false, 3), &["a release"]),
            (99_999, Clock, &[]),
        ],
    );
    let only_press = Sense::Event { active: Some("press".to_owned()), inactive: None };
    check(
        &[sensed(only_press, plain())],
        &[
            (0, Begins(false), &["a Unknown"]),
            (1, Goes(true, 1), &["a press"]),
            (2, Goes(true, 2), &["a press"]),
        ],
    );
}

#[test]
fn a_total_counts_the_edges_that_the_numbers_tell_of_and_is_told_once_an_interval() {
    check(
        &[sensed(Sense::Total, Filtering { scale: 0.5, offset: 100.0, ..plain() })],
        &[
            (0, Begins(false), &["a 100"]),
            (1, Goes(true, 1), &[]),
            (2, Goes(true, 2), &[]),
            // The kernel had no room for those between.
            (3, Goes(true, 10), &[]),
            (9_999, Clock, &[]),
            (10_000, Clock, &["a 105"]),
            (20_000, Clock, &[]),
            (29_999, Goes(true, 11), &[]),
            (30_000, Clock, &["a 105.5"]),
        ],
    );
}

#[test]
fn a_thousand_edges_a_second_are_counted_from_the_few_that_the_kernel_still_has() {
    let second = |it: u32| (u64::from(it) * 1_000, Goes(true, it * 1_000), &[][..]);
    check(
        &[sensed(Sense::Total, plain())],
        &[
            (0, Begins(false), &["a 0"]),
            (999, Goes(true, 984), &[]),
            second(1),
            second(9),
            (10_000, Goes(true, 10_000), &["a 10000"]),
            (20_000, Goes(true, 4_294_967_295), &["a 4294967295"]),
            // Numbers go around.
            (30_000, Goes(true, 5), &["a 4294967301"]),
        ],
    );
}

#[test]
fn lost_edges_of_both_kinds_have_taken_turns() {
    let door = |sense| sensed(sense, plain());
    check(
        &[door(Sense::Total), door(Sense::Level)],
        &[
            (0, Begins(false), &["a off", "a 0"]),
            // Lost: up, down. Then up.
            (1, Goes(true, 3), &["a on"]),
            // Lost: down, up, down, up. Then down.
            (2, Goes(false, 8), &["a off"]),
            (10_000, Clock, &["a 4"]),
            // Lost: up.
            (10_001, Goes(false, 10), &[]),
            // Lost: up, down, up.
            (10_002, Goes(false, 14), &[]),
            (20_000, Clock, &["a 7"]),
        ],
    );
}

#[test]
fn a_rate_is_of_the_last_interval() {
    check(
        &[sensed(Sense::Rate, Filtering { scale: 2.0, ..plain() })],
        &[
            (0, Begins(false), &[]),
            (5_000, Goes(true, 5), &[]),
            (10_000, Clock, &["a 3600"]),
            (20_000, Clock, &["a 0"]),
            // It is told late: it is of 15 s then, and the next one of 5 s.
            (35_000, Goes(true, 20), &["a 7200"]),
            (39_999, Goes(true, 21), &[]),
            (40_000, Clock, &["a 1440"]),
        ],
    );
}

#[test]
fn a_number_that_cannot_be_is_not_told_and_one_too_many_makes_the_entity_unavailable() {
    check(
        &[sensed(Sense::Rate, Filtering { valid: Some(0.0..=1_000.0), ..plain() })],
        &[
            (0, Begins(false), &[]),
            (10_000, Goes(true, 1), &["a 360"]),
            (20_000, Goes(true, 9), &["!"]),
            (30_000, Goes(true, 17), &["a Unavailable", "!"]),
            (40_000, Goes(true, 25), &["!"]),
            (50_000, Goes(true, 26), &["a 360"]),
        ],
    );
}

#[test]
fn what_a_total_counted_survives_a_restart_and_an_unreadable_one_begins_at_0() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let total = [sensed(Sense::Total, plain())];
    check_kept(&total, &store, &[(0, Begins(false), &["a 0"]), (10_000, Goes(true, 7), &["a 7"])]);
    check_kept(
        &total,
        &store,
        &[
            (0, Begins(false), &["a 7"]),
            (10_000, Goes(true, 2), &["a 9"]),
            (10_001, Fails, &["a Unavailable", "!"]),
        ],
    );
    store.write();
    let again = Store::open(folder.path());
    check_kept(&total, &again, &[(0, Begins(false), &["a 9"])]);
    again.keep("total of a", "-1".to_owned());
    check_kept(&total, &again, &[(0, Begins(false), &["a 0"])]);
}

#[test]
fn a_line_that_is_gone_makes_its_entities_unavailable_until_it_is_had_again() {
    check(
        &[
            sensed(Sense::Level, plain()),
            sensed(press(), plain()),
            sensed(Sense::Total, plain()),
            sensed(Sense::Rate, plain()),
        ],
        &[
            (0, Begins(true), &["a on", "a Unknown", "a 0"]),
            (1, Goes(false, 1), &["a off", "a release"]),
            (2, Goes(true, 2), &["a on", "a press"]),
            (3, Fails, &["a Unavailable", "a Unavailable", "a Unavailable", "a Unavailable", "!"]),
            (60_000, Begins(true), &["a on", "a Unknown", "a 1"]),
            // Its numbers begin anew.
            (60_001, Goes(false, 1), &["a off", "a release"]),
            (60_002, Goes(true, 2), &["a on", "a press"]),
            (70_000, Clock, &["a 2", "a 360"]),
        ],
    );
}

#[test]
fn sections_of_one_line_share_it_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let mut other = sensed(Sense::Total, plain());
    let Some(Input { feed: Feed::Gpio { line, .. }, .. }) = &mut other.input else { unreachable!() };
    line.active_low = true;
    let mut slow = sensed(press(), plain());
    let Some(Input { feed: Feed::Gpio { debounce, .. }, .. }) = &mut slow.input else { unreachable!() };
    *debounce = Duration::from_millis(20);
    let mut socket = sensed(press(), plain());
    socket.input.as_mut().unwrap().feed = Feed::Socket;
    let none = Declared { input: None, ..sensed(press(), plain()) };

    let declared = [sensed(Sense::Total, plain()), other, slow, socket, none];
    let taps = taps(&declared, &store, Instant::now());
    let seen: Vec<_> = taps
        .iter()
        .map(|it| (it.watch.edges(), it.watch.is_prompt(), it.watch.debounce().as_millis()))
        .collect();
    assert_eq!(seen, [(Edges::Both, true, 20), (Edges::Rising, false, 0)]);
}

#[test]
fn what_the_bridge_has_no_room_for_waits_in_order_and_is_not_counted_as_dropped() {
    let (sender, readings) = bounded(2);
    let outlet = Outlet::new(sender);
    let mut telling = Telling::new(outlet.clone());
    let entity = sensed(press(), plain()).entity;
    (0..5).for_each(|it| telling.tell(entity.id(), Value::from(it)));
    for (is_all, expected) in [(false, &[0, 1][..]), (false, &[2, 3]), (true, &[4]), (true, &[])] {
        assert_eq!(telling.hand_over(), is_all);
        let values: Vec<Value> = readings.try_iter().map(|it| it.value).collect();
        assert_eq!(values, expected.iter().copied().map(Value::from).collect::<Vec<_>>());
    }
    assert_eq!(outlet.dropped(), 0);
}

#[test]
fn a_line_that_is_not_there_is_told_and_named_and_does_not_hold_up_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let (outlet, readings) = outlet();
    let troubles = Troubles::default();
    let declared = [sensed(Sense::Level, plain())];
    let gpio = Gpio::start(&declared, outlet, &store, troubles.clone(), &Pulses::default())
        .unwrap()
        .expect("there is a line");
    let reading = readings.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((reading.entity.as_str(), reading.value), ("a", Value::Unavailable));
    let trouble = &troubles.list()[0].error;
    assert!(trouble.starts_with("there is no GPIO chip gpiochip9999, "), "{trouble}");
    assert!(gpio.stop_within(Duration::from_secs(10)));
    assert!(readings.try_recv().is_err());
}

/// As [`sensed`], of another entity on another line.
fn sensed_on(id: &str, offset: u32) -> Declared {
    let mut declared = sensed(Sense::Level, plain());
    declared.entity = Sensor::new(id, id).build().unwrap();
    let Some(Input { feed: Feed::Gpio { line, .. }, .. }) = &mut declared.input else { unreachable!() };
    line.place = LinePlace::Numbered { chip: "gpiochip9999".to_owned(), offset };
    declared
}

#[test]
fn lines_come_and_go_and_the_others_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (outlet, readings) = outlet();
    let troubles = Troubles::default();
    let limit = Duration::from_secs(10);
    let told = || readings.recv_timeout(limit).unwrap().entity.to_string();
    let troubled = || troubles.list().iter().map(|it| it.entity.to_string()).collect::<Vec<_>>();
    let [a, b, c] = [sensed_on("a", 1), sensed_on("b", 2), sensed_on("c", 3)];
    let store = Store::open(folder.path());
    let gpio = Gpio::start(&[a.clone(), b.clone()], outlet, &store, troubles.clone(), &Pulses::default())
        .unwrap()
        .unwrap();
    assert_eq!([told(), told()], ["a", "b"]);

    let renamed = Declared { entity: Sensor::new("b", "New").build().unwrap(), ..b.clone() };
    let declared = [c, renamed];
    assert!(gpio.leave(&declared, limit));
    assert_eq!(troubled(), ["b"]);
    assert!(gpio.join(&declared, limit));
    // Whatever is asked for anew would be told anew.
    assert_eq!(told(), "c");
    assert_eq!(troubled(), ["b", "c"]);

    assert!(gpio.leave(&[], limit) && gpio.join(&[], limit));
    assert_eq!(troubled(), [""; 0]);
    assert!(gpio.join(&[a], limit));
    assert_eq!(told(), "a");
    assert!(gpio.stop_within(limit));
    assert!(readings.try_recv().is_err());
}

#[test]
fn a_line_whose_sections_are_others_begins_with_what_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let now = Instant::now();
    let total = [sensed(Sense::Total, plain())];
    let mut before = taps(&total, &store, now);
    let (mut telling, troubles) = (Telling::new(outlet().0), Troubles::default());
    before[0].watch.begins(false, now, &mut telling, &troubles);
    before[0].watch.take(Edge { active: true, number: 7, at: Duration::ZERO }, now, &mut telling);
    before[0].end(now, &mut telling, &troubles);
    check_kept(&total, &store, &[(0, Begins(false), &["a 7"])]);
}

#[test]
fn dropping_it_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let (outlet, readings) = outlet();
    let declared = [sensed(Sense::Level, plain())];
    drop(
        Gpio::start(&declared, outlet, &Store::open(folder.path()), Troubles::default(), &Pulses::default())
            .unwrap(),
    );
    assert!(readings.iter().count() <= 1, "the thread and its outlet are gone");
}

#[test]
fn without_a_line_there_is_no_thread() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let (outlet, _readings) = outlet();
    let none = Declared { input: None, ..sensed(press(), plain()) };
    assert!(
        Gpio::start(&[none], outlet, &Store::open(folder.path()), Troubles::default(), &Pulses::default())?
            .is_none()
    );
    Ok(())
}
