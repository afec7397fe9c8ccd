//! Which entities have no value at present, and why.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::model::Chain;
use crate::model::ObjectId;

/// The entities whose source fails now: in the log where one begins to and where it has recovered, and to be listed in
/// between. Cheap to clone; holds one text for each entity at most.
#[derive(Clone, Default)]
pub struct Troubles(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: Mutex<BTreeMap<ObjectId, Trouble>>,
    /// Its lock is a turn: who has it tells what is the case then, so that the last that is told is the newest.
    listener: Option<Mutex<Listener>>,
}

type Listener = Box<dyn FnMut(&[Trouble]) + Send>;

/// Why an entity has no value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// Which.
    pub entity: ObjectId,
    /// What is wrong, with its causes: as it was the last time.
    pub error: String,
    /// Since when.
    pub since: Instant,
    /// When it was over; `None` while it is not.
    pub over: Option<Instant>,
}

impl Troubles {
    /// None yet. `listener` is called with all there are whenever some have begun or ended, on the thread that has noted it,
    /// which it holds up.
    pub fn told_to(listener: impl FnMut(&[Trouble]) + Send + 'static) -> Troubles {
        let listener: Listener = Box::new(listener);
        Troubles(Arc::new(Shared { listener: Some(Mutex::new(listener)), ..Shared::default() }))
    }

    /// `troubles` in a line for people: each error with those that have it, the first few.
    pub fn summary(troubles: &[Trouble]) -> String {
        let mut alike: Vec<(&str, Vec<&ObjectId>)> = Vec::new();
        for Trouble { entity, error, .. } in troubles {
            let error = error.as_str();
            match alike.iter_mut().find(|(text, _)| *text == error) {
                Some((_, entities)) => entities.push(entity),
                None => alike.push((error, vec![entity])),
            }
        }
        let shown = alike.iter().take(MOST_SUMMED).map(|(error, them)| format!("{}: {error}", names(them)));
        let shown = shown.collect::<Vec<_>>().join("; ");
        match alike.iter().skip(MOST_SUMMED).map(|(_, them)| them.len()).sum::<usize>() {
            0 => shown,
            more => format!("{shown}; and {more} more"),
        }
    }

    /// Notes that there is no value for `entity`, since `now` where there was none in trouble. Logs that the first time.
    pub fn failed(&self, entity: &ObjectId, error: &dyn Error, now: Instant) {
        self.all_failed(iter::once(entity), error, now);
    }

    /// Notes that there are values for `entity` again, and logs it; nothing where there were all the time.
    pub fn recovered(&self, entity: &ObjectId) {
        self.all_recovered(iter::once(entity));
    }

    /// Forgets what was wrong with `entities`: nobody asks for them any more.
    pub fn forget<'a>(&self, entities: impl IntoIterator<Item = &'a ObjectId>) {
        let mut troubles = self.lock();
        let gone = entities.into_iter().filter(|it| troubles.remove(*it).is_some()).count();
        drop(troubles);
        if gone > 0 {
            self.tell();
        }
    }

    /// What is wrong now, in the order of the entities.
    pub fn list(&self) -> Vec<Trouble> {
        self.lock().values().filter(|it| it.over.is_none()).cloned().collect()
    }

    /// The last that was wrong with each entity, now or at any time since the start, in the order of the entities.
    pub fn last(&self) -> Vec<Trouble> {
        self.lock().values().cloned().collect()
    }

    /// As [`Troubles::failed`], of entities that fail for one reason: a line for all of them.
    pub(super) fn all_failed<'a>(
        &self,
        entities: impl Iterator<Item = &'a ObjectId>,
        error: &dyn Error,
        now: Instant,
    ) {
        let text = Chain(error).to_string();
        let (mut begun, mut known) = (Vec::new(), Vec::new());
        let mut troubles = self.lock();
        for entity in entities {
            match troubles.get_mut(entity).filter(|it| it.over.is_none()) {
                Some(trouble) => {
                    trouble.error.clone_from(&text);
                    known.push(entity);
                }
                None => {
                    let (id, error) = (entity.clone(), text.clone());
                    troubles.insert(id.clone(), Trouble { entity: id, error, since: now, over: None });
                    begun.push(entity);
                }
            }
        }
        drop(troubles);
        if !begun.is_empty() {
            log::warn!("{}: no value: {text}", names(&begun));
            self.tell();
        }
        if !known.is_empty() {
            log::debug!("{}: still no value: {text}", names(&known));
        }
    }

    /// As [`Troubles::recovered`], of entities that recover together.
    pub(super) fn all_recovered<'a>(&self, entities: impl Iterator<Item = &'a ObjectId>) {
        let mut troubles = self.lock();
        let mut is_over = |id: &&ObjectId| {
            let trouble = troubles.get_mut(*id).filter(|it| it.over.is_none());
            trouble.map(|it| it.over = Some(Instant::now())).is_some()
        };
        let ended: Vec<&ObjectId> = entities.filter(&mut is_over).collect();
        drop(troubles);
        if !ended.is_empty() {
            log::info!("{}: has values again", names(&ended));
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(listener) = &self.0.listener {
            let mut listener = listener.lock().unwrap_or_else(PoisonError::into_inner);
            listener(&self.list());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectId, Trouble>> {
        // Nothing that can panic half-way runs under it.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Troubles").field(&self.list()).finish()
    }
}

/// The first few, and how many more: a program may have dozens of values.
fn names(entities: &[&ObjectId]) -> String {
    let shown: Vec<&str> = entities.iter().take(MOST_NAMED).map(|it| it.as_str()).collect();
    let shown = shown.join(", ");
    match entities.len().saturating_sub(MOST_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// As many names as a line of the log has room for.
const MOST_NAMED: usize = 8;
/// As many errors as a line for people has room for.
const MOST_SUMMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::time::Duration;

    fn id(text: &str) -> ObjectId {
        ObjectId::new(text).unwrap()
    }

    #[test]
    fn a_trouble_is_listed_from_its_first_failure_to_its_recovery_with_the_newest_error() {
        let troubles = Troubles::default();
        let start = Instant::now();
        troubles.failed(&id("b"), &io::Error::other("gone"), start);
        troubles.failed(&id("a"), &io::Error::other("gone"), start + Duration::from_secs(1));
        troubles.clone().failed(&id("b"), &io::Error::other("still gone"), start + Duration::from_secs(2));
        let trouble = |entity: &str, error: &str, second| Trouble {
            entity: id(entity),
            error: error.to_owned(),
            since: start + Duration::from_secs(second),
            over: None,
        };
        assert_eq!(troubles.list(), [trouble("a", "gone", 1), trouble("b", "still gone", 0)]);
        troubles.recovered(&id("a"));
        troubles.recovered(&id("a"));
        assert_eq!(troubles.list(), [trouble("b", "still gone", 0)]);
        let last = troubles.last();
        assert_eq!((last[0].error.as_str(), last[1].error.as_str()), ("gone", "still gone"));
        assert!(last[0].over.is_some() && last[1].over.is_none());
        troubles.failed(&id("a"), &io::Error::other("again"), start + Duration::from_secs(3));
        assert_eq!(troubles.list()[0], trouble("a", "again", 3));
    }

    #[test]
    fn a_listener_hears_of_each_beginning_and_each_end_and_of_nothing_else() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let troubles = Troubles::told_to(move |it| hears.lock().unwrap().push(Troubles::summary(it)));
        let now = Instant::now();
        troubles.recovered(&id("a"));
        troubles.all_failed([&id("a"), &id("b")].into_iter(), &io::Error::other("gone"), now);
        troubles.failed(&id("b"), &io::Error::other("still gone"), now);
        troubles.failed(&id("c"), &io::Error::other("gone"), now);
        troubles.recovered(&id("a"));
        troubles.all_recovered([&id("b"), &id("c")].into_iter());
        let expected = ["a, b: gone", "a, c: gone; b: still gone", "b: still gone; c: gone", ""];
        assert_eq!(*heard.lock().unwrap(), expected);
    }

    #[test]
    fn what_nobody_asks_for_is_no_trouble_any_more() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let troubles = Troubles::told_to(move |it| hears.lock().unwrap().push(Troubles::summary(it)));
        troubles.all_failed([&id("a"), &id("b")].into_iter(), &io::Error::other("gone"), Instant::now());
        troubles.forget([&id("a"), &id("c")]);
        troubles.forget([&id("c")]);
        assert_eq!(*heard.lock().unwrap(), ["a, b: gone", "b: gone"]);
    }

    #[test]
    fn a_summary_has_room_for_three_errors() {
        let troubles = Troubles::default();
        for entity in ["a", "b", "c", "d", "e"] {
            troubles.failed(&id(entity), &io::Error::other(entity.to_uppercase()), Instant::now());
        }
        assert_eq!(Troubles::summary(&troubles.list()), "a: A; b: B; c: C; and 2 more");
    }

    #[test]
    fn a_line_of_the_log_names_a_few_of_many() {
        let ids: Vec<ObjectId> = (0..20).map(|it| id(&format!("e{it}"))).collect();
        let ids: Vec<&ObjectId> = ids.iter().collect();
        assert_eq!(names(&ids[..2]), "e0, e1");
        assert_eq!(names(&ids[..8]), "e0, e1, e2, e3, e4, e5, e6, e7");
        assert_eq!(names(&ids), "e0, e1, e2, e3, e4, e5, e6, e7 and 12 more");
    }
}
