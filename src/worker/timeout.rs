//! How long a thread waits for descriptors: [`poll_timeout`].

use std::time::Duration;

use nix::poll::PollTimeout;

/// `limit` for poll(2), which counts milliseconds: not a moment too short, or whoever waits would go around without anything to do
/// in the last of them. For ever where it is `None`; 24 days at most.
pub fn poll_timeout(limit: Option<Duration>) -> PollTimeout {
    let Some(limit) = limit else { return PollTimeout::NONE };
    PollTimeout::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_not_a_moment_too_short() {
        for (wait, ms) in [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2)] {
            let timeout = poll_timeout(Some(Duration::from_nanos(wait)));
            assert_eq!(timeout.as_millis(), Some(ms), "{wait} ns");
        }
        assert_eq!(poll_timeout(None), PollTimeout::NONE);
        assert_eq!(poll_timeout(Some(Duration::from_secs(1 << 32))), PollTimeout::MAX);
    }
}
