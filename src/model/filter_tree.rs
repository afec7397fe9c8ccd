//! Topic filters and what belongs to them, so laid out that a topic finds its filters without trying each.

use std::collections::HashMap;
use std::slice;

use super::{Topic, TopicFilter};

/// Values by topic filter. A topic finds those of all filters that match it, as [`TopicFilter::matches`] says
/// (MQTT 3.1.1, section 4.7), in a time that depends on its levels and not on the number of filters.
///
/// A filter without wildcards costs one entry of a map, whatever its levels; one with wildcards shares the
/// beginning that it has in common with others.
#[derive(Debug)]
pub struct FilterTree<T> {
    exact: HashMap<TopicFilter, Vec<T>>,
    // Invariant: but for the root, each node has a value at or below it.
    root: Node<T>,
}

/// The values of the filters that match one topic, in no particular order.
#[derive(Debug)]
pub struct Matches<'a, T> {
    found: slice::Iter<'a, T>,
    open: Vec<Open<'a, T>>,
}

impl<T: PartialEq> FilterTree<T> {
    /// A tree without filters.
    pub fn new() -> FilterTree<T> {
        FilterTree { exact: HashMap::new(), root: Node::new() }
    }

    /// Gives `value` to `filter`, beside those that it has.
    pub fn insert(&mut self, filter: &TopicFilter, value: T) {
        if filter.has_wildcards() {
            let node = filter.as_str().split('/').fold(&mut self.root, |node, level| node.grow(level));
            push(&mut node.values, value);
        } else {
            push(self.exact.entry(filter.clone()).or_default(), value);
        }
    }

    /// Takes `value` from `filter`. Returns whether it was there.
    pub fn remove(&mut self, filter: &TopicFilter, value: &T) -> bool {
        if filter.has_wildcards() {
            return self.root.remove(filter.as_str(), value);
        }
        let Some(values) = self.exact.get_mut(filter) else { return false };
        let taken = take(values, value);
        if values.is_empty() {
            self.exact.remove(filter);
            if self.exact.len() <= self.exact.capacity() / 4 {
                self.exact.shrink_to_fit();
            }
        }
        taken
    }

    /// The values of exactly `filter`, in the order they came.
    #[cfg(test)]
    pub fn values(&self, filter: &TopicFilter) -> &[T] {
        if !filter.has_wildcards() {
            return self.exact.get(filter).map_or(&[], Vec::as_slice);
        }
        let mut levels = filter.as_str().split('/');
        let node = levels.try_fold(&self.root, |node, level| node.level(level));
        node.map_or(&[], |it| &it.values)
    }

    /// The values of all filters that match `topic`.
    pub fn matches<'a>(&'a self, topic: &'a Topic) -> Matches<'a, T> {
        // Cloning a topic is cheap, and a topic is equal to the filter of the same text.
        let exact = self.exact.get(&TopicFilter::from(topic.clone()));
        let mut matches = Matches { found: exact.map_or([].iter(), |it| it.iter()), open: Vec::new() };
        let topic = topic.as_str();
        matches.enter(&self.root, topic, !topic.starts_with('$'));
        matches
    }
}

impl<T: PartialEq> Default for FilterTree<T> {
    fn default() -> FilterTree<T> {
        FilterTree::new()
    }
}

impl<'a, T> Matches<'a, T> {
    /// Goes on at what is below `node` for the levels `rest`; wildcards stand for the first of them where `wild`.
    fn enter(&mut self, node: &'a Node<T>, rest: &'a str, wild: bool) {
        let (level, rest) = match rest.split_once('/') {
            Some((level, rest)) => (level, Some(rest)),
            None => (rest, None),
        };
        if wild {
            self.open.extend(node.level("#").map(|node| Open { node, rest: None }));
            self.open.extend(node.level("+").map(|node| Open { node, rest }));
        }
        self.open.extend(node.level(level).map(|node| Open { node, rest }));
    }
}

impl<'a, T> Iterator for Matches<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(value) = self.found.next() {
                return Some(value);
            }
            let Open { node, rest } = self.open.pop()?;
            match rest {
                Some(rest) => self.enter(node, rest, true),
                None => {
                    self.found = node.values.iter();
                    // `sport/#` is for `sport` too.
                    self.open.extend(node.level("#").map(|node| Open { node, rest: None }));
                }
            }
        }
    }
}

/// Where the search goes on: a node that the topic has reached, and its levels after that, if any.
#[derive(Debug)]
struct Open<'a, T> {
    node: &'a Node<T>,
    rest: Option<&'a str>,
}

/// One level of the filters with wildcards. `+` and `#` are levels like others here, as no topic has them.
#[derive(Debug)]
struct Node<T> {
    /// Of the filter that ends here.
    values: Vec<T>,
    /// By name, in its order: a sorted list takes the least memory, and filters are looked up more often than added.
    levels: Vec<(Box<str>, Node<T>)>,
}

impl<T> Node<T> {
    fn new() -> Node<T> {
        Node { values: Vec::new(), levels: Vec::new() }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.levels.binary_search_by(|(it, _)| (**it).cmp(name))
    }

    fn level(&self, name: &str) -> Option<&Node<T>> {
        self.position(name).ok().map(|at| &self.levels[at].1)
    }

    fn level_mut(&mut self, name: &str) -> Option<&mut Node<T>> {
        self.position(name).ok().map(|at| &mut self.levels[at].1)
    }

    /// The level `name`, made where there is none.
    fn grow(&mut self, name: &str) -> &mut Node<T> {
        let at = self.position(name).unwrap_or_else(|at| {
            if self.levels.is_empty() {
                self.levels.reserve_exact(1); // Most have one.
            }
            self.levels.insert(at, (name.into(), Node::new()));
            at
        });
        &mut self.levels[at].1
    }
}

impl<T: PartialEq> Node<T> {
    /// Takes `value` from the filter with the levels `filter` below this node, and all levels that only it had.
    fn remove(&mut self, filter: &str, value: &T) -> bool {
        let (mut node, mut stem, mut branch) = (&mut *self, 0, filter);
        let mut rest = Some(filter);
        while let Some(here) = rest {
            if node.levels.len() > 1 || !node.values.is_empty() {
                (stem, branch) = (filter.len() - here.len(), here);
            }
            let (level, below) = here.split_once('/').map_or((here, None), |(it, rest)| (it, Some(rest)));
            let Some(next) = node.level_mut(level) else { return false };
            (node, rest) = (next, below);
        }
        let taken = take(&mut node.values, value);
        if node.values.is_empty() && node.levels.is_empty() {
            let mut node = self;
            // The text up to `stem` ends in `/`, or is empty.
            for level in filter[..stem].split_terminator('/') {
                node = node.level_mut(level).expect("the way was walked a moment ago");
            }
            let name = branch.split('/').next().unwrap_or(branch);
            if let Ok(at) = node.position(name) {
                node.levels.remove(at);
                if node.levels.is_empty() {
                    node.levels = Vec::new();
                }
            }
        }
        taken
    }
}

/// One after the other: a filter may have 32,768 levels, and a thread not the stack for as many calls.
impl<T> Drop for Node<T> {
    fn drop(&mut self) {
        let mut levels = std::mem::take(&mut self.levels);
        while let Some((_, mut node)) = levels.pop() {
            levels.append(&mut node.levels);
        }
    }
}

/// Adds `value`, without room for the three more that `Vec` would make: most filters have one.
fn push<T>(values: &mut Vec<T>, value: T) {
    if values.is_empty() {
        values.reserve_exact(1);
    }
    values.push(value);
}

/// Takes the first that is equal to `value`. Returns whether there was one.
fn take<T: PartialEq>(values: &mut Vec<T>, value: &T) -> bool {
    let at = values.iter().position(|it| it == value);
    at.map(|at| values.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T: PartialEq> FilterTree<T> {
        /// Whether it holds nothing, not even memory.
        fn is_bare(&self) -> bool {
            self.exact.capacity() == 0 && self.root.values.capacity() == 0 && self.root.levels.capacity() == 0
        }
    }

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::new(text).unwrap()
    }

    /// Up to four levels of an alphabet in which wildcards, empty levels and `$` are as frequent as names.
    fn random_levels(random: &mut fastrand::Rng, alphabet: &[&str]) -> String {
        loop {
            let levels: Vec<_> =
                (0..random.usize(1..=4)).map(|_| *random.choice(alphabet).unwrap()).collect();
            let text = levels.join("/");
            if !text.is_empty() {
                return text;
            }
        }
    }

    fn check_agreement(tree: &FilterTree<usize>, filters: &[Option<TopicFilter>], topic: &Topic) {
        let expected = filters.iter().enumerate().filter_map(|(number, filter)| {
            filter.as_ref().is_some_and(|it| it.matches(topic.as_str())).then_some(number)
        });
        let mut found: Vec<usize> = tree.matches(topic).copied().collect();
        found.sort_unstable();
        assert_eq!(found, expected.collect::<Vec<_>>(), "{topic} in {filters:?}");
    }

    #[test]
    fn a_topic_finds_what_matches_it_each_once_and_after_removals_too() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..300 {
            let mut tree = FilterTree::new();
            let mut filters = Vec::new();
            while filters.len() < 30 {
                let text = random_levels(&mut random, &["a", "b", "", "$s", "+", "+", "#"]);
                let Ok(filter) = TopicFilter::new(text) else { continue };
                tree.insert(&filter, filters.len());
                filters.push(Some(filter));
            }
            let mut order: Vec<usize> = (0..filters.len()).collect();
            random.shuffle(&mut order);
            for number in order {
                for _ in 0..10 {
                    let topic = random_levels(&mut random, &["a", "b", "", "$s", "c"]);
                    check_agreement(&tree, &filters, &Topic::new(topic).unwrap());
                }
                let filter = filters[number].take().unwrap();
                assert!(tree.values(&filter).contains(&number));
                assert!(tree.remove(&filter, &number));
                assert!(!tree.values(&filter).contains(&number));
                assert!(!tree.remove(&filter, &number));
            }
            assert!(tree.is_bare(), "{tree:?}");
        }
    }

    #[test]
    fn a_filter_that_is_part_of_another_is_another() {
        let mut tree = FilterTree::new();
        tree.insert(&filter("a/+/b"), 1);
        assert_eq!(tree.values(&filter("a/+")), &[] as &[i32]);
        assert!(!tree.remove(&filter("a/+"), &1));
        assert!(!tree.remove(&filter("a/+/b/#"), &1));
        assert_eq!(tree.values(&filter("a/+/b")), &[1]);
    }

    #[test]
    fn the_deepest_filter_needs_no_stack() {
        let deep = |level: &str| [level; 32_000].join("/");
        let (wild, topic) = (filter(&deep("+")), Topic::new(deep("a")).unwrap());
        let mut tree = FilterTree::new();
        tree.insert(&wild, 1);
        assert_eq!(tree.matches(&topic).count(), 1);
        assert!(tree.remove(&wild, &1));
        assert!(tree.is_bare());
        tree.insert(&wild, 2);
    }
}
