//! One source being sampled: its entities, what was told of each, and what is wrong with it.

use std::error::Error;
use std::mem;
use std::time::{Duration, Instant};

use super::filter::Filter;
use super::{Polled, Sample, SourceError, Troubles};
use crate::config::Filtering;
use crate::entity::Entity;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Value;
use crate::os::Halt;
use crate::worker::Outlet;

/// A source, and the history of its entities.
pub(super) struct Poll {
    polled: Polled,
    /// One for each entity that is known.
    tracks: Vec<Track>,
}

/// Whom the values, the failures and the finds of sources are told.
pub(super) struct Listeners {
    pub(super) outlet: Outlet<Reading>,
    pub(super) troubles: Troubles,
    /// Called with what a source has found, before its first value is told.
    pub(super) announce: Box<dyn Fn(&Entity) + Send + Sync>,
}

impl Poll {
    /// A source that has not been sampled yet. The entities that it has now are announced already.
    pub(super) fn new(polled: Polled) -> Poll {
        let tracks = (0..polled.source.entities().len()).map(|it| Track::new(&polled, it)).collect();
        Poll { polled, tracks }
    }

    /// Its entities, as far as they are known.
    pub(super) fn ids(&self) -> impl ExactSizeIterator<Item = &ObjectId> {
        self.polled.source.entities()[..self.tracks.len()].iter().map(Entity::id)
    }

    /// Who has it asked: [`Polled::owner`].
    pub(super) fn owner(&self) -> &str {
        &self.polled.owner
    }

    /// What ends a sample of it.
    pub(super) fn halt(&self) -> Option<Halt> {
        self.polled.source.halt()
    }

    /// Has the next value of the entity at `position` told even where it has not changed.
    pub(super) fn tell_next(&mut self, position: usize) {
        if let Some(track) = self.tracks.get_mut(position) {
            track.filter.tell_next();
        }
    }

    /// Takes a sample; blocks as long as the source does. `samples` is empty before, and after an error.
    pub(super) fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        debug_assert!(samples.is_empty());
        let outcome = self.polled.source.sample(samples);
        if outcome.is_err() {
            samples.clear(); // What there was until then is ignored.
        }
        outcome
    }

    /// What its entities are told while nothing else can be.
    pub(super) fn lost(&self) -> Value {
        if self.polled.misses == 0 { Value::Unknown } else { Value::Unavailable }
    }

    /// Notes that its entities have been told [`Poll::lost`] meanwhile, by another, and that they are in trouble.
    pub(super) fn note_lost(&mut self, now: Instant) {
        let lost = self.lost();
        for track in &mut self.tracks {
            let _told_already = track.filter.lose(lost.clone(), now);
            (track.missed, track.is_troubled) = (self.polled.misses, true);
        }
    }

    /// How long a sample of it may take before its entities are lost: as long as as many samples as may be missed, and as
    /// its own limit.
    pub(super) fn patience(&self) -> Duration {
        let missing = self.polled.interval * u32::from(self.polled.misses.max(1));
        missing.max(self.polled.source.limit()).max(SHORTEST_PATIENCE)
    }

    /// Tells what a sample that was taken at `now` has brought, where that is worth telling. `samples` is empty after it.
    pub(super) fn tell(
        &mut self,
        outcome: Result<(), SourceError>,
        samples: &mut Vec<Sample>,
        now: Instant,
        listeners: &Listeners,
    ) {
        self.meet(listeners);
        match outcome {
            Ok(()) => self.tell_each(samples, now, listeners),
            Err(error) => self.tell_failure(&error, now, listeners),
        }
    }

    /// Has those announced that were found.
    fn meet(&mut self, listeners: &Listeners) {
        for (position, entity) in self.polled.source.entities().iter().enumerate().skip(self.tracks.len()) {
            (listeners.announce)(&self.polled.delivered(entity));
            self.tracks.push(Track::new(&self.polled, position));
        }
    }

    fn tell_each(&mut self, samples: &mut Vec<Sample>, now: Instant, listeners: &Listeners) {
        let entities = self.polled.source.entities();
        // A source that tells too few or too many is wrong; its neighbours are not.
        samples.resize_with(entities.len(), || Ok(Value::Unknown));
        let misses = self.polled.misses;
        let mut has_recovered = false;
        for ((entity, sample), track) in entities.iter().zip(samples.drain(..)).zip(&mut self.tracks) {
            let id = entity.id();
            let taken = sample
                .and_then(|it| track.filter.take_for(entity, it, now).map_err(|error| error.of(id.as_str())));
            let told = match taken {
                Ok(told) => {
                    track.hit();
                    has_recovered |= track.is_troubled;
                    told
                }
                Err(error) => {
                    let told = track.miss(misses, now);
                    if track.is_troubled {
                        listeners.troubles.failed(id, &error, now);
                    } else {
                        log::debug!("{id}: no value this time: {}", Chain(&error));
                    }
                    told
                }
            };
            track.offer(told, id, &listeners.outlet);
        }
        if has_recovered {
            let tracks = entities.iter().zip(&mut self.tracks);
            let recovered = tracks.filter_map(|(entity, track)| track.recover().then(|| entity.id()));
            listeners.troubles.all_recovered(recovered);
        }
    }

    /// None of its entities has a value, for one reason.
    fn tell_failure(&mut self, error: &dyn Error, now: Instant, listeners: &Listeners) {
        let misses = self.polled.misses;
        for (entity, track) in self.polled.source.entities().iter().zip(&mut self.tracks) {
            let told = track.miss(misses, now);
            track.offer(told, entity.id(), &listeners.outlet);
        }
        let tracks = self.polled.source.entities().iter().zip(&self.tracks);
        let troubled = tracks.filter(|(_, track)| track.is_troubled).map(|(entity, _)| entity.id());
        listeners.troubles.all_failed(troubled, error, now);
    }
}

/// What was told of one entity, and what is wrong with it.
struct Track {
    filter: Filter,
    /// How many samples in a row have failed.
    missed: u16,
    /// Whether a sample has ever not failed.
    has_had_value: bool,
    is_troubled: bool,
}

impl Track {
    /// That of the entity of `polled` at `position`, which has had no value yet.
    fn new(polled: &Polled, position: usize) -> Track {
        let rules: Option<&Filtering> = polled.filters.get(position).or(polled.filters.last());
        let filter = Filter::new(rules.expect("whoever makes a source says what becomes of its values"));
        Track { filter, missed: 0, has_had_value: false, is_troubled: false }
    }

    fn hit(&mut self) {
        self.missed = 0;
        self.has_had_value = true;
    }

    /// A sample has failed at `now`: that is told when it is as many in a row as may be missed. It is trouble from then on;
    /// but at once where there was never a value, for that is a mistake more likely than a flaky sensor.
    fn miss(&mut self, misses: u16, now: Instant) -> Option<Value> {
        self.missed = self.missed.saturating_add(1);
        let is_lost = self.missed >= misses;
        self.is_troubled |= is_lost || !self.has_had_value;
        let lost = if misses == 0 { Value::Unknown } else { Value::Unavailable };
        if is_lost { self.filter.lose(lost, now) } else { None }
    }

    /// Whether it was in trouble until its last sample.
    fn recover(&mut self) -> bool {
        self.missed == 0 && mem::take(&mut self.is_troubled)
    }

    /// Offers what is told. Where there is no room, the next sample tries again.
    fn offer(&mut self, told: Option<Value>, id: &ObjectId, outlet: &Outlet<Reading>) {
        if told.is_some_and(|value| !outlet.offer(Reading::new(id.clone(), value))) {
            self.filter.tell_next();
        }
    }
}

/// A source that is sampled each second may take some to answer: a program, a bus with many devices.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
