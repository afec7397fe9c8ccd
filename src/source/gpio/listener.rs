//! What a line is to one entity.

use std::time::{Duration, Instant};

use super::super::Troubles;
use super::super::filter::Filter;
use super::telling::Telling;
use crate::config::Input;
use crate::config::Sense;
use crate::model::ObjectId;
use crate::model::Value;
use crate::store::Store;

/// An entity that is told what happens on a line.
pub(super) struct Listener {
    entity: ObjectId,
    meaning: Meaning,
}

/// What of the line is told.
enum Meaning {
    Level(Level),
    Count(Box<Count>),
    Event { active: Option<Value>, inactive: Option<Value> },
}

struct Level {
    invert: bool,
    heartbeat: Duration,
    /// What was told last, and when; nothing yet since the line is had.
    told: Option<(bool, Instant)>,
}

struct Count {
    quantity: Quantity,
    interval: Duration,
    /// When it is told next; not while the line is not had.
    next: Option<Instant>,
    filter: Filter,
    misses: u16,
    /// How many of its values in a row were refused.
    missed: u16,
}

enum Quantity {
    /// All edges ever.
    Total { edges: u64, store: Store, key: String },
    /// Those since then.
    Rate { edges: u64, since: Instant },
}

impl Listener {
    /// The entity `entity`, whose values are those of `input`, of which `sense` is what is told.
    pub(super) fn new(
        entity: ObjectId,
        input: &Input,
        sense: &Sense,
        store: &Store,
        now: Instant,
    ) -> Listener {
        let filtering = &input.filtering;
        let count = |quantity| {
            Meaning::Count(Box::new(Count {
                quantity,
                interval: input.interval,
                next: None,
                filter: Filter::new(filtering),
                misses: input.misses,
                missed: 0,
            }))
        };
        let meaning = match sense {
            Sense::Level => Meaning::Level(Level {
                invert: filtering.on_off.as_ref().is_some_and(|it| it.invert),
                heartbeat: filtering.heartbeat,
                told: None,
            }),
            Sense::Total => {
                let key = format!("total of {entity}");
                let edges = store.value(&key).and_then(|it| it.parse().ok()).unwrap_or(0);
                count(Quantity::Total { edges, store: store.clone(), key })
            }
            Sense::Rate => count(Quantity::Rate { edges: 0, since: now }),
            Sense::Event { active, inactive } => Meaning::Event {
                active: active.clone().map(Value::Text),
                inactive: inactive.clone().map(Value::Text),
            },
        };
        Listener { entity, meaning }
    }

    /// Whose values they are.
    pub(super) fn entity(&self) -> &ObjectId {
        &self.entity
    }

    /// Whether it has to hear of the edges on which the line becomes inactive.
    pub(super) fn needs_both(&self) -> bool {
        matches!(&self.meaning, Meaning::Level(_) | Meaning::Event { inactive: Some(_), .. })
    }

    /// Whether it tells of an edge at once.
    pub(super) fn is_prompt(&self) -> bool {
        !matches!(&self.meaning, Meaning::Count(_))
    }

    /// The line is had, and active or not.
    pub(super) fn begins(&mut self, active: bool, now: Instant, telling: &mut Telling) {
        match &mut self.meaning {
            Meaning::Level(level) => {
                level.told = None;
                level.take(active, now, &self.entity, telling);
            }
            Meaning::Count(count) => count.begins(now),
            // Nothing has happened, but it would be told.
            Meaning::Event { .. } => telling.tell(&self.entity, Value::Unknown),
        }
    }

    /// The line became active or inactive at `now`, and active `rises` times up to now.
    pub(super) fn edge(&mut self, active: bool, rises: u64, now: Instant, telling: &mut Telling) {
        match &mut self.meaning {
            Meaning::Level(level) => level.take(active, now, &self.entity, telling),
            Meaning::Count(count) => match &mut count.quantity {
                Quantity::Total { edges, .. } | Quantity::Rate { edges, .. } => *edges += rises,
            },
            Meaning::Event { active: up, inactive: down } => {
                if let Some(happened) = if active { up } else { down } {
                    telling.tell(&self.entity, happened.clone());
                }
            }
        }
    }

    /// When it has something to tell without an edge.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.meaning {
            Meaning::Level(level) => level.told.map(|(_, at)| at + level.heartbeat),
            Meaning::Count(count) => count.next,
            Meaning::Event { .. } => None,
        }
    }

    /// Tells what is due at `now`. What is counted was counted up to then.
    pub(super) fn tell_due(&mut self, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        if self.due().is_none_or(|it| it > now) {
            return;
        }
        match &mut self.meaning {
            Meaning::Level(Level { told, invert, .. }) => {
                if let Some((active, at)) = told {
                    *at = now;
                    telling.tell(&self.entity, Value::Switch(*active != *invert));
                }
            }
            Meaning::Count(count) => {
                let number = count.number(now);
                let told = match count.filter.take(Value::Number(number), now) {
                    Ok(value) => {
                        count.missed = 0;
                        troubles.recovered(&self.entity);
                        value
                    }
                    Err(implausible) => {
                        troubles.failed(&self.entity, &implausible.of(self.entity.as_str()), now);
                        count.missed = count.missed.saturating_add(1);
                        let is_lost = count.missed == count.misses;
                        is_lost.then(|| count.filter.lose(Value::Unavailable, now)).flatten()
                    }
                };
                told.into_iter().for_each(|it| telling.tell(&self.entity, it));
            }
            Meaning::Event { .. } => {}
        }
    }

    /// The line cannot be had, or no longer.
    pub(super) fn ends(&mut self, now: Instant, telling: &mut Telling) {
        match &mut self.meaning {
            Meaning::Level(level) => level.told = None,
            Meaning::Count(count) => count.ends(now),
            Meaning::Event { .. } => {}
        }
        telling.tell(&self.entity, Value::Unavailable);
    }

    /// Has what was counted survive a restart.
    pub(super) fn keep(&self) {
        if let Meaning::Count(count) = &self.meaning {
            count.keep();
        }
    }
}

impl Level {
    fn take(&mut self, active: bool, now: Instant, entity: &ObjectId, telling: &mut Telling) {
        if self.told.is_none_or(|(told, _)| told != active) {
            self.told = Some((active, now));
            telling.tell(entity, Value::Switch(active != self.invert));
        }
    }
}

impl Count {
    fn begins(&mut self, now: Instant) {
        self.missed = 0;
        self.next = Some(match &mut self.quantity {
            Quantity::Total { .. } => now,
            Quantity::Rate { edges, since } => {
                (*edges, *since) = (0, now);
                now + self.interval
            }
        });
    }

    fn ends(&mut self, now: Instant) {
        self.next = None;
        self.filter.lose(Value::Unavailable, now);
        self.keep();
    }

    /// What was counted up to `now`. Decides when it is asked for next.
    fn number(&mut self, now: Instant) -> f64 {
        // Evenly, unless that is over already.
        let even = self.next.map(|it| it + self.interval).filter(|it| *it > now);
        self.next = Some(even.unwrap_or(now + self.interval));
        self.keep();
        match &mut self.quantity {
            Quantity::Total { edges, .. } => *edges as f64,
            Quantity::Rate { edges, since } => {
                let hours = now.saturating_duration_since(*since).as_secs_f64() / 3600.0;
                let rate = *edges as f64 / hours;
                (*edges, *since) = (0, now);
                rate
            }
        }
    }

    fn keep(&self) {
        if let Quantity::Total { edges, store, key } = &self.quantity {
            store.keep(key, edges.to_string());
        }
    }
}
