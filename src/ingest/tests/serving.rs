//! Programs that behave.

use super::*;

#[test]
fn each_line_is_answered_in_order() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write("one\ntwo\n\nthr");
    program.write("ee\n");
    let answers: Vec<_> = (0..4).map(|_| program.line()).collect();
    assert_eq!(answers, ["one\n", "two\n", "\n", "three\n"]);
}

#[test]
fn the_kernel_says_who_asks() {
    let office = Office::new();
    let _server = office.serve();
    office.program().ask("hello");
    let peer = office.change(|it| it.came[0].clone());
    let ours = (std::process::id(), nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    assert_eq!((peer.pid, peer.uid, peer.gid), (Some(ours.0), ours.1, ours.2));
}

#[test]
fn an_answer_that_comes_later_keeps_its_place() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write("one\nlater\ntwo\nlater\nthree\n");
    office.answer(1, "second");
    office.answer(0, "first");
    let answers: Vec<_> = (0..5).map(|_| program.line()).collect();
    assert_eq!(answers, ["one\n", "first\n", "two\n", "second\n", "three\n"]);
}

#[test]
fn an_answer_that_is_due_needs_no_bell() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write("later\n");
    let ticket = office.wait(|it| it.promised.first().copied());
    office.change(|it| {
        it.answers.push((ticket, "by the clock".to_owned()));
        it.due = Some(Instant::now() + Duration::from_millis(20));
    });
    // The thread looks when it has to before it sleeps.
    assert_eq!(office.program().ask("wake up"), "wake up\n");
    assert_eq!(program.line(), "by the clock\n");
}

#[test]
fn events_go_out_while_an_answer_is_waited_for() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write("one\nlater\n");
    office.wait(|it| it.promised.first().copied());
    office.tell(0, "news");
    assert_eq!((program.line().as_str(), program.line().as_str()), ("one\n", "news\n"));
    office.answer(0, "at last");
    assert_eq!(program.line(), "at last\n");
}

#[test]
fn all_events_arrive_however_many() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.ask("hello");
    let client = office.change(|it| it.came[0].client);
    let events: VecDeque<_> = (0..20_000).map(|it| format!("event {it}")).collect();
    office.change(|it| it.events.insert(client, events));
    office.bell.ring();
    for number in 0..20_000 {
        assert_eq!(program.line(), format!("event {number}\n"));
    }
}

#[test]
fn what_is_left_of_a_line_at_the_end_is_a_line() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write("one\ntwo");
    program.close_writing();
    assert_eq!(program.rest(), "one\ntwo\n");
}

#[test]
fn who_only_listens_any_more_gets_all_answers_and_then_the_end() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write("later\nmuch 200000\nlast\n");
    program.close_writing();
    office.answer(0, "first");
    let rest = program.rest();
    assert_eq!((rest.len(), &rest[..8], &rest[rest.len() - 6..]), (6 + 200_001 + 5, "first\nxx", "\nlast\n"));
    office.wait(|it| (it.went.len() == 1).then_some(()));
}

#[test]
fn who_says_no_more_is_told_no_more() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let mut program = office.program();
    program.write("later\n");
    program.close_writing();
    turn_until(&office, &mut service, |it| it.promised.len() == 1);
    office.change(|it| it.event = 10);
    office.answer(0, "last");
    turn_until(&office, &mut service, |it| it.went.len() == 1);
    assert_eq!((program.rest().as_str(), office.change(|it| it.told)), ("last\n", 0));
}

#[test]
fn who_says_something_and_leaves_is_heard() {
    let office = Office::new();
    let _server = office.serve();
    for _ in 0..100 {
        office.program().write("one\nlater\ntwo\nthree");
    }
    office.wait(|it| (it.went.len() == 100).then_some(()));
    assert_eq!(office.change(|it| it.asked), 400);
}

#[test]
fn at_the_end_all_get_what_is_ready_and_all_have_gone() {
    let office = Office::new();
    let server = office.serve();
    let mut program = office.program();
    // More than the kernel takes.
    program.write("later\nmuch 500000\n");
    office.wait(|it| it.promised.first().copied());
    let mut other = office.program();
    other.ask("hello");
    let reader = std::thread::spawn(move || program.rest());
    office.answer(0, "first");
    assert!(server.stop_within(LIMIT));
    assert_eq!(reader.join().unwrap().len(), 6 + 500_001);
    assert_eq!(other.line(), "");
    assert!(!office.path().exists());
    assert_eq!(office.change(|it| (it.came.len(), it.went.clone())), (2, vec![ClientId(1), ClientId(2)]));
}

#[test]
fn nobody_who_does_not_read_holds_up_the_end() {
    let office = Office::new();
    let server = office.serve();
    let mut program = office.program();
    program.write("much 2000000\n");
    office.program().ask("hello");
    assert!(server.stop_within(Duration::from_millis(10)));
    assert_eq!(office.change(|it| it.went.len()), 2);
}

/// Brings a client into a state, by a program and by turns, and sees that a turn lasts until something is due.
#[track_caller]
fn check_asleep(bring_about: impl FnOnce(&Office, &mut Service<Clerk>) -> Option<Program>) {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let _program = bring_about(&office, &mut service);
    let due = Instant::now() + Duration::from_millis(50);
    office.change(|it| it.due = Some(due));
    service.turn().unwrap();
    assert!(Instant::now() >= due);
}

/// Turns until `condition` holds.
#[track_caller]
pub(super) fn turn_until(
    office: &Office,
    service: &mut Service<Clerk>,
    mut condition: impl FnMut(&Slips) -> bool,
) {
    let deadline = Instant::now() + LIMIT;
    while !office.change(|it| condition(it)) {
        office.change(|it| it.due = Some(Instant::now() + Duration::from_millis(10)));
        service.turn().unwrap();
        assert!(Instant::now() < deadline, "it has not come to that");
    }
    // What is left to be done at once.
    for _ in 0..100 {
        office.change(|it| it.due = Some(Instant::now()));
        service.turn().unwrap();
    }
}

#[test]
fn asleep_means_asleep() {
    check_asleep(|_, _| None);
    check_asleep(|office, service| {
        let mut program = office.program();
        program.write("one\nlater\nhal");
        turn_until(office, service, |it| it.promised.len() == 1);
        Some(program)
    });
    // It only listens any more.
    check_asleep(|office, service| {
        let mut program = office.program();
        program.write("later\n");
        program.close_writing();
        turn_until(office, service, |it| it.promised.len() == 1);
        Some(program)
    });
    // It has gone, and asked more than may be waited for.
    check_asleep(|office, service| {
        let mut program = office.program();
        program.write("later\n".repeat(2000));
        drop(program);
        turn_until(office, service, |it| it.promised.len() == 1024);
        None
    });
    // It does not read, and there is ever more to tell.
    check_asleep(|office, service| {
        let mut program = office.program();
        program.write("one\n");
        office.change(|it| it.event = 1000);
        turn_until(office, service, |it| it.told > 64);
        Some(program)
    });
    // It does not read, and asks on.
    check_asleep(|office, service| {
        let mut program = office.program();
        program.write("much 10000\n".repeat(200));
        turn_until(office, service, |it| it.asked > 5);
        Some(program)
    });
}

#[test]
fn who_is_held_back_is_asked_again_with_each_bell_until_there_is_room_and_loses_nothing() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let mut program = office.program();
    program.write("one\nroom for two\nthree\nroom for four\nfive");
    program.close_writing();
    turn_until(&office, &mut service, |it| it.asked >= 4); // In vain, but for the first.
    office.change(|it| it.room = 1);
    turn_until(&office, &mut service, |it| it.room == 0);
    office.change(|it| it.room = 1);
    turn_until(&office, &mut service, |it| it.went.len() == 1);
    assert_eq!(program.rest(), "one\nroom for two\nthree\nroom for four\nfive\n");
}

#[test]
fn who_leaves_while_it_is_held_back_is_heard_all_the_same() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let mut program = office.program();
    program.write("room\nroom\nlast\n");
    turn_until(&office, &mut service, |it| it.asked >= 1);
    drop(program);
    office.change(|it| it.asked = 0);
    turn_until(&office, &mut service, |it| it.asked >= 3);
    assert!(office.change(|it| it.went.is_empty()));
    office.change(|it| (it.room, it.asked) = (2, 0));
    turn_until(&office, &mut service, |it| it.went.len() == 1);
    assert_eq!(office.change(|it| (it.room, it.asked)), (0, 3));
}

#[test]
fn where_room_is_scarce_nobody_always_finds_it_taken() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let (mut first, mut second) = (office.program(), office.program());
    first.write("room\n".repeat(100));
    second.write("room\n");
    turn_until(&office, &mut service, |it| it.asked >= 2);
    for _ in 0..4 {
        office.change(|it| it.room = 1);
        turn_until(&office, &mut service, |it| it.room == 0);
    }
    assert_eq!(second.line(), "room\n");
}

#[test]
fn who_still_waits_at_the_end_is_told_so() {
    let office = Office::new();
    let server = office.serve();
    let mut program = office.program();
    program.write("one\nlater\ntwo\n");
    office.wait(|it| (it.asked == 3).then_some(()));
    office.change(|it| it.last = Some("the end"));
    assert!(server.stop_within(LIMIT));
    assert_eq!(program.rest(), "one\nthe end\ntwo\n");
}
