//! Names asked of the Avahi daemon on this machine, by the lines that its socket takes (`avahi-daemon/simple-protocol.c`).

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::name::LocalName;
use super::patience::{Seconds, wait_for_any};
use super::place::scoped;

/// Why Avahi did not tell.
#[derive(Debug)]
pub(super) enum AvahiError {
    /// It is not here, or lets nobody in.
    Absent(io::Error),
    /// It said nothing within that time, or nothing that we know.
    Silent(Duration),
    /// It has asked the network for so long, and nobody has the name.
    Unknown(Duration),
    /// It cannot do that; what it says.
    Refused(String),
}

/// The addresses of `name`, one of each kind at most, without a port; never none. `path` is Avahi's socket. Waits until
/// `deadline` at most, and for a quarter of a second after the first.
pub(super) fn ask(path: &Path, name: &LocalName, deadline: Instant) -> Result<Vec<SocketAddr>, AvahiError> {
    let began = Instant::now();
    if name.as_str().len() > MOST_NAME_BYTES {
        return Err(AvahiError::Refused("the name is too long".to_owned()));
    }
    // A connection takes one command, and that for both kinds tells the one that comes first.
    let mut calls = Vec::new();
    for kind in ["IPV4", "IPV6"] {
        let line = format!("RESOLVE-HOSTNAME-{kind} {name}\n");
        calls.push(Call::begin(path, &line).map_err(AvahiError::Absent)?);
    }
    let (mut found, mut refusal) = (Vec::new(), None);
    let mut end = deadline;
    while !calls.is_empty() && Instant::now() < end {
        wait_for_any(calls.iter().map(|it| it.stream.as_fd()), end);
        calls.retain_mut(|call| {
            let is_over = call.listen();
            match call.reply().filter(|_| is_over) {
                Some(Ok(address)) => found.push(address),
                Some(Err(text)) => refusal = Some(text),
                None => {}
            }
            !is_over
        });
        if !found.is_empty() {
            end = end.min(Instant::now() + OTHER);
        }
    }
    match refusal {
        _ if !found.is_empty() => Ok(found),
        Some(text) if text.starts_with(TIMEOUT) => Err(AvahiError::Unknown(began.elapsed())),
        Some(text) => Err(AvahiError::Refused(text)),
        None => Err(AvahiError::Silent(began.elapsed())),
    }
}

/// A connection with a command.
struct Call {
    stream: UnixStream,
    said: Vec<u8>,
}

impl Call {
    fn begin(path: &Path, line: &str) -> io::Result<Call> {
        // Where an Avahi that hangs has left connections waiting, ours must not.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
        let mut stream = UnixStream::from(stream);
        stream.write_all(line.as_bytes())?;
        Ok(Call { stream, said: Vec::new() })
    }

    /// Takes what has come. Returns whether that is all: Avahi hangs up then.
    fn listen(&mut self) -> bool {
        let left = MOST_BYTES.saturating_sub(self.said.len());
        match (&self.stream).take(left as u64).read_to_end(&mut self.said) {
            Ok(_) => true,
            Err(cause) => cause.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// An address, or why there is none; `None` for what Avahi would not say.
    fn reply(&self) -> Option<Result<SocketAddr, String>> {
        let text = String::from_utf8_lossy(&self.said);
        let line = text.lines().next()?;
        if let Some(problem) = line.strip_prefix('-') {
            return Some(Err(problem.chars().take(MOST_SHOWN).collect()));
        }
        // `+ INTERFACE PROTOCOL NAME ADDRESS`, the interface as the system's number of it.
        let mut words = line.strip_prefix('+')?.split_whitespace();
        let scope = words.next()?.parse().unwrap_or_default();
        let address: IpAddr = words.nth(2)?.parse().ok()?;
        Some(Ok(scoped(address, scope)))
    }
}

impl AvahiError {
    /// Whether the local network has been asked, and need not be once more.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, AvahiError::Unknown(_))
    }
}

impl fmt::Display for AvahiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AvahiError::Absent(cause) if cause.kind() == io::ErrorKind::NotFound => {
                f.write_str("no Avahi is here")
            }
            AvahiError::Absent(cause) => write!(f, "Avahi cannot be asked: {cause}"),
            AvahiError::Silent(time) => write!(f, "no answer from Avahi within {}", Seconds(*time)),
            AvahiError::Unknown(time) => write!(f, "Avahi found nobody within {}", Seconds(*time)),
            AvahiError::Refused(text) => write!(f, "Avahi refused: {text:?}"),
        }
    }
}

/// How the line begins that Avahi says when its own patience, 5 s, is at an end; without the sign.
const TIMEOUT: &str = "15 ";
/// For the address of the other kind, which the network tells at the same time, or not at all.
const OTHER: Duration = Duration::from_millis(250);
/// Avahi takes no more, and cuts off the rest.
const MOST_NAME_BYTES: usize = 63;
/// It says one line, of a name and an address.
const MOST_BYTES: usize = 1024;
/// Enough of a sentence.
const MOST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What comes of asking for `a.local` within `limit`, where `says` is what an Avahi says to the question for each kind of
    /// address, and `None` is nothing at all.
    fn asked(
        limit: Duration,
        says: impl Fn(&str) -> Option<&'static str> + Sync,
    ) -> Result<Vec<SocketAddr>, AvahiError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut calls = [(), ()].map(|()| BufReader::new(listener.accept().unwrap().0));
                let lines = calls.each_mut().map(|it| {
                    let mut line = String::new();
                    it.read_line(&mut line).unwrap();
                    line
                });
                let mut kept = Vec::new();
                for (mut call, line) in calls.into_iter().zip(lines) {
                    match says(&line) {
                        Some(text) => call.get_mut().write_all(text.as_bytes()).unwrap(),
                        None => kept.push(call),
                    }
                }
                // They stay open for as long as ours do.
                kept.iter_mut().for_each(|it| assert_eq!(it.read(&mut [0]).unwrap(), 0));
            });
            ask(&path, &LocalName::new("a.local").unwrap(), Instant::now() + limit)
        })
    }

    #[track_caller]
    fn check(v4: Option<&'static str>, v6: Option<&'static str>, expected: Result<&[&str], &str>) {
        check_within(Duration::from_secs(60), v4, v6, expected);
    }

    #[track_caller]
    fn check_within(
        limit: Duration,
        v4: Option<&'static str>,
        v6: Option<&'static str>,
        expected: Result<&[&str], &str>,
    ) {
        let found = asked(limit, |line| match line {
            "RESOLVE-HOSTNAME-IPV4 a.local\n" => v4,
            "RESOLVE-HOSTNAME-IPV6 a.local\n" => v6,
            line => panic!("{line}"),
        });
        match (found, expected) {
            (Ok(mut found), Ok(expected)) => {
                found.sort();
                assert_eq!(found, expected.iter().map(|it| it.parse().unwrap()).collect::<Vec<SocketAddr>>());
            }
            (Err(found), Err(expected)) => {
                assert!(found.to_string().starts_with(expected), "{found}: {expected}");
            }
            (found, expected) => panic!("{found:?}: {expected:?}"),
        }
    }

    #[test]
    fn what_avahi_says_is_an_address_with_its_interface_or_a_refusal() {
        let (v4, v6) = ("+ 2 0 a.local 192.0.2.1\n", "+ 3 1 a.local fe80::1\n");
        let timeout = "-15 Timeout reached\n";
        check(Some(v4), Some(v6), Ok(&["192.0.2.1:0", "[fe80::1%3]:0"]));
        check(Some(v4), Some(timeout), Ok(&["192.0.2.1:0"]));
        check(Some(v4), None, Ok(&["192.0.2.1:0"]));
        check(Some(timeout), Some("+ 3 1 a.local fd00::1\n"), Ok(&["[fd00::1]:0"]));
        check(Some(timeout), Some(timeout), Err("Avahi found nobody within "));
        for nonsense in
            ["", "+", "+ 2 0 a.local\n", "+ 2 0 a.local nowhere\n", "\u{1b}[2J", "? 2 0 a.local ::1\n"]
        {
            check(Some(nonsense), Some(nonsense), Err("no answer from Avahi within "));
        }
        // It passes, and is enough for a machine that stands still for a while.
        let limit = Duration::from_secs(4);
        check_within(
            limit,
            Some("-3 Invalid host name\n"),
            None,
            Err(r#"Avahi refused: "3 Invalid host name""#),
        );
        check_within(limit, None, None, Err("no answer from Avahi within "));
    }

    #[test]
    fn who_says_more_than_avahi_has_to_say_is_not_listened_to() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let talker = thread::spawn(move || theirs.write_all(&[b'+'; 1_000_000]));
        let mut call = Call { stream: ours, said: Vec::new() };
        assert!(call.listen());
        assert_eq!((call.said.len(), call.reply()), (MOST_BYTES, None));
        drop(call);
        assert!(talker.join().unwrap().is_err());
    }

    #[test]
    fn where_no_avahi_is_nobody_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let name = LocalName::new("a.local").unwrap();
        let error = ask(&folder.path().join("socket"), &name, Instant::now()).unwrap_err();
        assert_eq!(error.to_string(), "no Avahi is here");
        let left = folder.path().join("left");
        drop(UnixListener::bind(&left).unwrap());
        let error = ask(&left, &name, Instant::now()).unwrap_err();
        assert!(error.to_string().starts_with("Avahi cannot be asked: "), "{error}");
        let long = LocalName::new(&format!("{}.local", "a".repeat(60))).unwrap();
        assert!(!ask(&left, &long, Instant::now()).unwrap_err().is_final());
    }
}
