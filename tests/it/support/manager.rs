//! What a service manager hears.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// The next word that came to `manager`, unless there is none within `limit`.
pub(crate) fn word(manager: &UnixDatagram, limit: Duration) -> Option<String> {
    let mut datagram = [0; 4096];
    let deadline = Instant::now() + limit;
    loop {
        // None of nothing: that would be no limit at all.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        manager.set_read_timeout(Some(left)).unwrap();
        match manager.recv(&mut datagram) {
            Ok(length) => return Some(String::from_utf8_lossy(&datagram[..length]).into_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            // Nothing restarts what has a limit, once the process stood still.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}
