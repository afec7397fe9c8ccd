//! Patience: waiting for a condition, with a limit.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that works, also on a busy single core. A test that waits this long has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Returns as soon as `condition` holds.
///
/// # Panics
///
/// With `what`, when it does not within `limit`.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    wait_until_or(what, limit, condition, || "");
}

/// The same, and the panic shows `state` as it is then.
#[track_caller]
pub(crate) fn wait_until_or<S: Debug>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
    state: impl FnOnce() -> S,
) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}: {:#?}", state());
        thread::sleep(STEP);
    }
}

const STEP: Duration = Duration::from_millis(10);
