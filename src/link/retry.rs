//! When to try again, and whom. Pure: durations and chance come in as arguments.

use std::mem;
use std::time::Duration;

use crate::config::Client;

use super::LinkError;
use super::round::Round;

/// The pause between two rounds of attempts: it doubles while nothing works, starts anew after a useful session,
/// and doubles also while sessions are cut short one after the other, so that two clients with one
/// identifier do not evict each other at full speed. Within a round the next broker is tried at once.
#[derive(Debug)]
pub(super) struct Retry {
    first: Duration,
    longest: Duration,
    /// A session that lasted this long was useful even if nothing was acknowledged in it.
    useful_after: Duration,
    /// The last pause before chance was added; `None` when the next is to be the first again.
    pause: Option<Duration>,
    round: Round,
    /// For each broker, sessions in a row that it closed soon after they began.
    cut_short: Vec<u32>,
    /// Whether every attempt of this round was refused.
    refused: bool,
}

/// What there was between CONNACK and the end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    /// How long.
    pub(super) lasted: Duration,
    /// Whether the broker acknowledged anything.
    pub(super) acknowledged: bool,
}

/// What is to be done about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Next {
    /// How long to wait before [`Retry::broker`] is tried.
    pub(super) pause: Duration,
    /// Whether it looks as if another client used our identifier.
    pub(super) takeover: bool,
}

impl Retry {
    /// A retry among `brokers`, at least one, with the limits of `client`.
    pub(super) fn new(brokers: usize, client: &Client) -> Retry {
        Retry {
            first: client.reconnect_delay,
            longest: client.reconnect_delay_max.max(client.reconnect_delay),
            useful_after: 2 * client.keep_alive,
            pause: None,
            round: Round::new(brokers),
            cut_short: vec![0; brokers],
            refused: true,
        }
    }

    /// The broker to try now: its place in the order of preference, from 0.
    pub(super) fn broker(&self) -> usize {
        self.round.current()
    }

    /// Counts the failure `cause` at [`Retry::broker`], after `life` if there was a session, and says what is next.
    /// `chance` is 0 to 1 and spreads the pause from -25 % to +25 %, within the limits.
    ///
    /// A session that was of use begins a new round with its own broker. One that was not is like an attempt that
    /// failed, and so is one after which another client is suspected: the next broker is tried.
    pub(super) fn after(&mut self, cause: &LinkError, life: Option<Lifetime>, chance: f64) -> Next {
        let broker = self.broker();
        let cut_short = match life {
            Some(life) if self.is_short(cause, life) => self.cut_short[broker].saturating_add(1),
            _ => 0,
        };
        self.cut_short[broker] = cut_short;
        let takeover = cut_short >= SUSPICIOUS;
        let useful = life.is_some_and(|it| it.acknowledged || it.lasted >= self.useful_after);
        self.refused &= cause.is_refusal();
        if useful && !takeover {
            self.round.begin_with(broker);
        } else if self.round.advance() {
            return Next { pause: Duration::ZERO, takeover };
        }
        let doubled = self.pause.map_or(self.first, |it| it.saturating_mul(2));
        let mut pause = if useful && cut_short <= 1 { self.first } else { doubled };
        if mem::replace(&mut self.refused, true) {
            pause = pause.max(REFUSAL_PAUSE);
        }
        let pause = pause.min(self.longest);
        self.pause = Some(pause);
        Next { pause: pause.mul_f64(0.75 + chance / 2.0).clamp(self.first, self.longest), takeover }
    }

    /// Leaves the broker of a session for a better one, which is to be tried at once.
    pub(super) fn leave_for(&mut self, broker: usize) -> Next {
        self.round.begin_with(broker);
        (self.pause, self.refused) = (None, true);
        Next { pause: Duration::ZERO, takeover: false }
    }

    /// Whether the broker closed the session so soon that a rival may have evicted it. A rival that pauses
    /// as we do comes back after about our own last pause: what outlasts four of those is no longer short.
    fn is_short(&self, cause: &LinkError, life: Lifetime) -> bool {
        let short = self.pause.map_or(SHORT, |it| SHORT.max(it.saturating_mul(4)));
        matches!(cause, LinkError::ClosedByBroker) && life.lasted < short
    }
}

/// After a refusal only a person can help: no hurry, and no hammering on the broker's login.
const REFUSAL_PAUSE: Duration = Duration::from_secs(60);
/// A session that the broker closes before this is cut short.
const SHORT: Duration = Duration::from_secs(30);
/// Sessions cut short in a row before another client is suspected; a restarting broker needs one or two.
const SUSPICIOUS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Refusal;
    use crate::link::peer::client;

    /// From 5 s to 300 s, with a keep alive of 60 s.
    fn retry() -> Retry {
        Retry::new(1, &client())
    }

    fn life(seconds: u64, acknowledged: bool) -> Option<Lifetime> {
        Some(Lifetime { lasted: Duration::from_secs(seconds), acknowledged })
    }

    /// The pauses in seconds, without chance, and suspicions that `ends` lead to, one after the other.
    #[track_caller]
    fn check(ends: &[(LinkError, Option<Lifetime>)], expected: &[(u64, bool)]) {
        let mut retry = retry();
        let found: Vec<_> = ends
            .iter()
            .map(|(cause, life)| retry.after(cause, *life, 0.5))
            .map(|it| (it.pause.as_secs(), it.takeover))
            .collect();
        assert_eq!(found, expected);
    }

    fn silent() -> LinkError {
        LinkError::Silent { address: String::new(), limit: Duration::ZERO }
    }

    #[test]
    fn an_absent_broker_is_tried_at_doubling_pauses_up_to_the_longest() {
        check(
            &[silent(), silent(), silent(), silent(), silent(), silent(), silent(), silent()]
                .map(|it| (it, None)),
            &[5, 10, 20, 40, 80, 160, 300, 300].map(|it| (it, false)),
        );
    }

    #[test]
    fn a_broker_that_restarts_once_is_tried_after_the_first_pause() {
        check(&[(LinkError::ClosedByBroker, life(86_400, true))], &[(5, false)]);
        check(&[(LinkError::ClosedByBroker, life(3, true))], &[(5, false)]);
    }

    #[test]
    fn a_useful_session_starts_anew_and_a_useless_one_does_not() {
        check(
            &[
                (silent(), None),
                (silent(), None),
                (LinkError::KeepAlive, life(90, false)),
                (LinkError::KeepAlive, life(120, false)),
                (LinkError::Unacknowledged, life(20, false)),
                (LinkError::Unacknowledged, life(20, true)),
            ],
            &[5, 10, 20, 5, 10, 5].map(|it| (it, false)),
        );
    }

    #[test]
    fn three_sessions_cut_short_in_a_row_are_another_client_with_our_identifier() {
        let cut = || (LinkError::ClosedByBroker, life(5, true));
        check(
            &[cut(), cut(), cut(), cut(), (LinkError::ClosedByBroker, life(3600, true)), cut()],
            &[(5, false), (10, false), (20, true), (40, true), (5, false), (5, false)],
        );
    }

    #[test]
    fn two_rivals_with_the_same_pauses_end_at_the_longest() {
        let mut retry = retry();
        let mut rival = Duration::from_secs(5);
        for _ in 0..20 {
            // The rival comes back after its pause, which is as long as ours was, or twice that.
            let life = Some(Lifetime { lasted: rival * 2, acknowledged: true });
            rival = retry.after(&LinkError::ClosedByBroker, life, 1.0).pause;
        }
        assert_eq!(rival, Duration::from_secs(300));
    }

    #[test]
    fn a_failed_attempt_between_two_short_sessions_speaks_for_a_broker_in_trouble() {
        let cut = || (LinkError::ClosedByBroker, life(5, true));
        check(
            &[cut(), cut(), (silent(), None), cut(), cut()],
            &[(5, false), (10, false), (20, false), (5, false), (10, false)],
        );
    }

    #[test]
    fn a_refused_login_is_not_hammered() {
        let refused = || (LinkError::Refused(Refusal::NotAuthorized), None);
        check(&[refused(), refused(), refused(), refused()], &[60, 120, 240, 300].map(|it| (it, false)));
        check(&[(LinkError::Refused(Refusal::ServerUnavailable), None)], &[(5, false)]);
    }

    #[test]
    fn chance_spreads_the_pause_within_the_limits() {
        for (failures, chance, expected) in
            [(1, 0.0, 5.0), (1, 1.0, 6.25), (2, 0.0, 7.5), (2, 1.0, 12.5), (9, 0.0, 225.0), (9, 1.0, 300.0)]
        {
            let mut retry = retry();
            for _ in 1..failures {
                retry.after(&silent(), None, 0.5);
            }
            assert_eq!(retry.after(&silent(), None, chance).pause, Duration::from_secs_f64(expected));
        }
    }

    /// The brokers tried among three, with the pause in seconds before each, as `ends` come one after the other.
    #[track_caller]
    fn check_order(ends: &[(LinkError, Option<Lifetime>)], expected: &str) {
        let mut retry = Retry::new(3, &client());
        let mut found = retry.broker().to_string();
        for (cause, life) in ends {
            let next = retry.after(cause, *life, 0.5);
            let pause = if next.pause.is_zero() { String::new() } else { next.pause.as_secs().to_string() };
            found += &format!(" {pause}>{}", retry.broker());
        }
        assert_eq!(found, expected);
    }

    fn closed(seconds: u64, acknowledged: bool) -> (LinkError, Option<Lifetime>) {
        (LinkError::ClosedByBroker, life(seconds, acknowledged))
    }

    #[test]
    fn a_pause_comes_only_after_every_broker_has_failed() {
        check_order(
            &[silent(), silent(), silent(), silent(), silent(), silent(), silent()].map(|it| (it, None)),
            "0 >1 >2 5>0 >1 >2 10>0 >1",
        );
    }

    #[test]
    fn a_broker_that_was_of_use_is_tried_again_before_another_is() {
        check_order(
            &[closed(86_400, true), (silent(), None), (silent(), None), (silent(), None)],
            "0 5>0 >1 >2 10>0",
        );
        check_order(
            &[(silent(), None), closed(9, true), (silent(), None), (silent(), None)],
            "0 >1 5>1 >0 >2",
        );
    }

    #[test]
    fn a_broker_that_lets_us_in_and_is_of_no_use_is_like_one_that_is_away() {
        check_order(
            &[closed(0, false), closed(0, false), closed(0, false), closed(0, false)],
            "0 >1 >2 5>0 >1",
        );
        let stuck = || (LinkError::Unacknowledged, life(30, false));
        check_order(
            &[(LinkError::Unacknowledged, life(600, true)), stuck(), closed(9, true)],
            "0 5>0 >1 5>1",
        );
    }

    #[test]
    fn a_refusal_keeps_no_other_broker_from_being_tried_and_is_not_hammered() {
        let refused = || (LinkError::Refused(Refusal::NotAuthorized), None);
        check_order(&[refused(), refused(), refused(), refused()], "0 >1 >2 60>0 >1");
        check_order(
            &[refused(), (silent(), None), refused(), refused(), refused(), refused()],
            "0 >1 >2 5>0 >1 >2 60>0",
        );
    }

    #[test]
    fn a_second_client_is_suspected_at_one_broker_and_has_the_next_one_tried() {
        let mut retry = Retry::new(2, &client());
        let mut suspected = Vec::new();
        for _ in 0..8 {
            let broker = retry.broker();
            let (cause, life) = closed(3, true);
            suspected.push((broker, retry.after(&cause, life, 0.5).takeover));
        }
        let expected =
            [(0, false), (0, false), (0, true), (1, false), (1, false), (1, true), (0, true), (0, true)];
        assert_eq!(suspected, expected);
    }

    #[test]
    fn a_better_broker_is_tried_at_once_and_another_when_it_fails_after_all() {
        let mut retry = Retry::new(3, &client());
        for _ in 0..5 {
            retry.after(&silent(), None, 0.5);
        }
        assert_eq!(retry.broker(), 2);
        assert_eq!(retry.leave_for(1), Next { pause: Duration::ZERO, takeover: false });
        let order = [(); 3].map(|()| (retry.broker(), retry.after(&silent(), None, 0.5).pause.as_secs()));
        assert_eq!(order, [(1, 0), (0, 0), (2, 5)]);
    }
}
