//! Standard output: what a command was asked for, and whether it got there.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::complain;

/// Writes `text`. Returns whether more of it is of use: not where whoever reads has gone (`| head`), which is no error of ours,
/// nor where it cannot be written, as to a full disk. That is said, once, and [`is_lost`] from then on.
pub(super) fn print(text: &str) -> bool {
    let mut output = io::stdout().lock();
    let outcome = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    let failure = outcome.as_ref().err().filter(|it| it.kind() != ErrorKind::BrokenPipe);
    if let Some(error) = failure.filter(|_| !LOST.swap(true, Relaxed)) {
        complain(format_args!("luigi-mqtt: cannot write to standard output: {error}"));
    }
    outcome.is_ok()
}

/// Writes a line, as [`print`] does.
pub(super) fn say(line: &str) {
    print(&format!("{line}\n"));
}

/// Whether something could not be written that somebody waits for.
pub(super) fn is_lost() -> bool {
    LOST.load(Relaxed)
}

static LOST: AtomicBool = AtomicBool::new(false);
