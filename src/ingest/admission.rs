//! Who gives way where there are too many, or where they hold too much: [`yields`].

use std::collections::BTreeMap;
use std::time::Instant;

use super::ClientId;

/// What counts when it comes to that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Which.
    pub(super) client: ClientId,
    /// Its user.
    pub(super) uid: u32,
    /// When something came from it last, if anything ever has.
    pub(super) heard_at: Option<Instant>,
    /// Memory that it holds, in bytes.
    pub(super) held: usize,
}

/// Which of `clients` gives way to a newcomer of user `uid`: the one that has been silent longest, of the user who has most of
/// them, the newcomer counted; one that has never said anything before all others. So whoever opens more and more only closes
/// his own, and by that alone nobody's who has something to say.
pub(super) fn yields(clients: impl Iterator<Item = Standing> + Clone, uid: u32) -> Option<ClientId> {
    let mut counts = BTreeMap::from([(uid, 1)]);
    clients.clone().for_each(|it| *counts.entry(it.uid).or_default() += 1);
    let most = clients.clone().map(|it| counts[&it.uid]).max()?;
    let of_the_most = clients.filter(|it| counts[&it.uid] == most);
    of_the_most.min_by_key(|it| (it.heard_at, it.client)).map(|it| it.client)
}

/// Which of `clients` is cut where all together hold too much: the one that holds most, of the user who does.
pub(super) fn hogs(clients: impl Iterator<Item = Standing> + Clone) -> Option<ClientId> {
    let mut sums = BTreeMap::new();
    clients.clone().for_each(|it| *sums.entry(it.uid).or_insert(0) += it.held);
    let most = sums.values().copied().max()?;
    let of_the_most = clients.filter(|it| sums[&it.uid] == most);
    of_the_most.max_by_key(|it| (it.held, it.client)).map(|it| it.client)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// For one that was not heard yet.
    const NEVER: u64 = u64::MAX;

    /// Clients as (user, seconds since it was heard, bytes held), numbered from 0.
    fn standings(clients: &[(u32, u64, usize)]) -> impl Iterator<Item = Standing> + Clone {
        let now = Instant::now() + Duration::from_secs(1000);
        clients.iter().zip(0..).map(move |(&(uid, silent, held), number)| Standing {
            client: ClientId(number),
            uid,
            heard_at: (silent != NEVER).then(|| now - Duration::from_secs(silent)),
            held,
        })
    }

    #[track_caller]
    fn check_newcomer(clients: &[(u32, u64, usize)], uid: u32, expected: Option<u64>) {
        assert_eq!(yields(standings(clients), uid), expected.map(ClientId), "{clients:?}");
    }

    #[track_caller]
    fn check_hog(clients: &[(u32, u64, usize)], expected: Option<u64>) {
        assert_eq!(hogs(standings(clients)), expected.map(ClientId), "{clients:?}");
    }

    #[test]
    fn the_silent_of_the_user_with_most_give_way() {
        check_newcomer(&[(0, 900, 0), (7, 10, 0), (7, 30, 0), (7, 20, 0)], 0, Some(2));
        check_newcomer(&[(0, 900, 0), (7, 10, 0), (7, 30, 0), (7, 20, 0)], 7, Some(2));
    }

    #[test]
    fn a_newcomer_counts_so_that_it_costs_its_own_user() {
        check_newcomer(&[(0, 900, 0), (0, 800, 0), (7, 10, 0), (7, 20, 0)], 7, Some(3));
    }

    #[test]
    fn among_equals_the_most_silent_gives_way() {
        check_newcomer(&[(1, 5, 0), (2, 9, 0), (3, 7, 0)], 4, Some(1));
    }

    #[test]
    fn who_has_said_nothing_yet_gives_way_before_who_has() {
        check_newcomer(&[(7, 900, 0), (7, NEVER, 0), (7, NEVER, 0)], 7, Some(1));
        check_newcomer(&[(0, NEVER, 0), (7, 900, 0), (7, 5, 0)], 7, Some(1));
    }

    #[test]
    fn where_nobody_is_nobody_gives_way() {
        check_newcomer(&[], 0, None);
        check_hog(&[], None);
    }

    #[test]
    fn the_one_that_holds_most_is_of_the_user_that_does() {
        check_hog(&[(0, 0, 50), (7, 0, 30), (7, 0, 40)], Some(2));
        check_hog(&[(0, 0, 80), (7, 0, 30), (7, 0, 40)], Some(0));
    }
}
