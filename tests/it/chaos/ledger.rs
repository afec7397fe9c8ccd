//! What was promised and what came: the account of each series of numbered messages.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Add;

/// What is promised of a series, of which each message has the number of its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Promise {
    /// Nothing, but that what comes is whole and was not handed back.
    Nothing,
    /// What comes is in order: first occurrences have rising numbers.
    Order,
    /// Besides, all that was accepted comes.
    All,
    /// Besides, nothing comes twice.
    Once,
    /// Besides, the newest comes.
    Last,
    /// The newest comes, and nothing older than what has come already.
    Newest,
}

/// The accounts by topic.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<String, Account>);

/// The newest message that was accepted by then, by topic.
pub(super) type Moment = BTreeMap<String, u64>;

/// Totals over series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// Messages that were accepted.
    pub(super) accepted: u64,
    /// Messages that were handed back.
    pub(super) refused: u64,
    /// Messages that came, of each the first.
    pub(super) received: u64,
    /// Messages that came again.
    pub(super) again: u64,
}

#[derive(Debug)]
struct Account {
    promise: Promise,
    /// Accepted, promised, and not here.
    missing: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    /// Whether the message with the number of its place has come.
    seen: Vec<bool>,
    newest_accepted: Option<u64>,
    newest_seen: Option<u64>,
    /// The first number that was never offered.
    next: u64,
    totals: Totals,
}

impl Ledger {
    /// Opens the account of `topic`.
    pub(super) fn open(&mut self, topic: &str, promise: Promise) {
        let account = Account {
            promise,
            missing: BTreeSet::new(),
            refused: BTreeSet::new(),
            seen: Vec::new(),
            newest_accepted: None,
            newest_seen: None,
            next: 1,
            totals: Totals::default(),
        };
        self.0.insert(topic.to_owned(), account);
    }

    /// The publisher was told that `number` is accepted.
    pub(super) fn accepted(&mut self, topic: &str, number: u64) {
        let Some(account) = self.0.get_mut(topic) else { return };
        account.totals.accepted += 1;
        account.next = number + 1;
        account.newest_accepted = Some(number);
        let is_promised = matches!(account.promise, Promise::All | Promise::Once);
        if is_promised && !account.has_seen(number) {
            account.missing.insert(number);
        }
    }

    /// The publisher had `number` handed back.
    ///
    /// # Errors
    ///
    /// What is wrong with that.
    pub(super) fn refused(&mut self, topic: &str, number: u64) -> Result<(), String> {
        let Some(account) = self.0.get_mut(topic) else { return Ok(()) };
        account.totals.refused += 1;
        account.next = number + 1;
        account.refused.insert(number);
        match account.has_seen(number) {
            true => Err(format!("{topic}: {number} came, and was handed back all the same")),
            false => Ok(()),
        }
    }

    /// `number` has come.
    ///
    /// # Errors
    ///
    /// What is wrong with that.
    pub(super) fn received(&mut self, topic: &str, number: u64) -> Result<(), String> {
        let Some(account) = self.0.get_mut(topic) else {
            return Err(format!("{topic}: nobody publishes there"));
        };
        let (before, came_before) = (account.newest_seen, account.has_seen(number));
        account.note(number);
        let newest = before.unwrap_or(0);
        if account.refused.contains(&number) {
            Err(format!("{topic}: {number} came, and had been handed back"))
        } else if came_before && account.promise == Promise::Once {
            Err(format!("{topic}: {number} came twice, then after {newest}"))
        } else if number < newest && account.promise.forbids_older(came_before) {
            Err(format!("{topic}: {number} came after {newest}"))
        } else {
            Ok(())
        }
    }

    /// Now: a moment to which [`Ledger::missing`] looks back.
    pub(super) fn moment(&self) -> Moment {
        let newest = self.0.iter().filter_map(|(topic, it)| Some((topic.clone(), it.newest_accepted?)));
        newest.collect()
    }

    /// By topic, the first numbers that were accepted up to `moment`, were to come, and have not; and how many those
    /// are in all.
    pub(super) fn missing(&self, moment: &Moment) -> BTreeMap<String, (Vec<u64>, usize)> {
        let of_account = |(topic, account): (&String, &Account)| {
            let until = *moment.get(topic)?;
            let is_last_promised = matches!(account.promise, Promise::Last | Promise::Newest);
            let is_stale = is_last_promised && account.newest_seen < Some(until);
            let missing = account.missing.range(..=until).copied().chain(is_stale.then_some(until));
            let missing: Vec<u64> = missing.collect();
            let count = missing.len();
            (count > 0).then(|| (topic.clone(), (missing.into_iter().take(SHOWN).collect(), count)))
        };
        self.0.iter().filter_map(of_account).collect()
    }

    /// The publisher is gone. What became of the last message it may have offered on `topic` is not known: no other
    /// gets its number.
    pub(super) fn skip(&mut self, topic: &str) {
        self.0.get_mut(topic).expect("the account is open").next += 1;
    }

    /// The next number to offer on `topic`.
    pub(super) fn next(&self, topic: &str) -> u64 {
        self.0.get(topic).expect("the account is open").next
    }

    /// The totals of all series below `prefix`.
    pub(super) fn totals(&self, prefix: &str) -> Totals {
        let of_series = self.0.iter().filter(|(topic, _)| topic.starts_with(prefix)).map(|(_, it)| it.totals);
        of_series.fold(Totals::default(), Totals::add)
    }
}

impl Add for Totals {
    type Output = Totals;

    fn add(self, other: Totals) -> Totals {
        Totals {
            accepted: self.accepted + other.accepted,
            refused: self.refused + other.refused,
            received: self.received + other.received,
            again: self.again + other.again,
        }
    }
}

impl Promise {
    /// Whether an older message is wrong after a newer one, where it came before or not.
    fn forbids_older(self, came_before: bool) -> bool {
        match self {
            Promise::Nothing => false,
            Promise::Newest => true,
            Promise::Order | Promise::All | Promise::Once | Promise::Last => !came_before,
        }
    }
}

impl Account {
    fn has_seen(&self, number: u64) -> bool {
        self.seen.get(place(number)).is_some_and(|it| *it)
    }

    fn note(&mut self, number: u64) {
        match self.has_seen(number) {
            true => self.totals.again += 1,
            false => self.totals.received += 1,
        }
        self.seen.resize(self.seen.len().max(place(number) + 1), false);
        self.seen[place(number)] = true;
        self.missing.remove(&number);
        self.newest_seen = self.newest_seen.max(Some(number));
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("series are short")
}

/// So many missing numbers of a series are shown.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about `received`, after 1 to 9 were accepted.
    fn complaints(promise: Promise, received: &[u64]) -> (Ledger, Vec<String>) {
        let mut ledger = Ledger::default();
        ledger.open("a", promise);
        (1..=9).for_each(|number| ledger.accepted("a", number));
        let complaints = received.iter().filter_map(|it| ledger.received("a", *it).err()).collect();
        (ledger, complaints)
    }

    #[track_caller]
    fn check(promise: Promise, received: &[u64], expected: &[&str], missing: &[u64]) {
        let (ledger, found) = complaints(promise, received);
        assert_eq!(found, expected);
        let first = ledger.missing(&ledger.moment()).remove("a").unwrap_or_default();
        assert_eq!(first, (missing.to_vec(), missing.len()));
    }

    #[test]
    fn all_in_order_is_fine_for_everybody() {
        for promise in [Promise::Order, Promise::All, Promise::Once, Promise::Last, Promise::Newest] {
            check(promise, &[1, 2, 3, 4, 5, 6, 7, 8, 9], &[], &[]);
        }
    }

    #[test]
    fn what_is_missing_is_told_where_all_are_promised() {
        check(Promise::All, &[1, 2, 5, 9], &[], &[3, 4, 6, 7, 8]);
        check(Promise::Once, &[1, 2, 3, 4, 6, 7, 8, 9], &[], &[5]);
        check(Promise::Order, &[2, 5], &[], &[]);
        check(Promise::Nothing, &[5, 2, 2], &[], &[]);
        check(Promise::Newest, &[2, 5], &[], &[9]);
        check(Promise::Last, &[2, 5], &[], &[9]);
        check(Promise::Last, &[2, 9, 2], &[], &[]);
        check(Promise::Newest, &[9], &[], &[]);
    }

    #[test]
    fn a_message_that_comes_again_is_wrong_where_once_is_promised_or_it_is_an_old_state() {
        check(Promise::All, &[1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[], &[]);
        check(Promise::Order, &[1, 2, 1, 2, 3], &[], &[]);
        check(Promise::Once, &[8, 9, 9], &["a: 9 came twice, then after 9"], &[1, 2, 3, 4, 5, 6, 7]);
        check(Promise::Newest, &[8, 9, 9, 8], &["a: 8 came after 9"], &[]);
    }

    #[test]
    fn a_first_occurrence_out_of_order_is_wrong() {
        for promise in [Promise::Order, Promise::All, Promise::Last, Promise::Newest] {
            assert_eq!(complaints(promise, &[1, 3, 2]).1, ["a: 2 came after 3"], "{promise:?}");
        }
    }

    #[test]
    fn what_was_handed_back_must_not_come() {
        let (mut ledger, _) = complaints(Promise::All, &[1]);
        assert_eq!(ledger.refused("a", 10), Ok(()));
        assert_eq!(ledger.received("a", 10).unwrap_err(), "a: 10 came, and had been handed back");
        assert_eq!(ledger.received("a", 11), Ok(()));
        assert_eq!(ledger.refused("a", 11).unwrap_err(), "a: 11 came, and was handed back all the same");
        assert_eq!(ledger.totals(""), Totals { accepted: 9, refused: 2, received: 3, again: 0 });
        assert_eq!(ledger.totals("b"), Totals::default());
    }

    #[test]
    fn a_moment_looks_back() {
        let (mut ledger, _) = complaints(Promise::All, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let moment = ledger.moment();
        ledger.accepted("a", 10);
        assert!(ledger.missing(&moment).is_empty());
        assert_eq!(ledger.missing(&ledger.moment())["a"], (vec![10], 1));
        assert_eq!(ledger.next("a"), 11);
    }
}
