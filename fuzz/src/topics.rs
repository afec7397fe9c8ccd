//! Topic filters match as MQTT says, one by one and all together.
//!
//! The input is a line with a topic, and a line for each filter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::model::{FilterTree, Topic, TopicFilter};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some(Ok(topic)) = lines.next().map(Topic::new) else { return };
    let levels: Vec<&str> = topic.as_str().split('/').collect();
    let filters: Vec<_> = lines.filter_map(|it| TopicFilter::new(it).ok()).take(MOST_FILTERS).collect();

    let mut tree = FilterTree::new();
    let mut matching = Vec::new();
    for (number, filter) in filters.iter().enumerate() {
        tree.insert(filter, number);
        let expected = says_the_standard(&filter.as_str().split('/').collect::<Vec<_>>(), &levels);
        assert_eq!(filter.matches(topic.as_str()), expected, "{filter} and {topic}");
        if expected {
            matching.push(number);
        }
    }
    let found = |tree: &FilterTree<usize>| {
        let mut found: Vec<_> = tree.matches(&topic).copied().collect();
        found.sort_unstable();
        found
    };
    assert_eq!(found(&tree), matching);

    // Every second one goes, and the others stay.
    for (number, filter) in filters.iter().enumerate().step_by(2) {
        assert!(tree.remove(filter, &number) && !tree.remove(filter, &number), "{filter}");
    }
    matching.retain(|number| number % 2 == 1);
    assert_eq!(found(&tree), matching);
});

/// MQTT 3.1.1, section 4.7, sentence by sentence and without a thought for speed.
fn says_the_standard(filter: &[&str], topic: &[&str]) -> bool {
    let wild = matches!(filter.first(), Some(&("+" | "#")));
    let of_the_broker = topic.first().is_some_and(|it| it.starts_with('$'));
    !(wild && of_the_broker) && matches_below(filter, topic)
}

fn matches_below(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        ([], []) => true,
        // The parent level, and any number of levels below it.
        (["#"], _) => true,
        (["+", filter @ ..], [_, topic @ ..]) => matches_below(filter, topic),
        ([same, filter @ ..], [level, topic @ ..]) => same == level && matches_below(filter, topic),
        _ => false,
    }
}

/// Enough for every kind of overlap.
const MOST_FILTERS: usize = 64;
