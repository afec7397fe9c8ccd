//! The network of the tests' own does what it is asked for.

use std::io::{ErrorKind, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::Ending;
use crate::support::LIMIT;
use crate::support::Relay;
use crate::support::Side;
use crate::support::Weather;

/// A way to a listener of the test's own.
struct Way {
    relay: Relay,
    listener: TcpListener,
}

impl Way {
    fn new() -> Way {
        let listener = listener();
        Way { relay: Relay::start(listener.local_addr().unwrap().port()), listener }
    }

    fn try_connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.relay.port()))
    }

    /// Both sides of a connection.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let near = self.try_connect().unwrap();
        (near, accept(&self.listener))
    }
}

fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).unwrap()
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

#[track_caller]
fn send(mut from: &TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
}

/// Checks that `expected` is what arrives next.
#[track_caller]
fn check_arrives(mut at: &TcpStream, expected: &[u8]) {
    let mut found = vec![0; expected.len()];
    at.set_read_timeout(Some(LIMIT)).unwrap();
    at.read_exact(&mut found).unwrap();
    assert_eq!(found, expected);
}

/// Checks that nothing more arrives but the end.
#[track_caller]
fn check_ends(at: &TcpStream, ending: Ending) {
    match (ending, read_within(LIMIT, at)) {
        (Ending::Fin, Ok(0)) | (Ending::Reset, Err(ErrorKind::ConnectionReset)) => {}
        (_, found) => panic!("{ending:?} was to come, not {found:?}"),
    }
}

/// Checks that neither a byte nor an end is there.
#[track_caller]
fn check_silent(at: &TcpStream) {
    assert_eq!(read_within(Duration::from_millis(50), at), Err(ErrorKind::WouldBlock));
}

/// Reads a byte, or the end. What has a limit is not begun again by itself once the process stood still.
fn read_within(limit: Duration, mut at: &TcpStream) -> Result<usize, ErrorKind> {
    at.set_read_timeout(Some(limit)).unwrap();
    let mut read = || at.read(&mut [0]).map_err(|it| it.kind());
    iter::repeat_with(&mut read).find(|it| *it != Err(ErrorKind::Interrupted)).expect("it repeats for ever")
}

#[test]
fn in_fair_weather_bytes_pass_and_so_does_an_end() {
    let way = Way::new();
    let (near, far) = way.connect();
    let much = vec![7; 300_000];
    send(&near, &much);
    check_arrives(&far, &much);
    send(&far, b"back");
    check_arrives(&near, b"back");
    drop(far);
    check_ends(&near, Ending::Fin);
}

#[test]
fn a_connection_is_ended_in_either_way() {
    let way = Way::new();
    for ending in [Ending::Fin, Ending::Reset] {
        let (near, far) = way.connect();
        way.relay.end(ending);
        check_ends(&near, ending);
        check_ends(&far, ending);
    }
}

#[test]
fn a_connection_is_ended_after_so_many_bytes_from_either_side_and_the_next_one_is_not() {
    let way = Way::new();
    for ending in [Ending::Fin, Ending::Reset] {
        let (near, far) = way.connect();
        way.relay.end_after(5, Side::Near, ending);
        send(&far, b"not counted");
        send(&near, b"abc");
        check_arrives(&far, b"abc");
        send(&near, b"defg");
        check_arrives(&far, b"de");
        check_ends(&far, ending);
        check_arrives(&near, b"not counted");
        check_ends(&near, ending);

        let (near, far) = way.connect();
        way.relay.end_after(0, Side::Far, ending);
        send(&far, b"x");
        check_ends(&near, ending);
    }
    let (near, far) = way.connect();
    send(&far, b"as ever");
    check_arrives(&near, b"as ever");
}

#[test]
fn what_is_held_arrives_in_the_end_and_so_does_the_end() {
    let way = Way::new();
    let (near, far) = way.connect();
    way.relay.turn(Weather::Holding);
    send(&near, b"held");
    drop(near);
    check_silent(&far);
    way.relay.mend();
    check_arrives(&far, b"held");
    check_ends(&far, Ending::Fin);
}

#[test]
fn a_side_that_is_lost_leaves_the_other_in_the_belief_that_all_is_well() {
    let way = Way::new();
    let (near, far) = way.connect();
    way.relay.lose(Side::Far);
    check_ends(&far, Ending::Fin);
    send(&near, b"swallowed");
    check_silent(&near);

    let way = Way::new();
    let (near, far) = way.connect();
    way.relay.lose(Side::Near);
    check_ends(&near, Ending::Fin);
    send(&far, b"swallowed");
    check_silent(&far);
}

#[test]
fn a_port_is_closed_or_closes_at_once_while_open_connections_go_on() {
    let way = Way::new();
    let (near, far) = way.connect();
    way.relay.turn(Weather::Refusing);
    assert_eq!(way.try_connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
    way.relay.turn(Weather::Closing);
    check_ends(&way.try_connect().unwrap(), Ending::Fin);
    send(&near, b"go on");
    check_arrives(&far, b"go on");
    way.relay.cut();
    check_ends(&near, Ending::Fin);
    way.relay.mend();
    way.connect();
}

/// Each process that is started has for a moment, until it is what it is to be, all that we have open.
#[test]
fn a_port_is_closed_whatever_processes_are_started_meanwhile() {
    let way = Way::new();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !ended.load(SeqCst) {
                    Command::new("true").status().unwrap();
                }
            });
        }
        let refused = (0..100).filter(|_| {
            way.relay.turn(Weather::Refusing);
            let refused = way.try_connect().is_err();
            way.relay.mend();
            refused
        });
        let refused = refused.count();
        ended.store(true, SeqCst);
        assert_eq!(refused, 100);
    });
}

#[test]
fn bytes_come_late_or_few_at_a_time_and_at_once_when_the_weather_turns() {
    let way = Way::new();
    let (near, far) = way.connect();
    let start = Instant::now();
    way.relay.turn(Weather::Late(Duration::from_millis(60)));
    send(&near, b"late");
    check_arrives(&far, b"late");
    assert!(start.elapsed() >= Duration::from_millis(60));

    let start = Instant::now();
    way.relay.turn(Weather::Narrow(1000));
    send(&near, &[7; 100]);
    check_arrives(&far, &[7; 100]);
    assert!(start.elapsed() >= Duration::from_millis(100));

    way.relay.turn(Weather::Narrow(1));
    send(&near, b"in the next century");
    check_silent(&far);
    way.relay.mend();
    check_arrives(&far, b"in the next century");
}

#[test]
fn new_connections_go_where_they_are_led_and_a_far_side_that_is_away_closes_them() {
    let way = Way::new();
    let (near, far) = way.connect();
    let other = listener();
    way.relay.lead_to(other.local_addr().unwrap().port());
    let led = way.try_connect().unwrap();
    send(&accept(&other), b"here");
    check_arrives(&led, b"here");
    send(&near, b"there");
    check_arrives(&far, b"there");
    drop(other);
    check_ends(&way.try_connect().unwrap(), Ending::Fin);
}
