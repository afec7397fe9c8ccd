//! Which entities have no value at present, and why.

use std::collections::BTreeMap;
use std::error::Error;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::model::Chain;
use crate::model::ObjectId;

/// The entities whose source fails now: in the log where one begins to and where it has recovered, and to be listed in
/// between. Cheap to clone; holds one text for each entity at most.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<ObjectId, Trouble>>>);

/// Why an entity has no value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// Which.
    pub entity: ObjectId,
    /// What is wrong, with its causes: as it was the last time.
    pub error: String,
    /// Since when.
    pub since: Instant,
}

impl Troubles {
    /// Notes that there is no value for `entity`, since `now` where there was none in trouble. Logs that the first time.
    pub fn failed(&self, entity: &ObjectId, error: &dyn Error, now: Instant) {
        self.all_failed(iter::once(entity), error, now);
    }

    /// Notes that there are values for `entity` again, and logs it; nothing where there were all the time.
    pub fn recovered(&self, entity: &ObjectId) {
        self.all_recovered(iter::once(entity));
    }

    /// What is wrong now, in the order of the entities.
    pub fn list(&self) -> Vec<Trouble> {
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
            if let Some(trouble) = troubles.get_mut(entity) {
                trouble.error.clone_from(&text);
                known.push(entity);
            } else {
                let trouble = Trouble { entity: entity.clone(), error: text.clone(), since: now };
                troubles.insert(entity.clone(), trouble);
                begun.push(entity);
            }
        }
        drop(troubles);
        if !begun.is_empty() {
            log::warn!("{}: no value: {text}", names(&begun));
        }
        if !known.is_empty() {
            log::debug!("{}: still no value: {text}", names(&known));
        }
    }

    /// As [`Troubles::recovered`], of entities that recover together.
    pub(super) fn all_recovered<'a>(&self, entities: impl Iterator<Item = &'a ObjectId>) {
        let mut troubles = self.lock();
        let ended: Vec<&ObjectId> = entities.filter(|it| troubles.remove(*it).is_some()).collect();
        drop(troubles);
        if !ended.is_empty() {
            log::info!("{}: has values again", names(&ended));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectId, Trouble>> {
        // Nothing that can panic half-way runs under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        };
        assert_eq!(troubles.list(), [trouble("a", "gone", 1), trouble("b", "still gone", 0)]);
        troubles.recovered(&id("a"));
        troubles.recovered(&id("a"));
        assert_eq!(troubles.list(), [trouble("b", "still gone", 0)]);
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
