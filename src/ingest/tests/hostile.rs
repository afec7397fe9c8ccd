//! Programs that do not behave, and what that costs the others.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::serving::turn_until;
use super::*;
use crate::protocol::LINE_BYTES;

#[test]
fn a_line_of_100_mb_takes_no_memory_and_one_answer() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let mut program = office.program();
    let writer = thread::spawn(move || {
        for _ in 0..100 {
            program.write(vec![b'x'; 1 << 20]);
        }
        program.write("\nhello\n");
        (program.line(), program.line())
    });
    let mut most = 0;
    while !writer.is_finished() {
        office.bell.ring();
        service.turn().unwrap();
        most = most.max(service.held());
    }
    let (first, second) = writer.join().unwrap();
    assert!(first.contains("line_too_long") && second == "hello\n", "{first}{second}");
    assert!(most < 3 * LINE_BYTES, "{most}");
}

#[test]
fn any_bytes_are_the_desks_affair() {
    let office = Office::new();
    let _server = office.serve();
    let mut program = office.program();
    program.write(b"\xff\xfe\0\n\0\n");
    assert_eq!((program.line().as_str(), program.line().as_str()), ("\u{fffd}\u{fffd}\0\n", "\0\n"));
}

#[test]
fn who_never_reads_holds_little_and_is_cut() {
    let office = Office::new();
    let limits = Limits { patience: Duration::from_millis(200), ..Limits::default() };
    let mut service = office.service(limits);
    let program = office.program();
    program.0.get_ref().set_nonblocking(true).unwrap();
    let mut written = 0;
    let deadline = Instant::now() + LIMIT;
    while office.change(|it| it.went.is_empty()) {
        match program.0.get_ref().write(b"much 1000\nlater\n") {
            Ok(count) => written += count,
            Err(cause) => assert_eq!(cause.kind(), io::ErrorKind::WouldBlock),
        }
        if let Some(ticket) = office.change(|it| it.promised.pop()) {
            office.change(|it| it.answers.push((ticket, "then".to_owned())));
        }
        office.bell.ring();
        service.turn().unwrap();
        assert!(service.held() < 256 << 10, "{}", service.held());
        assert!(Instant::now() < deadline);
    }
    assert!(written > 1000, "{written}");
}

#[test]
fn who_never_reads_events_holds_little() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let mut program = office.program();
    office.change(|it| it.event = 1000);
    program.write("hello\n");
    turn_until(&office, &mut service, |it| it.told > 64);
    assert!(service.held() < 256 << 10, "{}", service.held());
}

#[test]
fn a_polite_program_is_answered_beside_a_flood() {
    let office = Office::new();
    let _server = office.serve();
    let over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (mut writer, over) = (office.program(), Arc::clone(&over));
            let reader = writer.0.get_ref().try_clone().unwrap();
            thread::spawn(move || io::copy(&mut &reader, &mut io::sink()));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    writer.write("flood\n".repeat(1000));
                }
                writer.close_writing();
            })
        })
        .collect();
    let mut polite = office.program();
    for number in 0..100 {
        assert_eq!(polite.ask(&number.to_string()), format!("{number}\n"));
    }
    over.store(true, Ordering::Relaxed);
    floods.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn a_flood_has_no_more_than_its_share_of_a_turn() {
    let office = Office::new();
    let mut service = office.service(Limits::default());
    let mut flood = office.program();
    flood.write("\n".repeat(50_000));
    let mut polite = office.program();
    polite.write("hello\n");
    service.turn().unwrap(); // Lets both in.
    service.turn().unwrap();
    assert_eq!(polite.line(), "hello\n");
    assert!(office.change(|it| it.asked) <= 64 + 1);
}

#[test]
fn of_thousands_the_newest_are_served_and_the_oldest_are_told() {
    let office = Office::new();
    let socket = Socket { max_clients: 8, ..office.socket() };
    let server = Server::start(&socket, office.clerk(), office.bell.clone(), &Pulses::default()).unwrap();
    let mut programs = VecDeque::new();
    for number in 0..3000 {
        let mut program = office.program();
        assert_eq!(program.ask("hello"), "hello\n", "{number}");
        programs.push_back(program);
        if programs.len() > 8 {
            let rest = programs.pop_front().unwrap().rest();
            assert!(rest.contains("too_many"), "{rest}");
        }
    }
    assert_eq!(office.change(|it| (it.came.len(), it.went.len())), (3000, 2992));
    assert!(server.stop_within(LIMIT));
    assert_eq!(office.change(|it| it.went.len()), 3000);
}

#[test]
fn who_comes_and_goes_without_a_word_leaves_nothing() {
    let office = Office::new();
    let _server = office.serve();
    for _ in 0..2000 {
        drop(office.program());
    }
    office.wait(|it| (it.went.len() == 2000).then_some(()));
    assert_eq!(office.program().ask("hello"), "hello\n");
}

#[test]
fn where_all_hold_too_much_the_one_with_most_is_cut() {
    let office = Office::new();
    let limits = Limits { held: 1 << 20, ..Limits::default() };
    let mut service = office.service(limits);
    let mut polite = office.program();
    let mut hogs = Vec::new();
    for _ in 0..10 {
        let mut hog = office.program();
        hog.0.get_ref().set_nonblocking(true).unwrap();
        for _ in 0..200 {
            while hog.0.get_mut().write(&[b'x'; 1000]).is_err() {
                office.bell.ring();
                service.turn().unwrap();
                assert!(service.held() <= 1 << 20);
            }
        }
        hogs.push(hog);
    }
    turn_until(&office, &mut service, |it| it.went.len() >= 5);
    polite.write("hello\n");
    turn_until(&office, &mut service, |it| it.asked == 1);
    assert_eq!(polite.line(), "hello\n");
    let told = hogs.into_iter().map(|hog| {
        let mut text = String::new();
        let _ = hog.0.get_ref().read_to_string(&mut text); // To the end, or to where it was cut.
        text
    });
    assert!(told.filter(|it| it.contains("too_many")).count() >= 5);
}
