//! What changes among the devices that are followed, for somebody who watches: [`Watch`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::registry::Change;

/// What has changed among the devices that are followed since it was last asked. Of each device the newest is told, so that
/// whoever is slow is told less, and what waits here is bounded by what is followed. Dropping it ends it.
#[derive(Debug)]
pub struct Watch(Arc<Seen>);

/// What became of a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sighting {
    /// It is new.
    Came,
    /// It is announced otherwise than before, and may have told something.
    Changed,
    /// It has told something of its state, or its availability has changed.
    Told,
    /// It is gone.
    Went,
}

/// The bridge's end of a [`Watch`].
#[derive(Debug)]
pub(super) struct Watcher(Weak<Seen>);

struct Seen {
    news: Mutex<BTreeMap<Arc<str>, Sighting>>,
    ring: Box<dyn Fn() + Send + Sync>,
}

impl Watch {
    /// A watch that calls `ring` whenever there is news, on the thread of the bridge, and the bridge's end of it.
    pub(super) fn new(ring: impl Fn() + Send + Sync + 'static) -> (Watch, Watcher) {
        let seen = Arc::new(Seen { news: Mutex::default(), ring: Box::new(ring) });
        let watcher = Watcher(Arc::downgrade(&seen));
        (Watch(seen), watcher)
    }

    /// The id of a device of which there is news, and what. Never blocks for longer than the bridge takes to note a change.
    pub fn next(&self) -> Option<(Arc<str>, Sighting)> {
        self.0.news().pop_first()
    }
}

impl Watcher {
    /// Notes `change` where it is one of a device. Returns whether anybody watches still.
    pub(super) fn note(&self, change: &Change) -> bool {
        let Some(seen) = self.0.upgrade() else { return false };
        let (id, sighting) = match change {
            Change::Announced(id) => (id, Sighting::Came),
            Change::Updated(id) => (id, Sighting::Changed),
            Change::State(id) => (id, Sighting::Told),
            Change::Removed(id) => (id, Sighting::Went),
            _ => return true,
        };
        seen.note(id, sighting);
        true
    }

    /// Whether anybody watches still.
    pub(super) fn is_watched(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Notes that there is the device `id`.
    pub(super) fn find(&self, id: &Arc<str>) {
        self.0.upgrade().into_iter().for_each(|seen| seen.note(id, Sighting::Came));
    }
}

impl Seen {
    fn note(&self, id: &Arc<str>, sighting: Sighting) {
        match self.news().entry(id.clone()) {
            Entry::Vacant(it) => _ = it.insert(sighting),
            Entry::Occupied(mut it) => match it.get().then(sighting) {
                Some(both) => *it.get_mut() = both,
                None => _ = it.remove(),
            },
        }
        (self.ring)();
    }

    fn news(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Sighting>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("news", &self.news().len()).finish_non_exhaustive()
    }
}

impl Sighting {
    /// What it comes to when `next` follows, for somebody who has heard of neither. `None` where that is nothing.
    fn then(self, next: Sighting) -> Option<Sighting> {
        match (self, next) {
            (Sighting::Came, Sighting::Went) => None,
            (_, Sighting::Went) => Some(Sighting::Went),
            (Sighting::Came, _) => Some(Sighting::Came),
            // It was known before it went.
            (Sighting::Went, _) | (Sighting::Changed, _) | (_, Sighting::Came | Sighting::Changed) => {
                Some(Sighting::Changed)
            }
            (Sighting::Told, Sighting::Told) => Some(Sighting::Told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sighting::{Came, Changed, Told, Went};

    #[test]
    fn whoever_is_slow_is_told_what_it_comes_to() {
        for (sightings, expected) in [
            (&[Came, Told, Changed][..], Some(Came)),
            (&[Came, Told, Went], None),
            (&[Told, Told], Some(Told)),
            (&[Told, Changed, Told], Some(Changed)),
            (&[Changed, Went], Some(Went)),
            (&[Went, Came], Some(Changed)),
            (&[Went, Came, Went], Some(Went)),
        ] {
            let (watch, Watcher(seen)) = Watch::new(|| {});
            let seen = seen.upgrade().unwrap();
            sightings.iter().for_each(|it| seen.note(&"lamp".into(), *it));
            assert_eq!(watch.next().map(|it| it.1), expected, "{sightings:?}");
            assert_eq!(watch.next(), None);
        }
    }
}
