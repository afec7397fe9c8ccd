//! What Home Assistant would show of all that was published: [`View`].

use std::collections::BTreeMap;

use super::Publish;
use super::announced::Announced;
use super::announced::MAX_STATE_CHARS;
use super::announced::Rule;
use super::announcement::{components, is_migration};
use super::record::visible;

/// The entities that Home Assistant would have made of the discovery payloads it was fed with, and their states.
///
/// It knows entities announced one by one (`prefix/platform/[node/]object/config`) or with their device
/// (`prefix/device/[node/]object/config`), availability, and of sensors and binary sensors units, precision, options; of
/// others it shows what they tell. It does not evaluate templates and does not let states expire. What Home Assistant
/// would refuse is listed as a problem.
#[derive(Debug)]
pub struct View {
    prefix: String,
    /// By platform and ids, as Home Assistant tells them apart.
    entities: BTreeMap<String, Announced>,
    /// The last payload of each topic that an entity listens to, or that an entity to come would get as retained;
    /// with a number that grows with each, so that the latest can be told.
    payloads: BTreeMap<String, (u64, String)>,
    count: u64,
    /// By topic; a better payload on the topic ends its problem.
    problems: BTreeMap<String, String>,
}

/// An entity as one line of the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The entity's name, without its device's.
    pub entity: String,
    /// What is shown as its state, rounded as announced; `unavailable`, `unknown`, `on` and `off` in lower case.
    pub state: String,
    /// The unit of measurement, or nothing.
    pub unit: String,
    /// The name of its device, or nothing.
    pub device: String,
}

impl View {
    /// The view of a Home Assistant that has seen nothing yet and listens under `discovery_prefix`
    /// (usually `homeassistant`).
    pub fn new(discovery_prefix: &str) -> View {
        View {
            prefix: format!("{discovery_prefix}/"),
            entities: BTreeMap::new(),
            payloads: BTreeMap::new(),
            count: 0,
            problems: BTreeMap::new(),
        }
    }

    /// Takes note of a message. Any bytes will do.
    pub fn update(&mut self, publish: &Publish) {
        let topic = publish.topic.as_str();
        let payload = String::from_utf8_lossy(&publish.payload);
        let levels = topic.strip_prefix(&self.prefix).and_then(|it| it.strip_suffix("/config"));
        let verdict = match levels {
            Some(levels) => self.announce(topic, levels, &payload),
            None => self.note(topic, &payload, publish.retain),
        };
        match verdict {
            Ok(()) => drop(self.problems.remove(topic)),
            Err(problem) if self.problems.len() < MAX_TOPICS => {
                self.problems.insert(topic.to_owned(), problem);
            }
            Err(_) => {}
        }
    }

    /// The entities, ordered by device and name.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.entities.values().map(|it| self.row(it)).collect();
        rows.sort_by(|a, b| (&a.device, &a.entity).cmp(&(&b.device, &b.entity)));
        rows
    }

    /// What Home Assistant would complain about: topic and complaint, by topic.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        self.problems.iter().map(|(topic, problem)| (topic.as_str(), problem.as_str()))
    }

    /// All entities as a table, and under it the problems, if there are any. Ends with a line break.
    pub fn table(&self) -> String {
        let title = ["Entity", "State", "Unit", "Device"].map(str::to_owned);
        let rows = self.rows().into_iter().map(|it| [it.entity, it.state, it.unit, it.device].map(cell));
        let lines: Vec<[String; 4]> = std::iter::once(title).chain(rows).collect();
        let width = |column: usize| lines.iter().map(|it| it[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        let mut table = String::new();
        for line in &lines {
            let cells = line.iter().zip(widths).map(|(text, width)| format!("{text:width$}"));
            table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            table.push('\n');
        }
        for (topic, problem) in self.problems() {
            table.push_str(&format!("! {}: {}\n", visible(topic), visible(problem)));
        }
        table
    }

    /// Entities are announced, announced anew, or removed. Of several that Home Assistant would not take the first one's
    /// problem is said.
    fn announce(&mut self, topic: &str, levels: &str, payload: &str) -> Result<(), String> {
        if payload.is_empty() || is_migration(payload) {
            self.entities.retain(|_, it| it.announced_on != topic);
            return Ok(());
        }
        let mut verdict = Ok(());
        for component in components(topic, levels, payload)? {
            let taken = component.and_then(|(id, entity)| self.take(topic, id, entity));
            verdict = verdict.and(taken);
        }
        verdict
    }

    /// The entity `id` is `entity` from now on, or there is none.
    fn take(&mut self, topic: &str, id: String, entity: Option<Announced>) -> Result<(), String> {
        if let Some(known) = self.entities.get(&id).filter(|it| it.announced_on != topic) {
            return Err(format!("expected it on {}, where it is announced already", known.announced_on));
        }
        let Some(entity) = entity else {
            self.entities.remove(&id);
            return Ok(());
        };
        let same = |(other, it): (&String, &Announced)| *other != id && it.is_same_as(&entity);
        if self.entities.iter().any(same) {
            return Err("expected a unique_id that no other entity has".to_owned());
        }
        if self.entities.len() >= MAX_TOPICS && !self.entities.contains_key(&id) {
            return Err(format!("expected at most {MAX_TOPICS} entities"));
        }
        self.entities.insert(id, entity);
        Ok(())
    }

    /// A message that is no announcement: a state, an availability, or nobody's.
    fn note(&mut self, topic: &str, payload: &str, retain: bool) -> Result<(), String> {
        let of_state = self.entities.values().filter(|it| it.state_topic == topic);
        let listened =
            of_state.clone().next().is_some() || self.entities.values().any(|it| it.waits_for(topic));
        if payload.is_empty() || !(listened || retain && payload.chars().count() <= MAX_STATE_CHARS) {
            return Ok(());
        }
        for entity in of_state {
            entity.state(payload)?;
        }
        if self.payloads.len() < MAX_TOPICS || self.payloads.contains_key(topic) {
            self.count += 1;
            self.payloads.insert(topic.to_owned(), (self.count, payload.to_owned()));
        }
        Ok(())
    }

    fn row(&self, entity: &Announced) -> Row {
        let state = match self.payloads.get(&entity.state_topic) {
            _ if !self.is_available(entity) => "unavailable".to_owned(),
            // A payload from before the announcement may be none for this entity.
            Some((_, payload)) => entity.state(payload).unwrap_or_else(|_| "unknown".to_owned()),
            None => "unknown".to_owned(),
        };
        let (unit, device) = (entity.unit.clone(), entity.device.clone());
        Row { entity: entity.name.clone(), state, unit, device }
    }

    fn is_available(&self, entity: &Announced) -> bool {
        // When each topic last said yes or no: another payload than those two says nothing.
        let said = |it: &super::announced::Availability| {
            let (count, payload) = self.payloads.get(&it.topic)?;
            match payload {
                payload if *payload == it.online => Some((*count, true)),
                payload if *payload == it.offline => Some((*count, false)),
                _ => None,
            }
        };
        let mut answers = entity.availability.iter().map(said);
        match entity.rule {
            _ if entity.availability.is_empty() => true,
            Rule::All => answers.all(|it| it.is_some_and(|(_, online)| online)),
            Rule::Any => answers.any(|it| it.is_some_and(|(_, online)| online)),
            Rule::Latest => answers.flatten().max().is_some_and(|(_, online)| online),
        }
    }
}

/// `text` fit for a cell of the table.
fn cell(text: String) -> String {
    let text = visible(&text);
    match text.char_indices().nth(MAX_CELL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Longer texts would push the table off the screen.
const MAX_CELL_CHARS: usize = 60;
/// Of each kind: a mock that runs for weeks keeps its size.
const MAX_TOPICS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Message;
    use crate::model::Qos;
    use crate::model::Topic;

    const CPU: &str = r#"{"name":"CPU temperature","unique_id":"pi_cpu","state_topic":"luigi/pi/cpu",
        "unit_of_measurement":"°C","suggested_display_precision":1,"availability_topic":"luigi/pi/availability",
        "device":{"identifiers":["pi"],"name":"Küche"}}"#;
    const DOOR: &str = r#"{"name":"Door","uniq_id":"pi_door","stat_t":"luigi/pi/door","dev":{"name":"Küche"},
        "avty":[{"t":"luigi/pi/availability"}]}"#;
    const CPU_TOPIC: &str = "homeassistant/sensor/pi/cpu/config";
    const DOOR_TOPIC: &str = "homeassistant/binary_sensor/pi/door/config";
    const ONLINE: (&str, &str) = ("luigi/pi/availability", "online");

    /// A view that has seen `published`, all of it retained but what begins with `~`.
    fn view(published: &[(&str, &str)]) -> View {
        let mut view = View::new("homeassistant");
        for (topic, payload) in published {
            let fleeting = topic.strip_prefix('~');
            let topic = Topic::new(fleeting.unwrap_or(topic)).unwrap();
            let message = Message::retained(topic, payload.as_bytes(), Qos::AtLeastOnce);
            view.update(&Publish::new("pi", &Message { retain: fleeting.is_none(), ..message }, false));
        }
        view
    }

    #[track_caller]
    fn check_states(published: &[(&str, &str)], expected: &[&str]) {
        let view = view(published);
        assert_eq!(view.rows().into_iter().map(|it| it.state).collect::<Vec<_>>(), expected);
        assert_eq!(view.problems().count(), 0, "{}", view.table());
    }

    #[track_caller]
    fn check_problem(published: &[(&str, &str)], topic: &str, problem: &str) {
        assert_eq!(view(published).problems().collect::<Vec<_>>(), [(topic, problem)]);
    }

    #[test]
    fn the_table_is_aligned_and_ordered_and_shows_problems() {
        let published = [
            ("homeassistant/sensor/pi/bad/config", "{"),
            (DOOR_TOPIC, DOOR),
            (CPU_TOPIC, CPU),
            ONLINE,
            ("luigi/pi/door", "ON"),
            ("luigi/pi/cpu", "48.26"),
        ];
        let expected = "\
Entity           State  Unit  Device
CPU temperature  48.3   °C    Küche
Door             on           Küche
! homeassistant/sensor/pi/bad/config: expected a JSON object: EOF while parsing an object at line 1 column 1
";
        assert_eq!(view(&published).table(), expected);
        assert_eq!(View::new("homeassistant").table(), "Entity  State  Unit  Device\n");
    }

    #[test]
    fn an_entity_is_unavailable_until_online_and_unknown_until_a_state() {
        check_states(&[(CPU_TOPIC, CPU)], &["unavailable"]);
        check_states(&[(CPU_TOPIC, CPU), ("luigi/pi/cpu", "48")], &["unavailable"]);
        check_states(&[(CPU_TOPIC, CPU), ONLINE], &["unknown"]);
        check_states(&[(CPU_TOPIC, CPU), ONLINE, ("luigi/pi/cpu", "48")], &["48.0"]);
        check_states(
            &[(CPU_TOPIC, CPU), ONLINE, ("luigi/pi/cpu", "48"), (ONLINE.0, "offline")],
            &["unavailable"],
        );
    }

    #[test]
    fn what_was_said_before_the_announcement_counts_if_it_was_retained() {
        check_states(&[ONLINE, ("luigi/pi/cpu", "48"), (CPU_TOPIC, CPU)], &["48.0"]);
        check_states(&[ONLINE, ("~luigi/pi/cpu", "48"), (CPU_TOPIC, CPU)], &["unknown"]);
        check_states(&[ONLINE, (CPU_TOPIC, CPU), ("~luigi/pi/cpu", "48")], &["48.0"]);
    }

    #[test]
    fn none_is_unknown_and_an_empty_payload_changes_nothing() {
        let seen = |payload| [(CPU_TOPIC, CPU), ONLINE, ("luigi/pi/cpu", "48.2"), ("luigi/pi/cpu", payload)];
        check_states(&seen("None"), &["unknown"]);
        check_states(&seen(""), &["48.2"]);
    }

    #[test]
    fn an_empty_announcement_removes_the_entity() {
        check_states(&[(CPU_TOPIC, CPU), (DOOR_TOPIC, DOOR), (CPU_TOPIC, "")], &["unavailable"]);
        assert!(view(&[(CPU_TOPIC, CPU), (CPU_TOPIC, "")]).rows().is_empty());
    }

    #[test]
    fn a_device_in_one_message_is_shown_like_entities_of_their_own() {
        let of = |components: &str| {
            format!(
                r#"{{"dev":{{"ids":["pi"],"name":"Küche"}},"o":{{"name":"luigi"}},
                "avty":[{{"t":"luigi/pi/availability"}}],"cmps":{{{components}}}}}"#
            )
        };
        let door =
            r#""door":{"p":"binary_sensor","uniq_id":"pi_door","name":"Door","stat_t":"luigi/pi/door"}"#;
        let cpu = r#""cpu":{"p":"sensor","uniq_id":"pi_cpu","name":"CPU","stat_t":"luigi/pi/cpu"}"#;
        let both = of(&format!("{cpu},{door}"));
        let removed = of(&format!(r#"{{"p":"sensor"}},{door}"#).replacen('{', r#""cpu":{"#, 1));
        let (topic, left_out) = ("homeassistant/device/pi/config", of(door));
        let states = [ONLINE, ("luigi/pi/cpu", "48"), ("luigi/pi/door", "ON")];
        let seen = |more: &[(&'static str, &str)]| {
            let published = [&states[..], &[(topic, both.as_str())], more].concat();
            view(&published).rows().into_iter().map(|it| it.state).collect::<Vec<_>>()
        };
        assert_eq!(seen(&[]), ["48", "on"]);
        assert_eq!(seen(&[(topic, left_out.as_str())]), ["48", "on"], "left out is not removed");
        assert_eq!(seen(&[(topic, removed.as_str())]), ["on"]);
        assert_eq!(seen(&[(topic, "")]), Vec::<String>::new());

        let migrate = r#"{"migrate_discovery":true}"#;
        let one_by_one = [(CPU_TOPIC, CPU), ONLINE, ("luigi/pi/cpu", "48")];
        let cpu_only = of(cpu);
        let refused = [&one_by_one[..], &[(topic, cpu_only.as_str())]].concat();
        check_problem(&refused, topic, &format!("expected it on {CPU_TOPIC}, where it is announced already"));
        let moved = [(CPU_TOPIC, migrate), (topic, cpu_only.as_str()), (CPU_TOPIC, "")];
        check_states(&[&one_by_one[..], &moved].concat(), &["48"]);
    }

    #[test]
    fn a_better_payload_ends_the_problem() {
        let bad = [(CPU_TOPIC, "null"), (CPU_TOPIC, CPU), ONLINE, ("luigi/pi/cpu", "warm")];
        check_problem(&bad, "luigi/pi/cpu", "expected a finite number, found \"warm\"");
        check_states(&[&bad[..], &[("luigi/pi/cpu", "20")]].concat(), &["20.0"]);
    }

    #[test]
    fn a_bad_state_leaves_the_one_before_it() {
        let view = view(&[(CPU_TOPIC, CPU), ONLINE, ("luigi/pi/cpu", "20"), ("luigi/pi/cpu", "NaN")]);
        assert_eq!(view.rows()[0].state, "20.0");
    }

    #[test]
    fn a_unique_id_used_twice_is_a_problem() {
        let second = "homeassistant/sensor/pi/other/config";
        check_problem(
            &[(CPU_TOPIC, CPU), (second, CPU)],
            second,
            "expected a unique_id that no other entity has",
        );
        check_states(&[(CPU_TOPIC, CPU), (CPU_TOPIC, CPU)], &["unavailable"]);
    }

    #[test]
    fn availability_from_several_topics_follows_its_mode() {
        for (mode, on_then_off, off_then_on, one_only) in [
            ("all", "unavailable", "unavailable", "unavailable"),
            ("any", "unknown", "unknown", "unknown"),
            ("latest", "unavailable", "unknown", "unknown"),
        ] {
            let config = format!(
                r#"{{"state_topic":"s","availability":[{{"topic":"a"}},{{"topic":"b","payload_available":"up",
                "payload_not_available":"down"}}],"availability_mode":"{mode}"}}"#
            );
            let config = ("homeassistant/sensor/x/config", config.as_str());
            check_states(&[config, ("a", "online"), ("b", "down")], &[on_then_off]);
            check_states(&[config, ("b", "down"), ("a", "online")], &[off_then_on]);
            check_states(&[config, ("a", "online"), ("b", "?")], &[one_only]);
        }
    }

    #[test]
    fn a_long_state_does_not_push_the_table_off_the_screen() {
        let config = ("homeassistant/sensor/x/config", r#"{"state_topic":"s","name":"a\nb"}"#);
        let table = view(&[config, ("s", &"ü".repeat(61))]).table();
        assert_eq!(table.lines().last().unwrap(), format!("a\\nb    {}…", "ü".repeat(60)));
    }

    #[test]
    fn a_view_keeps_its_size() {
        let mut published = vec![(CPU_TOPIC.to_owned(), CPU.to_owned())];
        for count in 0..1_100 {
            let config = format!(r#"{{"state_topic":"s{count}"}}"#);
            published.push((format!("homeassistant/sensor/x{count}/config"), config));
            published.push((format!("s{count}"), "1".to_owned()));
            published.push((format!("homeassistant/sensor/bad{count}/config"), "bad".to_owned()));
        }
        published.push(("s1".to_owned(), "2".to_owned()));
        let published: Vec<_> = published.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let view = view(&published);
        assert_eq!((view.entities.len(), view.payloads.len(), view.problems.len()), (1_000, 1_000, 1_000));
        assert_eq!(view.payloads["s1"].1, "2", "what is known is kept up to date");
    }

    #[test]
    fn no_payload_whatever_makes_the_view_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut view = View::new("homeassistant");
        for _ in 0..20_000 {
            let (topic, payload) =
                [(CPU_TOPIC, CPU), (DOOR_TOPIC, DOOR), ONLINE, ("luigi/pi/cpu", "48.2")][random.usize(..4)];
            let mut payload = payload.as_bytes().to_vec();
            for _ in 0..random.usize(..3) {
                let at = random.usize(..payload.len());
                payload[at] = random.u8(..);
            }
            payload.truncate(random.usize(..=payload.len() * 3));
            let message = Message::retained(Topic::new(topic).unwrap(), payload, Qos::AtMostOnce);
            view.update(&Publish::new("x", &message, false));
            assert!(view.table().lines().count() > view.rows().len());
        }
    }
}
