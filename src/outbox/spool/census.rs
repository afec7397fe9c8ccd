//! How many records there are on each topic.

use std::collections::BTreeMap;

use crate::model::Topic;

/// How many records there are on each topic, of which the first [`MOST_TOPICS`] are known by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Census {
    topics: BTreeMap<Topic, u64>,
    others: u64,
}

impl Census {
    /// Counts one more on `topic`.
    pub(super) fn count(&mut self, topic: Topic) {
        if let Some(count) = self.topics.get_mut(&topic) {
            *count += 1;
        } else if self.topics.len() < MOST_TOPICS {
            self.topics.insert(topic, 1);
        } else {
            self.others += 1;
        }
    }

    /// The topics known by name, each with its count, and how many records there are on all others.
    pub(super) fn into_parts(self) -> (Vec<(Topic, u64)>, u64) {
        (self.topics.into_iter().collect(), self.others)
    }

    /// How many there are in all.
    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        self.topics.values().sum::<u64>() + self.others
    }
}

/// How many topics are known by name. A machine has dozens; whoever puts an identifier into each topic must not
/// have us remember them all: some 150 bytes each.
pub(in super::super) const MOST_TOPICS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_topics_are_known_by_name_and_every_record_is_counted() {
        let mut census = Census::default();
        for round in 1..=2 {
            for number in 0..MOST_TOPICS + 10 {
                census.count(Topic::new(format!("t/{number}")).unwrap());
            }
            assert_eq!(census.total(), round * (MOST_TOPICS as u64 + 10));
        }
        let (topics, others) = census.into_parts();
        assert_eq!((topics.len(), others), (MOST_TOPICS, 20));
        assert!(topics.iter().all(|(_, count)| *count == 2));
    }
}
