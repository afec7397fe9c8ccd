//! The ledger: what was announced, remembered over restarts, so that it can be removed when nobody wants it any more.
//!
//! A broker keeps what is retained, and Home Assistant what it has read, whether or not the one who announced it is
//! still there. So everything is written down before it is announced ([`Ledger::intend`]), and forgotten only after what
//! takes it back was acknowledged ([`Ledger::settle`]). [`Ledger::plan`] says what that is. Wherever a start is cut off,
//! the next one plans again from what is written then, and ends where the first would have.

mod fate;
mod file;
mod lock;
mod machine;
mod payload;
mod plan;
mod record;
#[cfg(test)]
mod tests;

pub use machine::machine;
pub use plan::Plan;
pub use record::Record;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::model::ObjectId;
use crate::model::Topic;

use fate::{Fate, Wishes};
use file::Refusal;
use lock::Lock;
use record::Place;

/// What was announced and may still be in Home Assistant.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    known: Known,
    /// What the file says, as far as we know.
    written: Option<Known>,
    access: Access,
    problem: Option<String>,
    is_forbidden: bool,
    /// What the file is called from when it is written anew on, after its name: it is not lost.
    aside: Option<&'static str>,
}

/// What may be done with the file.
#[derive(Debug)]
enum Access {
    /// It may be written. The lock is there as soon as the folder is.
    Write(Option<Lock>),
    /// Another process of ours has it.
    InUse,
    /// It cannot be read, or is of a newer version, or is only to be looked at: it is left alone.
    Refused,
}

/// What the file says.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Known {
    machine: String,
    /// What the machine is called now; the topics have it.
    node: ObjectId,
    /// What it was called at the first start; the unique ids have it.
    identity: Option<ObjectId>,
    entries: BTreeMap<Place, Entry>,
}

/// A record, and how sure we are of it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    record: Record,
    /// Home Assistant may have it in its registry without having it loaded: then it takes no removal. So it is while an entity
    /// is announced elsewhere, and where a device's announcement leaves it out for now.
    adrift: bool,
}

impl Ledger {
    /// The ledger in the folder `directory` of the machine `machine` ([`machine()`]), which is called `node` now.
    ///
    /// What cannot be used is left alone (of a newer version, not readable), or set aside as soon as there is something to
    /// write (damaged: `ledger.json.damaged`; of another machine, with another name, whose card this one's is a copy of:
    /// `ledger.json.foreign`): the ledger is empty then, and [`Ledger::problem`] says why. One that another process has in
    /// use is read, and never written. Reads a file of 4 MiB at most.
    pub fn open(directory: &Path, machine: &str, node: &ObjectId) -> Ledger {
        let access = match Lock::take(directory) {
            Ok(None) => Access::InUse,
            Ok(lock) => Access::Write(lock),
            Err(_) => Access::Write(None), // Whatever it is comes up again where it is written.
        };
        Ledger::with(access, directory, machine, node)
    }

    /// The same to be looked at only: it is never written, and whoever wants to write it is not in the least kept from that.
    pub fn look(directory: &Path, machine: &str, node: &ObjectId) -> Ledger {
        Ledger::with(Access::Refused, directory, machine, node)
    }

    fn with(mut access: Access, directory: &Path, machine: &str, node: &ObjectId) -> Ledger {
        let path = directory.join("ledger.json");
        let new = Known {
            machine: machine.to_owned(),
            node: node.clone(),
            identity: None,
            entries: BTreeMap::new(),
        };
        let (mut known, mut written, mut problem, mut aside) = (new, None, None, None);
        let mut is_forbidden = false;
        match file::read(&path) {
            Ok(None) => {}
            Ok(Some(found)) if found.is_of_another(&known) => {
                let (path, Known { machine, node, .. }) = (path.display(), found);
                problem = Some(format!(
                    "{path} is of another machine, {node} with the serial number {machine}: what that one announced is left alone"
                ));
                aside = Some("foreign");
            }
            Ok(Some(found)) => {
                known = Known { machine: known.machine, node: known.node, ..found.clone() };
                written = Some(found);
            }
            Err(refusal) => {
                problem =
                    Some(format!("{refusal}: what it knew is not removed when nobody wants it any more"));
                is_forbidden = refusal.is_forbidden();
                match refusal {
                    Refusal::Damaged { .. } => aside = Some("damaged"),
                    _ => access = Access::Refused,
                }
            }
        }
        Ledger { path, known, written, access, problem, is_forbidden, aside }
    }

    /// Why what the file says is not known, as a sentence; `None` where it is.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether the user of this process is not permitted to know what it says, nor what else is in its folder.
    pub fn is_forbidden(&self) -> bool {
        self.is_forbidden
    }

    /// Whether another process has it: the daemon, or one that does what the daemon would. It is not written then.
    pub fn is_in_use(&self) -> bool {
        matches!(self.access, Access::InUse)
    }

    /// What the unique ids of the entities begin with: the node at the first start. `None` where nothing is known.
    pub fn identity(&self) -> Option<&ObjectId> {
        self.known.identity.as_ref()
    }

    /// Whether Home Assistant may know `record` from elsewhere too: then its removal from where it says does not take it out of
    /// Home Assistant's registry, and the [plan](Ledger::plan) does.
    pub fn knows_elsewhere(&self, record: &Record) -> bool {
        let mut others = self.records().filter(|it| it.place() != record.place());
        others.any(|it| it.registered() == record.registered())
    }

    /// The machine is called `node` from now on.
    pub fn rename(&mut self, node: &ObjectId) {
        self.known.node = node.clone();
    }

    /// Everything that is known, by topic.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.known.entries.values().map(|it| &it.record)
    }

    /// What has to be told so that Home Assistant and the broker have `wanted` and nothing else of what is known. What is
    /// not wanted now but of which `owners` says that its owner is still configured to have it stays as it is: a
    /// thermometer that does not answer may do so tomorrow.
    ///
    /// To be asked before [`Ledger::intend`]; and again when more is wanted, such as a thermometer that is found later.
    pub fn plan(&self, wanted: &[Record], owners: impl Fn(&Record) -> bool) -> Plan {
        Plan::new(self.known.entries.values(), wanted, owners)
    }

    /// Remembers `wanted` beside what is known, before the plan is carried out and anything is announced; for ever
    /// `identity`, where none is known yet. Blocks for the card where that is news.
    ///
    /// # Errors
    ///
    /// Where it cannot be written, or would be more than 10,000 records. It is known to this process all the same.
    pub fn intend(&mut self, identity: &ObjectId, wanted: &[Record]) -> io::Result<()> {
        self.known.identity.get_or_insert_with(|| identity.clone());
        let wishes = Wishes::new(wanted, |_| false);
        let entries = &mut self.known.entries;
        let is_same = |entry: &Entry| matches!(wishes.fate(&entry.record), Fate::Same(_));
        // Where a device's message leaves something out, all else in it waits for the announcement: if that never comes, Home
        // Assistant has none of it after a restart.
        let leaving = entries.values().filter(|it| it.record.is_component() && !is_same(it));
        let topics: BTreeSet<Topic> = leaving.map(|it| it.record.config.clone()).collect();
        for entry in entries.values_mut() {
            let moves = matches!(wishes.fate(&entry.record), Fate::Moves(_));
            entry.adrift |= moves || topics.contains(&entry.record.config);
        }
        for record in wanted {
            let mut record = record.clone();
            let mut adrift = false;
            if let Some(known) = entries.get(&record.place()) {
                record.since.clone_from(&known.record.since);
                let old = known.record.retained.iter().filter(|it| !record.retained.contains(it)).cloned();
                let old: Vec<Topic> = old.collect();
                record.retained.extend(old);
                adrift = known.adrift;
            }
            entries.insert(record.place(), Entry { record, adrift });
        }
        self.write()
    }

    /// Forgets what the plan for `wanted` took back, once it was carried out and everything is acknowledged. Blocks for the
    /// card where that is news.
    ///
    /// # Errors
    ///
    /// As of [`Ledger::intend`]: the next start takes it back again.
    pub fn settle(&mut self, wanted: &[Record], owners: impl Fn(&Record) -> bool) -> io::Result<()> {
        let wishes = Wishes::new(wanted, owners);
        let stays = |entry: &Entry| matches!(wishes.fate(&entry.record), Fate::Stays);
        // Their messages have been replaced by ones without those who are not there now.
        let of_others =
            self.known.entries.values().filter(|it| !stays(it)).map(|it| it.record.config.clone());
        let replaced: BTreeSet<Topic> = of_others.collect();
        self.known.entries.retain(|_, entry| match wishes.fate(&entry.record) {
            Fate::Same(record) => {
                entry.record.retained.clone_from(&record.retained);
                entry.adrift = false;
                true
            }
            Fate::Stays => {
                entry.adrift |= entry.record.is_component() && replaced.contains(&entry.record.config);
                true
            }
            Fate::Moves(_) | Fate::Goes => false,
        });
        self.write()
    }

    /// Forgets everything, the file too: nothing of ours is announced any more.
    ///
    /// # Errors
    ///
    /// The system's own, where the file cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Access::Write(lock) = &mut self.access else { return Ok(()) };
        if self.written.as_ref() == Some(&self.known) {
            return Ok(());
        }
        if let Some(aside) = self.aside {
            file::set_aside(&self.path, aside)?;
            self.aside = None;
        }
        file::write(&self.path, &self.known)?;
        if let (None, Some(folder)) = (&lock, self.path.parent()) {
            *lock = Lock::take(folder)?; // Only now was it there.
        }
        self.written = Some(self.known.clone());
        Ok(())
    }
}

impl Known {
    /// Whether it is about another machine than `present`: one of them was copied from the other, and named anew. With either
    /// alone it is the same: a machine was named anew, or its board replaced.
    fn is_of_another(&self, present: &Known) -> bool {
        let told_apart = !self.machine.is_empty() && !present.machine.is_empty();
        told_apart && self.machine != present.machine && self.node != present.node
    }
}
