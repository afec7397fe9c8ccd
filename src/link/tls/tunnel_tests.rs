//! The tunnel between a real TLS peer and somebody at its door.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{NameType, ShutdownState, SslStream};

use super::peer::{Speech, Steady, TlsPeer, uninterrupted};
use super::tunnel::{End, LAST_WORDS, Tunnel};
use crate::link::LinkError;
use crate::link::connection::Connection;
use crate::link::peer::{LIMIT, options, wait_until};
use crate::model::Chain;

/// A tunnel, who is at its door, and the broker's end.
struct Ends {
    tunnel: Tunnel,
    door: UnixStream,
    broker: SslStream<Steady>,
}

impl Ends {
    fn of(peer: &TlsPeer) -> Ends {
        let (tunnel, broker) = meet(peer, "127.0.0.1");
        Ends { door: knock(&tunnel).unwrap(), tunnel, broker }
    }

    fn new() -> Ends {
        Ends::of(&TlsPeer::new("127.0.0.1", Speech::Tls13))
    }
}

/// A tunnel to `peer` as `host`, and the broker's end of it.
fn meet(peer: &TlsPeer, host: &str) -> (Tunnel, SslStream<Steady>) {
    thread::scope(|scope| {
        let broker = scope.spawn(|| peer.accept());
        let tunnel = Tunnel::open(&peer.trust(), &peer.target(host), LIMIT).unwrap();
        (tunnel, broker.join().unwrap())
    })
}

fn knock(tunnel: &Tunnel) -> std::io::Result<UnixStream> {
    let name = tunnel.door().strip_prefix('\0').expect("an abstract name");
    let door = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap())?;
    door.set_read_timeout(Some(LIMIT)).unwrap();
    door.set_write_timeout(Some(LIMIT)).unwrap();
    Ok(door)
}

/// Bytes that show where one is missing or out of place.
fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Writes zeros to `to` until it takes no more, and returns how many.
fn fill(to: &mut impl Write) -> usize {
    let mut count = 0;
    loop {
        match uninterrupted(|| to.write(&[0; 4096])) {
            Ok(it) => count += it,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_either_side_says_arrives_whole_while_both_say_much() {
    for speech in [Speech::Tls12, Speech::Tls13] {
        let Ends { tunnel, door, mut broker } = Ends::of(&TlsPeer::new("127.0.0.1", speech));
        let (up, down) = (sample(5_000_000), sample(3_000_000));
        thread::scope(|scope| {
            scope.spawn(|| (&door).write_all(&up).unwrap());
            scope.spawn(|| {
                let mut found = vec![0; down.len()];
                (&door).read_exact(&mut found).unwrap();
                assert!(found == down, "{speech:?}");
            });
            // The broker answers as it listens, and never only one of them.
            let mut found = vec![0; up.len()];
            let pieces = down.chunks(30_000).chain(std::iter::repeat(&[][..]));
            for (room, piece) in found.chunks_mut(50_000).zip(pieces) {
                broker.write_all(piece).unwrap();
                broker.read_exact(room).unwrap();
            }
            assert!(found == up, "{speech:?}");
        });
        drop((door, tunnel));
    }
}

#[test]
fn whoever_does_not_listen_holds_up_the_other_and_nothing_is_lost() {
    let Ends { tunnel, mut door, mut broker } = Ends::new();
    door.set_write_timeout(Some(STALL)).unwrap();
    let up = fill(&mut door);
    assert!(up < MOST_IN_BETWEEN, "{up} bytes were taken that nobody wanted");
    let mut found = vec![0; up];
    broker.read_exact(&mut found).unwrap();

    broker.get_ref().0.set_write_timeout(Some(STALL)).unwrap();
    let down = fill(&mut broker);
    assert!(down < MOST_IN_BETWEEN, "{down} bytes were taken that nobody wanted");
    let mut found = vec![0; down];
    door.read_exact(&mut found).unwrap();
    drop((door, tunnel));
}

#[test]
fn the_last_words_at_the_door_arrive_before_an_orderly_end() {
    for bytes in [2, 100_000] {
        let Ends { tunnel, mut door, mut broker } = Ends::new();
        let last_words = sample(bytes);
        thread::scope(|scope| {
            scope.spawn(|| {
                door.write_all(&last_words).unwrap();
                drop(door);
                drop(tunnel);
            });
            let mut found = Vec::new();
            broker.read_to_end(&mut found).unwrap();
            assert!(found == last_words, "{bytes}");
        });
        // Not a bare end of the connection, which anybody on the way could have made.
        assert!(broker.get_shutdown().contains(ShutdownState::RECEIVED));
    }
}

#[test]
fn once_a_tunnel_is_dropped_its_last_words_are_sent_so_the_process_may_end() {
    let peer = TlsPeer::new("127.0.0.1", Speech::Tls13);
    let mut count = 0;
    let deadline = Instant::now() + LIMIT;
    while count < 10 {
        assert!(Instant::now() < deadline, "{count} of 10 were in time");
        let Ends { tunnel, mut door, broker } = Ends::of(&peer);
        door.write_all(&[0xe0, 0]).unwrap();
        let began = Instant::now();
        drop((door, tunnel));
        if began.elapsed() >= LAST_WORDS {
            continue; // As long as it may wait: the machine was busy with something else.
        }
        // Not a moment later: what is sent on the loopback device is there.
        broker.get_ref().0.set_nonblocking(true).unwrap();
        assert!(broker.get_ref().0.peek(&mut [0]).is_ok_and(|it| it == 1));
        count += 1;
    }
}

#[test]
fn the_end_of_the_broker_comes_to_the_door_after_all_it_has_said_with_its_reason() {
    let polite: fn(&mut SslStream<Steady>) = |it| drop(it.shutdown());
    let bare: fn(&mut SslStream<Steady>) = |it| it.get_ref().0.shutdown(Shutdown::Both).unwrap();
    let nonsense: fn(&mut SslStream<Steady>) = |it| it.get_mut().write_all(&[7; 100]).unwrap();
    for (way, last, expected) in
        [("polite", polite, "Closed"), ("bare", bare, "Closed"), ("nonsense", nonsense, "Failed")]
    {
        let mut ends = Ends::new();
        let said = sample(50_000);
        thread::scope(|scope| {
            let (broker, door) = (&mut ends.broker, &mut ends.door);
            scope.spawn(|| {
                broker.write_all(&said).unwrap();
                last(broker);
            });
            let mut found = Vec::new();
            door.read_to_end(&mut found).unwrap();
            assert!(found == said, "{way}");
        });
        let end = ends.tunnel.end().map(|it| format!("{it:?}")).unwrap_or_default();
        assert!(end.starts_with(expected), "{way}: {end}");
        wait_until(|| ends.tunnel.has_ended());
    }
}

#[test]
fn a_broker_that_resets_the_connection_has_closed_it() {
    let Ends { tunnel, mut door, broker } = Ends::new();
    // Closed with something unread in it, which TCP answers with a reset.
    door.write_all(&sample(10)).unwrap();
    wait_until(|| broker.get_ref().0.peek(&mut [0]).is_ok_and(|it| it == 1));
    drop(broker);
    let _ = door.write_all(&sample(10));
    let mut ends = Vec::new();
    let _ = door.read_to_end(&mut ends);
    let end = tunnel.end();
    assert!(matches!(end, Some(End::Closed)), "{end:?}");
}

#[test]
fn a_broker_that_wants_a_certificate_says_so_after_the_handshake_and_it_is_heard() {
    let peer = TlsPeer::new("127.0.0.1", Speech::Asking);
    let mut options = options(peer.address().port());
    options.broker.tls = Some(peer.trust());
    thread::scope(|scope| {
        scope.spawn(|| peer.refuse());
        let error = Connection::open(&options, &peer.target("127.0.0.1"), LIMIT, |_| {}).err().unwrap();
        assert_eq!(error.kind(), "tls: client certificate");
        // The peer's side of the socket is open until it has said it, so the words are not lost.
        assert!(Chain(&error).to_string().contains("wants a client certificate"), "{}", Chain(&error));
    });
}

#[test]
fn a_stranger_at_the_door_is_turned_away_and_disturbs_nobody() {
    let (tunnel, mut broker) = meet(&TlsPeer::new("127.0.0.1", Speech::Tls13), "127.0.0.1");
    let stranger = Command::new("python3")
        .args(["-c", STRANGER, tunnel.door().trim_start_matches('\0')])
        .output()
        .expect("python3 is on the machine");
    assert_eq!((&stranger.stdout[..], &stranger.stderr[..]), (&b"turned away"[..], &b""[..]));

    let mut door = knock(&tunnel).unwrap();
    door.write_all(b"ping").unwrap();
    let mut found = [0; 4];
    broker.read_exact(&mut found).unwrap();
    assert_eq!(&found, b"ping");
    assert_eq!(knock(&tunnel).unwrap_err().kind(), ErrorKind::ConnectionRefused, "a second one");
}

#[test]
fn the_name_of_the_door_is_nobody_elses_as_long_as_the_tunnel_is_there() {
    let Ends { tunnel, door, broker } = Ends::new();
    drop((door, broker));
    wait_until(|| tunnel.has_ended());
    let address = SocketAddr::from_abstract_name(&tunnel.door()[1..]).unwrap();
    let taken = UnixListener::bind_addr(&address).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    drop(tunnel);
    // A process that is just being started has what we had until its program runs.
    wait_until(|| UnixListener::bind_addr(&address).is_ok());
}

#[test]
fn a_tunnel_that_nobody_enters_ends_when_it_is_dropped() {
    let (tunnel, mut broker) = meet(&TlsPeer::new("127.0.0.1", Speech::Tls13), "127.0.0.1");
    drop(tunnel);
    assert_eq!(broker.read_to_end(&mut Vec::new()).map_err(|it| it.kind()).unwrap_or(0), 0);
}

#[test]
fn a_broker_that_takes_nothing_does_not_hold_up_the_end_for_long() {
    let Ends { tunnel, mut door, broker } = Ends::new();
    door.set_write_timeout(Some(STALL)).unwrap();
    fill(&mut door);
    drop(door);
    let began = Instant::now();
    wait_until(|| tunnel.has_ended());
    drop(tunnel);
    assert!(began.elapsed() < LIMIT);
    drop(broker);
}

#[test]
fn the_certificate_is_checked_for_the_configured_host_whatever_the_address() {
    for (certified, host, name_said) in [
        ("broker.lan", "broker.lan", Some("broker.lan")),
        ("*.home.lan", "broker.home.lan", Some("broker.home.lan")),
        // An address is not told, only checked (RFC 6066, section 3).
        ("127.0.0.1", "127.0.0.1", None),
        ("fd00::1", "fd00::1", None),
    ] {
        let peer = TlsPeer::new(certified, Speech::Tls13);
        let (tunnel, broker) = meet(&peer, host);
        assert_eq!(broker.ssl().servername(NameType::HOST_NAME), name_said);
        drop(tunnel);
    }
    for (certified, host) in
        [("other.lan", "broker.lan"), ("127.0.0.1", "broker.lan"), ("fd00::1", "127.0.0.1")]
    {
        let peer = TlsPeer::new(certified, Speech::Tls13);
        thread::scope(|scope| {
            scope.spawn(|| peer.refuse());
            let error = Tunnel::open(&peer.trust(), &peer.target(host), LIMIT).err().unwrap();
            assert_eq!(error.kind(), "tls: name", "{}", Chain(&error));
            assert!(error.to_string().contains(host), "{error}");
        });
    }
}

#[test]
fn a_peer_that_does_not_answer_the_handshake_is_given_up_in_time() {
    let peer = TlsPeer::new("127.0.0.1", Speech::Tls13);
    let limit = Duration::from_millis(50);
    let error = Tunnel::open(&peer.trust(), &peer.target("127.0.0.1"), limit).err().unwrap();
    assert!(matches!(error, LinkError::Silent { limit: it, .. } if it == limit), "{error}");
    // Nor does one hold it up that says a little again and again: a handshake record of which the rest never comes.
    thread::scope(|scope| {
        let _silent = peer.accept_tcp();
        scope.spawn(|| {
            let mut stream = peer.accept_tcp();
            for byte in [0x16, 3, 3, 1, 0].into_iter().chain([2; 200]) {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                thread::sleep(limit / 5);
            }
        });
        let error = Tunnel::open(&peer.trust(), &peer.target("127.0.0.1"), limit).err().unwrap();
        assert_eq!(error.kind(), "silent");
    });
}

#[test]
fn a_login_goes_through_and_a_goodbye_too() {
    let peer = TlsPeer::new("127.0.0.1", Speech::Tls13);
    let mut options = options(peer.address().port());
    options.broker.tls = Some(peer.trust());
    thread::scope(|scope| {
        let broker = scope.spawn(|| {
            let mut broker = peer.log_in();
            let mut rest = Vec::new();
            broker.read_to_end(&mut rest).unwrap();
            rest
        });
        let connection = Connection::open(&options, &peer.target("127.0.0.1"), LIMIT, |_| {});
        connection.map_err(|it| it.to_string()).unwrap().say_goodbye();
        assert_eq!(broker.join().unwrap(), [0xe0, 0], "DISCONNECT");
    });
}

/// Connects to the door and says whether it is let in.
const STRANGER: &str = "import socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect('\\0' + sys.argv[1])
door.settimeout(60)
print('let in' if door.recv(1) else 'turned away', end='')";
/// Who takes no byte for so long takes none.
const STALL: Duration = Duration::from_millis(300);
/// The kernel's buffers on the loopback device, and what we add: they would grow for ever if we did.
const MOST_IN_BETWEEN: usize = 16 << 20;
