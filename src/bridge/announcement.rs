//! How far the announcement to Home Assistant has come: pure, the clock comes in from outside.

use std::time::{Duration, Instant};

/// The steps of an announcement, in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Announcement {
    /// Some of what an earlier run announced is taken leave of, and not all of that is acknowledged.
    Parting,
    /// Home Assistant works through it, or through what it was told on the connection before.
    Parted {
        /// When it surely has.
        until: Instant,
    },
    /// Home Assistant has just started: waits a moment, so that not all devices of a house answer at once.
    Delayed {
        /// When to begin.
        until: Instant,
    },
    /// Discovery and `online` are on their way and not all acknowledged.
    Discovering {
        /// When states flow all the same as soon as that is through: others were held back for it before.
        latest: Option<Instant>,
    },
    /// Home Assistant subscribes to the state topics it has just read of, which it does 0.1 s (observed;
    /// 0.5 s by its source, right after it connects) later: a state that is not retained would be missed.
    Settling {
        /// When it surely has.
        until: Instant,
        /// However often Home Assistant starts, and something else is announced, meanwhile.
        latest: Instant,
    },
    /// All is known and states flow.
    Done,
    /// The bridge is about to end: whatever waits may go, and nothing is announced any more. It lasts.
    Closing,
}

impl Announcement {
    /// All is announced, from the beginning.
    pub(super) const DISCOVERING: Announcement = Announcement::Discovering { latest: None };

    /// The step in which Home Assistant works through what it was told until `now`.
    pub(super) fn parted(now: Instant) -> Announcement {
        Announcement::Parted { until: now + PARTING }
    }

    /// The step after a birth message seen at `now`; `luck` is 0 to 1. One that comes while an announcement is under
    /// way needs no other: Home Assistant reads discovery before it says that it has started. It may not have
    /// subscribed to all states yet.
    pub(super) fn after_birth(self, now: Instant, luck: f64) -> Announcement {
        match self {
            Announcement::Done => {
                Announcement::Delayed { until: now + BIRTH_DELAY_MIN + BIRTH_DELAY_SPREAD.mul_f64(luck) }
            }
            Announcement::Settling { latest, .. } => {
                Announcement::Settling { until: latest.min(now + SETTLE), latest }
            }
            step => step,
        }
    }

    /// When the next step is due, where that is a matter of time.
    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Announcement::Parted { until }
            | Announcement::Delayed { until }
            | Announcement::Settling { until, .. } => Some(until),
            Announcement::Parting
            | Announcement::Discovering { .. }
            | Announcement::Done
            | Announcement::Closing => None,
        }
    }

    /// Whether states may go out.
    pub(super) fn lets_states_go(self) -> bool {
        matches!(self, Announcement::Done | Announcement::Closing)
    }

    /// Whether discovery may go out.
    pub(super) fn lets_discovery_go(self) -> bool {
        !matches!(self, Announcement::Parting | Announcement::Parted { .. } | Announcement::Closing)
    }

    /// The step to be in at `now`, given whether all announcements are acknowledged.
    pub(super) fn next(self, now: Instant, acknowledged: bool) -> Announcement {
        match self {
            Announcement::Parting if acknowledged => Announcement::parted(now),
            Announcement::Parted { until } | Announcement::Delayed { until } if now >= until => {
                Announcement::DISCOVERING
            }
            Announcement::Discovering { latest } if acknowledged => {
                let latest = latest.unwrap_or(now + SETTLE_LIMIT);
                Announcement::Settling { until: latest.min(now + SETTLE), latest }
            }
            Announcement::Settling { latest, .. } if !acknowledged => {
                Announcement::Discovering { latest: Some(latest) }
            }
            Announcement::Settling { until, .. } if now >= until => Announcement::Done,
            step => step,
        }
    }
}

/// What Home Assistant has to unload or remove entities before it reads of them on another topic.
const PARTING: Duration = Duration::from_secs(1);
/// Shortest pause between a birth message and our answer.
const BIRTH_DELAY_MIN: Duration = Duration::from_millis(500);
/// How much longer that pause may be, by chance.
const BIRTH_DELAY_SPREAD: Duration = Duration::from_millis(2_500);
/// Twice what Home Assistant takes to subscribe at its slowest.
const SETTLE: Duration = Duration::from_secs(1);
/// States are held back no longer than this, however many births there are and however much else is announced.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_follow_one_another_and_the_clock() {
        let start = Instant::now();
        let mut step = Announcement::Done.after_birth(start, 1.0);
        let mut seen = Vec::new();
        for (ms, acknowledged) in [
            (0, true),
            (2_999, true),
            (3_000, false),
            (3_100, false),
            (3_200, true),
            (4_199, true),
            (4_200, true),
        ] {
            step = step.next(start + Duration::from_millis(ms), acknowledged);
            seen.push(match step {
                Announcement::Delayed { .. } => 'd',
                Announcement::Discovering { .. } => 'D',
                Announcement::Settling { .. } => 's',
                Announcement::Done => '.',
                Announcement::Parting | Announcement::Parted { .. } => 'p',
                Announcement::Closing => '!',
            });
        }
        assert_eq!(seen.iter().collect::<String>(), "ddDDss.");
    }

    #[test]
    fn the_answer_to_a_birth_comes_after_half_a_second_at_least() {
        let now = Instant::now();
        assert_eq!(Announcement::Done.after_birth(now, 0.0).due(), Some(now + Duration::from_millis(500)));
    }

    #[test]
    fn a_birth_while_settling_settles_anew_and_at_other_times_changes_nothing() {
        let now = Instant::now();
        let latest = now + 2 * SETTLE;
        let settling = Announcement::Settling { until: now, latest };
        assert_eq!(settling.after_birth(now, 0.5), Announcement::Settling { until: now + SETTLE, latest });
        let later = latest - SETTLE / 2;
        assert_eq!(settling.after_birth(later, 0.5), Announcement::Settling { until: latest, latest });
        for step in [Announcement::DISCOVERING, Announcement::Delayed { until: now }, Announcement::Closing] {
            assert_eq!(step.after_birth(now, 0.5), step);
        }
    }

    #[test]
    fn an_entity_announced_while_settling_settles_anew() {
        let now = Instant::now();
        let settling = Announcement::Settling { until: now, latest: now };
        assert_eq!(settling.next(now, false), Announcement::Discovering { latest: Some(now) });
    }

    #[test]
    fn states_are_held_back_for_three_seconds_at_most_however_much_is_announced_meanwhile() {
        let start = Instant::now();
        let mut step = Announcement::DISCOVERING;
        // Another entity each half second, which is acknowledged at once.
        for half_seconds in 0..6 {
            let now = start + half_seconds * SETTLE / 2;
            step = step.next(now, false).next(now, true);
            assert!(!step.next(now, true).lets_states_go(), "{half_seconds}");
        }
        let now = start + SETTLE_LIMIT;
        step = step.next(now, false);
        assert!(!step.lets_states_go(), "before it is announced");
        assert!(step.next(now, true).next(now, true).lets_states_go());
    }
}
