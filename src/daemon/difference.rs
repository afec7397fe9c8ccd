//! How one configuration differs from another: [`Difference`]. Pure.

use std::collections::BTreeSet;

use super::roster::COMMANDS;
use crate::config::Config;
use crate::config::Declared;
use crate::config::Discovery;
use crate::config::Host;
use crate::config::HostSensor;
use crate::config::Logging;
use crate::source;

/// What is another in a new configuration.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Difference {
    /// Sections and readings of the machine that are new: `Sensor attic`, `Host wifi`.
    pub(super) added: Vec<String>,
    /// Those that say something else.
    pub(super) changed: Vec<String>,
    /// Those that are gone.
    pub(super) removed: Vec<String>,
    /// Whose [sources](source::Polled::owner) are to end: of those and of whoever shares one with them, as it was.
    pub(super) leaving: BTreeSet<String>,
    /// Whose sources are to begin.
    pub(super) joining: BTreeSet<String>,
    /// For which sections the connection has to be made anew.
    pub(super) connection: Vec<String>,
    /// Whether descriptors are elsewhere.
    pub(super) descriptors: bool,
    /// What has no effect before a restart.
    pub(super) needs_restart: Vec<String>,
}

impl Difference {
    /// What is another in `new` than in `old`. Where something stands in the file makes no difference, but for the first of the
    /// sections that share the runs of a program.
    pub(super) fn between(old: &Config, new: &Config) -> Difference {
        let mut difference = Difference::default();
        difference.look_at_sections(&old.declared, &new.declared);
        difference.look_at_sources(&old.declared, &new.declared);
        difference.look_at_host(&old.host, &new.host);
        difference.look_at_connection(old, new);
        let folders = |it: &Discovery| (it.sensors_dir.clone(), it.modules_dir.clone());
        difference.descriptors = folders(&old.discovery) != folders(&new.discovery);
        let file = |it: &Logging| (it.file.clone(), it.max_bytes, it.backups);
        let lasting = [
            ("[Spool]", old.spool != new.spool),
            ("[Socket]", old.socket != new.socket),
            ("[Logging]", file(&old.logging) != file(&new.logging)),
        ];
        difference.needs_restart = names_of(&lasting);
        difference
    }

    /// Whether descriptors are to be read anew: they are elsewhere, or below another device.
    pub(super) fn moves_descriptors(&self) -> bool {
        self.descriptors || !self.connection.is_empty()
    }

    /// Whether what `owner` has announced may be another now. Of what has not changed nothing comes or goes by a reload, though
    /// an adapter was plugged in or out; and descriptors and programs have their entities announced by themselves.
    pub(super) fn touches(&self, owner: &str) -> bool {
        let Difference { added, changed, removed, .. } = self;
        owner == COMMANDS || [added, changed, removed].iter().any(|them| them.iter().any(|it| it == owner))
    }

    fn look_at_sections(&mut self, old: &[Declared], new: &[Declared]) {
        for it in new {
            match old.iter().find(|known| known.section == it.section) {
                None => self.added.push(it.section.clone()),
                Some(known) if !is_same(known, it) => self.changed.push(it.section.clone()),
                Some(_) => {}
            }
        }
        let is_gone = |known: &&Declared| new.iter().all(|it| it.section != known.section);
        self.removed.extend(old.iter().filter(is_gone).map(|it| it.section.clone()));
    }

    fn look_at_sources(&mut self, old: &[Declared], new: &[Declared]) {
        let (old, new) = (source::groups(old), source::groups(new));
        let is_in = |groups: &[Vec<&Declared>], group: &[&Declared]| {
            groups.iter().any(|it| {
                it.len() == group.len() && it.iter().zip(group).all(|(one, other)| is_same(one, other))
            })
        };
        let owner = |group: &Vec<&Declared>| group[0].section.clone();
        self.leaving.extend(old.iter().filter(|it| !is_in(&new, it)).map(owner));
        self.joining.extend(new.iter().filter(|it| !is_in(&old, it)).map(owner));
    }

    fn look_at_host(&mut self, old: &Host, new: &Host) {
        for it in &new.sensors {
            let name = source::host::owner(it.sensor);
            let is_disk = it.sensor == HostSensor::Disk;
            let is_moved = old.heartbeat != new.heartbeat || is_disk && old.disk_path != new.disk_path;
            match old.sensors.iter().find(|known| known.sensor == it.sensor) {
                None => self.added.push(name.clone()),
                Some(known) if known != it || is_moved => {
                    self.leaving.insert(name.clone());
                    self.changed.push(name.clone());
                }
                Some(_) => continue,
            }
            self.joining.insert(name);
        }
        for known in old.sensors.iter().filter(|known| new.sensors.iter().all(|it| it.sensor != known.sensor))
        {
            let name = source::host::owner(known.sensor);
            self.leaving.insert(name.clone());
            self.removed.push(name);
        }
    }

    fn look_at_connection(&mut self, old: &Config, new: &Config) {
        let discovery = |it: &Discovery| (it.form, it.birth_topic.clone(), it.birth_payload.clone());
        let device = |it: &Discovery| {
            (it.device_name.clone(), it.manufacturer.clone(), it.model.clone(), it.sw_version.clone())
        };
        let (before, now) = (&old.discovery, &new.discovery);
        self.connection = names_of(&[
            ("[Broker]", old.broker != new.broker),
            ("[Authentication]", old.credentials != new.credentials),
            ("[Client]", old.client != new.client),
            ("[Topics]", old.topics != new.topics),
            ("[Discovery]", discovery(before) != discovery(now)),
            ("[Device]", device(before) != device(now)),
        ]);
    }
}

/// Whether they say the same, wherever they stand.
fn is_same(one: &Declared, other: &Declared) -> bool {
    let Declared { section, place: _, entity, input, output } = one;
    (section, entity, input, output) == (&other.section, &other.entity, &other.input, &other.output)
}

fn names_of(sections: &[(&str, bool)]) -> Vec<String> {
    sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn config(text: &str) -> Config {
        let text = format!("[Host]\nSENSORS=load,disk\n{text}");
        Config::parse(text.as_bytes(), &Environment::new("pi", Path::new("/")))
            .unwrap_or_else(|it| panic!("{it}"))
    }

    /// What differs, as `what name`, in the order of the fields.
    #[track_caller]
    fn check(old: &str, new: &str, expected: &[&str]) {
        let it = Difference::between(&config(old), &config(new));
        let lists: [(&str, Vec<String>); 7] = [
            ("added", it.added),
            ("changed", it.changed),
            ("removed", it.removed),
            ("leaving", it.leaving.into_iter().collect()),
            ("joining", it.joining.into_iter().collect()),
            ("connection", it.connection),
            ("restart", it.needs_restart),
        ];
        let lines = lists.iter().flat_map(|(what, names)| names.iter().map(move |it| format!("{what} {it}")));
        let mut lines: Vec<String> = lines.collect();
        lines.extend(it.descriptors.then(|| "descriptors".to_owned()));
        assert_eq!(lines, expected, "{old:?} to {new:?}");
    }

    const A: &str = "[Sensor a]\nPATH=/a\n";
    const B: &str = "[Sensor b]\nPATH=/b\n";

    #[test]
    fn sections_come_change_and_go_and_where_they_stand_makes_no_difference() {
        check(&[A, B].concat(), &["# new\n\n", B, A].concat(), &[]);
        check(A, &[A, B].concat(), &["added Sensor b", "joining Sensor b"]);
        check(&[A, B].concat(), A, &["removed Sensor b", "leaving Sensor b"]);
        let named = "[Sensor a]\nPATH=/a\nNAME=New\n";
        check(A, named, &["changed Sensor a", "leaving Sensor a", "joining Sensor a"]);
        // Neither lines nor outputs are sources that are asked.
        check("", "[Switch p]\nLINE=GPIO4\n", &["added Switch p"]);
        check("[Switch p]\nLINE=GPIO4\n", "[Switch p]\nLINE=GPIO5\n", &["changed Switch p"]);
    }

    #[test]
    fn a_program_that_sections_share_is_another_for_all_of_them_when_it_is_for_one() {
        let shared = |id: &str| format!("[Sensor {id}]\nCOMMAND=/bin/weather\nPOINTER=/{id}\n");
        let (a, b, c) = (shared("a"), shared("b"), shared("c"));
        check(
            &[&*a, &b].concat(),
            &[&*a, &b, A.replace("[Sensor a]", "[Sensor x]").as_str()].concat(),
            &["added Sensor x", "joining Sensor x"],
        );
        let change = ["added Sensor c", "leaving Sensor a", "joining Sensor a"];
        check(&[&*a, &b].concat(), &[&*a, &b, &c].concat(), &change);
        check(&[&*a, &b].concat(), &b, &["removed Sensor a", "leaving Sensor a", "joining Sensor b"]);
    }

    #[test]
    fn readings_of_the_machine_come_change_and_go() {
        check("", "INTERVAL=7\n", &["changed Host load", "leaving Host load", "joining Host load"]);
        check("", "DISK_PATH=/home\n", &["changed Host disk", "leaving Host disk", "joining Host disk"]);
        let (old, mut new) = (config(""), config(""));
        new.host.sensors.remove(0);
        let it = Difference::between(&old, &new);
        assert_eq!((it.removed, it.joining.len()), (vec!["Host load".to_owned()], 0));
        let it = Difference::between(&new, &old);
        assert_eq!((it.added, it.leaving.len()), (vec!["Host load".to_owned()], 0));
    }

    #[test]
    fn what_the_connection_goes_by_is_named_by_its_section() {
        for (text, section) in [
            ("[Broker]\nHOST=b\n", "connection [Broker]"),
            ("[Authentication]\nUSERNAME=u\n", "connection [Authentication]"),
            ("[Client]\nCLIENT_ID=c\n", "connection [Client]"),
            ("[Topics]\nLAYOUT_PREFIX=x\n", "connection [Topics]"),
            ("[Discovery]\nFORM=device\n", "connection [Discovery]"),
            ("[Device]\nDEVICE_NAME=x\n", "connection [Device]"),
            ("[Spool]\nMODE=memory\n", "restart [Spool]"),
            ("[Socket]\nENABLED=no\n", "restart [Socket]"),
            ("[Logging]\nLOG_FILE=/x\n", "restart [Logging]"),
            ("[Discovery]\nSENSORS_DIR=/x\n", "descriptors"),
        ] {
            let it = Difference::between(&config(""), &config(text));
            let differs = [
                it.connection.first().map(|it| format!("connection {it}")),
                it.needs_restart.first().map(|it| format!("restart {it}")),
            ];
            let differs =
                differs.into_iter().flatten().chain(it.descriptors.then(|| "descriptors".to_owned()));
            assert!(differs.clone().any(|it| it == section), "{text:?}: {:?}", differs.collect::<Vec<_>>());
        }
        check("", "[Logging]\nLOG_LEVEL=debug\n", &[]);
    }
}
