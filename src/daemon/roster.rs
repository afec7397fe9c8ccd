//! Who is announced, and by whom it is asked for: [`Roster`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::bridge::Presence;
use crate::command;
use crate::config::Config;
use crate::config::Declared;
use crate::config::Feed;
use crate::config::HostSensor;
use crate::descriptor;
use crate::entity::Device;
use crate::entity::Entity;
use crate::ledger;
use crate::ledger::Ledger;
use crate::ledger::Record;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;
use crate::source;
use crate::source::Polled;
use crate::source::host;

use super::registrar::Kept;

/// Everything that the configuration, and the folders that it names, have announced at the start.
pub(crate) struct Roster {
    /// Where values come from that have to be asked for.
    pub polled: Vec<Polled>,
    /// Each entity with its owner: who has it announced. See [`Owners`].
    pub members: Vec<(String, Entity)>,
    /// Those of them that descriptors describe.
    pub described: Vec<(String, Entity)>,
    /// What is wrong with single descriptors, as sentences: the others are fine. Whoever follows them logs it.
    pub problems: Vec<String>,
}

/// Two that want the same id on this device. The program ends: it would have to guess which is meant.
#[derive(Debug)]
pub struct Clash {
    id: ObjectId,
    owners: [String; 2],
}

impl Roster {
    /// What `config` has announced as parts of `device`, whose own figures are `health`. Reads the machine's small files:
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// [`Clash`], where a section wants what `[Host]` has, or what a section for all thermometers may find.
    pub(crate) fn gather(config: &Config, health: &Health, device: &Device) -> Result<Roster, Clash> {
        let (owners, mut members) = (Owners(config), Members::default());
        let mut polled = Vec::new();
        for (sensor, it) in host::sources(&config.host, health) {
            it.entities().try_for_each(|entity| members.add(Owners::host(sensor), entity))?;
            polled.push(it);
        }
        for it in config.declared.iter().filter(|it| !is_pattern(it)) {
            // Not there now, perhaps, but sooner or later.
            if let Some(all) = config.declared.iter().find(|all| is_made_of(all, it.entity.id())) {
                let owners = [&all.section, &it.section].map(String::clone);
                return Err(Clash { id: it.entity.id().clone(), owners });
            }
            members.add(it.section.clone(), it.entity.clone())?;
        }
        for it in source::sources(&config.declared, &config.host.root) {
            for entity in it.source.entities() {
                if !members.has(entity.id()) {
                    members.add(owners.of(entity.id()).unwrap_or_default().to_owned(), entity.clone())?;
                }
            }
            polled.push(it);
        }
        if config.declared.iter().any(|it| it.output.is_some()) {
            members.add(COMMANDS.to_owned(), command::failure_entity())?;
        }
        let (mut described, mut problems) = (Vec::new(), Vec::new());
        if let Some(folder) = &config.discovery.sensors_dir {
            let (found, broken) = descriptor::read_all(folder, &config.discovery.modules_dir, device);
            problems.extend(broken);
            for (owner, entity) in found {
                // The neighbour's file must not keep us from starting.
                match members.add(owner.clone(), entity.clone()) {
                    Ok(()) => described.push((owner, entity)),
                    Err(clash) => problems.push(clash.to_string()),
                }
            }
        }
        Ok(Roster { polled, members: members.list, described, problems })
    }

    /// Adds `entities`, which producers have registered for good. A section or a descriptor goes before a producer: what has
    /// the id of one is left out, and told as a problem.
    pub(crate) fn add_registered(&mut self, entities: impl IntoIterator<Item = Entity>) -> Vec<String> {
        let mut problems = Vec::new();
        for entity in entities {
            match self.members.iter().find(|(_, it)| it.id() == entity.id()) {
                None => self.members.push((PRODUCERS.to_owned(), entity)),
                Some((owner, _)) => problems.push(format!(
                    "\"{}\", which a program has registered, is that of [{owner}] now",
                    entity.id()
                )),
            }
        }
        problems
    }

    /// What is to be remembered of its members, where they are announced as `presence` says.
    pub(crate) fn records(&self, presence: &Presence) -> Vec<Record> {
        self.members.iter().map(|(owner, entity)| record(owner, entity, presence)).collect()
    }

    /// The entities alone.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.members.iter().map(|(_, entity)| entity)
    }
}

/// The ledger of this machine, under the name that it has now. Reads a small file.
pub(crate) fn ledger_of(config: &Config, presence: &Presence) -> Ledger {
    let machine = ledger::machine(&config.host.root);
    Ledger::open(&config.spool.directory, &machine, presence.topics.node())
}

/// The entities that producers have registered for good, on `device` or below it, as the daemon finds them at its start. Blocks
/// for the card.
pub(crate) fn registered(config: &Config, device: &Device) -> Vec<Entity> {
    Kept::open(&config.spool.directory).entities(device)
}

/// What is to be remembered of `entity`, which `owner` has announced as `presence` says.
pub(crate) fn record(owner: &str, entity: &Entity, presence: &Presence) -> Record {
    let id = entity.id();
    Record {
        config: presence.announced_on(entity),
        form: presence.form,
        owner: owner.to_owned(),
        since: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        entity: id.clone(),
        platform: entity.platform().as_str().to_owned(),
        unique_id: presence.topics.unique_id(id),
        retained: presence.told_on(entity),
    }
}

/// What says that the entities are not available that producers had announced in an earlier run, as `ledger` has it, and that
/// are not `wanted` yet: to be told before the device is said to be online. Of those that have no availability of their own
/// nothing can be said.
pub(crate) fn absences(ledger: &Ledger, wanted: &[Record], presence: &Presence) -> Vec<Message> {
    let is_there = |known: &Record| wanted.iter().any(|it| it.entity == known.entity);
    let absent = ledger.records().filter(|it| it.owner == PRODUCERS && !is_there(it));
    let topics = absent.filter_map(|it| {
        let topic = presence.topics.entity_availability(&it.entity);
        it.retained.contains(&topic).then_some(topic)
    });
    topics.map(|topic| Message::retained(topic, *b"offline", presence.qos)).collect()
}

/// Who may have entities announced: a section (`Sensor attic`), a reading of the machine (`Host wifi`), a descriptor
/// (`descriptor attic.json`), programs through the socket ([`PRODUCERS`]), or our own part that carries out commands.
#[derive(Clone, Copy)]
pub(crate) struct Owners<'c>(pub(crate) &'c Config);

impl Owners<'_> {
    /// Whether the owner of `record` may have it again though it is not there now, so that it stays announced: that of a
    /// thermometer that does not answer, of an adapter that is not plugged in, of a descriptor that cannot be read, of a
    /// program that may come back.
    pub(crate) fn may_have(self, record: &Record) -> bool {
        let (Owners(config), Record { owner, entity, .. }) = (self, record);
        let is_unread = |folder: &PathBuf| descriptor::is_unreadable(folder, owner);
        config.declared.iter().any(|it| it.section == *owner && is_made_of(it, entity))
            || config.host.sensors.iter().any(|it| Owners::host(it.sensor) == *owner)
            || config.discovery.sensors_dir.as_ref().is_some_and(is_unread)
            || config.socket.enabled && owner == PRODUCERS
    }

    /// Who has the entity `id` announced, where that is a section.
    pub(crate) fn of(&self, id: &ObjectId) -> Option<&str> {
        let found_by = |it: &Declared| it.entity.id() == id || is_made_of(it, id);
        self.0.declared.iter().find(|it| found_by(it)).map(|it| it.section.as_str())
    }

    fn host(sensor: HostSensor) -> String {
        host::owner(sensor)
    }
}

/// The members so far.
#[derive(Default)]
struct Members {
    list: Vec<(String, Entity)>,
    by_id: BTreeMap<ObjectId, usize>,
}

impl Members {
    fn add(&mut self, owner: String, entity: Entity) -> Result<(), Clash> {
        let id = entity.id().clone();
        if let Some(first) = self.by_id.get(&id) {
            return Err(Clash { id, owners: [self.list[*first].0.clone(), owner] });
        }
        self.by_id.insert(id, self.list.len());
        self.list.push((owner, entity));
        Ok(())
    }

    fn has(&self, id: &ObjectId) -> bool {
        self.by_id.contains_key(id)
    }
}

/// Whether it stands for entities that are found while we run.
fn is_pattern(declared: &Declared) -> bool {
    declared.input.as_ref().is_some_and(|it| matches!(it.feed, Feed::W1 { device: None }))
}

/// Whether `id` is that of an entity which `declared` may find while we run.
fn is_made_of(declared: &Declared, id: &ObjectId) -> bool {
    is_pattern(declared) && source::is_thermometer_of(declared.entity.id(), id)
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Clash { id, owners: [first, second] } = self;
        write!(f, "[{second}]: expected an id of its own, found \"{id}\", which is that of [{first}]")
    }
}

impl std::error::Error for Clash {}

/// The owner of what programs have registered through the socket.
pub(crate) const PRODUCERS: &str = "socket";
/// The owner of what tells of commands that failed.
pub(crate) const COMMANDS: &str = "Commands";

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::client;
    use crate::config::Environment;

    /// A machine with `files` below its root.
    fn machine(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn configured(root: &TempDir, text: &str) -> Config {
        let text = format!("{text}\n[Discovery]\nSENSORS_DIR=/sensors\n");
        Config::parse(text.as_bytes(), &Environment::new("pi", root.path())).unwrap()
    }

    fn gathered(config: &Config) -> Result<Roster, Clash> {
        Roster::gather(config, &Health::default(), &client::presence(config).unwrap().device)
    }

    #[test]
    fn each_entity_has_the_owner_who_has_it_announced() {
        let root = machine(&[
            ("proc/loadavg", "0.08 0.03 0.01 1/91 1234\n"),
            ("sys/bus/w1/devices/28-00000a1b2c3d/w1_slave", ""),
            (
                "sensors/mario.json",
                r#"{"sensor_id":"mario","name":"Motion","module":"mario","device_class":"motion"}"#,
            ),
        ]);
        let text = "[Host]\nSENSORS=load\n[Sensor tank]\nTEMPLATE=ds18b20\n[Switch pump]\nPATH=/pump\n";
        let config = configured(&root, text);
        let roster = gathered(&config).unwrap();
        let members = roster.members.iter().map(|(owner, it)| format!("{owner}: {}", it.id()));
        assert_eq!(
            members.collect::<Vec<_>>(),
            [
                "Host load: load_1m",
                "Host load: load_5m",
                "Host load: load_15m",
                "Switch pump: pump",
                "Sensor tank: tank_00000a1b2c3d",
                "Commands: command_failed",
                "descriptor mario.json: mario"
            ]
        );
        assert_eq!(roster.problems, [""; 0]);
        let owners = Owners(&config);
        let presence = crate::client::presence(&config).unwrap();
        let known = record("", &roster.members[0].1, &presence);
        for (owner, id, may) in [
            ("Sensor tank", "tank_00000a1b2c4f", true),
            ("Sensor tank", "tank", false),
            ("Switch pump", "pump", false),
            ("Host load", "load_1m", true),
            ("Host uptime", "uptime", false),
            ("descriptor mario.json", "mario", false),
            ("Sensor gone", "gone", false),
        ] {
            let known =
                Record { owner: owner.to_owned(), entity: ObjectId::new(id).unwrap(), ..known.clone() };
            assert_eq!(owners.may_have(&known), may, "{owner} {id}");
        }
        for (id, owner) in [
            ("tank_00000a1b2c4f", Some("Sensor tank")),
            ("tanker", None),
            ("pump", Some("Switch pump")),
            ("pump_1", None),
        ] {
            assert_eq!(owners.of(&ObjectId::new(id).unwrap()), owner, "{id}");
        }
    }

    #[test]
    fn two_of_one_id_end_the_start_unless_the_second_is_a_neighbours() {
        let root = machine(&[("proc/loadavg", "0.08 0.03 0.01 1/91 1234\n")]);
        let config = configured(&root, "[Host]\nSENSORS=load\n[Sensor load_1m]\nPATH=/x\n");
        assert_eq!(
            gathered(&config).err().unwrap().to_string(),
            "[Sensor load_1m]: expected an id of its own, found \"load_1m\", which is that of [Host load]"
        );
        let sections = "[Sensor tank]\nDEVICE=all\n[Sensor tank_00000a1b2c3d]\nDEVICE=28-00000a1b2c3d\n";
        assert_eq!(
            gathered(&configured(&root, sections)).err().unwrap().to_string(),
            "[Sensor tank_00000a1b2c3d]: expected an id of its own, found \"tank_00000a1b2c3d\", which is that of \
             [Sensor tank]"
        );
        let root = machine(&[
            ("sensors/a.json", r#"{"sensor_id":"attic","name":"Attic","module":"m"}"#),
            ("sensors/b.json", r#"{"sensor_id":"door","name":"Door","module":"m"}"#),
        ]);
        let config = configured(&root, "[Host]\nENABLED=no\n[Sensor attic]\nPATH=/x\n");
        let roster = gathered(&config).unwrap();
        let ids: Vec<&str> = roster.entities().map(|it| it.id().as_str()).collect();
        assert_eq!(ids, ["attic", "door"]);
        assert_eq!(
            roster.problems,
            [
                "[descriptor a.json]: expected an id of its own, found \"attic\", which is that of [Sensor attic]"
            ]
        );
        assert_eq!(roster.described.len(), 1);
    }
}
