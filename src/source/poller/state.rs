//! What the threads of a poller share: which source is where, and who leads.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use super::super::poll::{Listeners, Poll};
use super::super::schedule::Schedule;
use super::super::{Pace, Polled};
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Value;
use crate::os::Halt;
use crate::worker::Worker;

/// What is known of the sources and of the threads.
pub(super) struct State {
    pub(super) schedule: Schedule,
    /// By their positions, none of which is used twice.
    pub(super) places: BTreeMap<usize, Place>,
    next_position: usize,
    pub(super) workers: Vec<Worker>,
    pub(super) threads: usize,
    /// How many of them sample.
    pub(super) busy: usize,
    /// Counts the leaders: who has led in another term leads no more.
    pub(super) term: u64,
    /// Since when the leader samples.
    pub(super) sampling_since: Option<Instant>,
    pub(super) has_deputy: bool,
    /// When the deputy looks after the leader next; `None` for never.
    pub(super) deputy_looks: Option<Instant>,
    /// A slow source is due, and all threads but the leader sample.
    pub(super) is_short: bool,
    /// That was logged, or that there are no threads to be had, since there were last too many.
    pub(super) has_complained: bool,
    pub(super) is_stopping: bool,
}

impl State {
    /// Without sources.
    pub(super) fn new(now: Instant) -> State {
        State {
            schedule: Schedule::new(now, []),
            places: BTreeMap::new(),
            next_position: 0,
            workers: Vec::new(),
            threads: 0,
            busy: 0,
            term: 0,
            sampling_since: None,
            has_deputy: false,
            deputy_looks: None,
            is_short: false,
            has_complained: false,
            is_stopping: false,
        }
    }

    /// Adds a source, to be sampled after its delay.
    pub(super) fn add(&mut self, polled: Polled, now: Instant) {
        let position = self.next_position;
        self.next_position += 1;
        self.schedule.add(position, polled.pace, polled.interval, now + polled.delay);
        self.places.insert(position, Place::new(Poll::new(polled)));
    }

    /// Takes out the sources of those who are `leaving`. What one of them has answered when its sample ends is not told. Returns
    /// their entities, and those that are not being sampled, to be dropped.
    pub(super) fn remove(&mut self, leaving: impl Fn(&str) -> bool) -> (Vec<ObjectId>, Vec<Place>) {
        let (mut ids, mut gone) = (Vec::new(), Vec::new());
        let positions = self.places.iter().filter(|(_, place)| leaving(&place.owner));
        let positions: Vec<usize> = positions.map(|(position, _)| *position).collect();
        for position in positions {
            let Some(place) = self.places.get_mut(&position) else { continue };
            ids.append(&mut place.ids);
            self.schedule.remove(position);
            if place.poll.is_some() {
                gone.extend(self.places.remove(&position));
            } else {
                (place.is_leaving, place.overdue) = (true, None);
                place.asked.clear();
            }
        }
        (ids, gone)
    }

    /// When there is something for the leader to do; `None` for never.
    pub(super) fn next(&self) -> Option<Instant> {
        let quick = self.schedule.next(Pace::Quick);
        let slow = if self.is_short { None } else { self.schedule.next(Pace::Slow) };
        let overdue =
            if self.busy > 0 { self.places.values().filter_map(|it| it.overdue).min() } else { None };
        [quick, slow, overdue].into_iter().flatten().min()
    }

    /// The source at `position` is about to be sampled by the leader.
    pub(super) fn begin(&mut self, position: usize, now: Instant) -> Box<Poll> {
        let place = self.places.get_mut(&position).expect("a source that is due has a place");
        let mut poll = place.poll.take().expect("a source that is due is in its place");
        place.asked.drain(..).for_each(|it| poll.tell_next(it));
        place.overdue = Some(now + place.patience);
        self.busy += 1;
        self.sampling_since = Some(now);
        poll
    }

    /// The source at `position` has answered, with whatever. Returns whether it was reported as lost before that; `None`
    /// where nobody asks for it any more.
    pub(super) fn answered(&mut self, position: usize) -> Option<bool> {
        let place = self.places.get_mut(&position).filter(|it| !it.is_leaving)?;
        Some(place.overdue.take().is_none())
    }

    /// The sample of the source at `position`, taken at `now` by whoever led in `term`, is at its end. Returns whether
    /// another leads, who does not know yet when this source is due; and the source where it has left, to be dropped.
    pub(super) fn end(
        &mut self,
        position: usize,
        poll: Box<Poll>,
        term: u64,
        now: Instant,
    ) -> (bool, Option<Box<Poll>>) {
        self.busy -= 1;
        let leads = self.term == term;
        if leads {
            self.sampling_since = None;
        }
        let place = self.places.get_mut(&position).filter(|it| !it.is_leaving);
        let Some(place) = place else {
            self.places.remove(&position);
            return (!leads, Some(poll));
        };
        place.ids.extend(poll.ids().skip(place.ids.len()).cloned());
        place.poll = Some(poll);
        let is_asked = !place.asked.is_empty();
        let ended = Instant::now();
        self.schedule.put_back(position, now, ended);
        if is_asked {
            self.schedule.hasten(position, ended);
        }
        (!leads, None)
    }

    /// Tells of the sources that have not answered for too long. They are asked no more until they have.
    pub(super) fn report_overdue(&mut self, now: Instant, listeners: &Listeners) {
        if self.busy == 0 {
            return;
        }
        for place in self.places.values_mut() {
            if place.overdue.take_if(|it| *it <= now).is_some() {
                let error = Hangs { patience: place.patience };
                listeners.troubles.all_failed(place.ids.iter(), &error, now);
                for id in &place.ids {
                    listeners.outlet.offer(Reading::new(id.clone(), place.lost.clone()));
                }
            }
        }
    }

    /// Has `entity` told as soon as possible. Returns whether its source is due now.
    pub(super) fn ask(&mut self, entity: &ObjectId, now: Instant) -> bool {
        let found = self.places.iter_mut().find_map(|(position, place)| {
            place.ids.iter().position(|it| it == entity).map(|index| (*position, index, place))
        });
        let Some((position, index, place)) = found else { return false };
        if !place.asked.contains(&index) {
            place.asked.push(index);
        }
        let is_waiting = place.poll.is_some();
        self.schedule.hasten(position, now);
        is_waiting
    }
}

/// Where a source is kept while it is not being sampled.
pub(super) struct Place {
    /// Who has it asked.
    owner: String,
    /// What ends a sample of it.
    pub(super) halt: Option<Halt>,
    /// Nobody asks for it any more; it is being sampled still.
    is_leaving: bool,
    /// `None` while it is.
    pub(super) poll: Option<Box<Poll>>,
    /// Its entities.
    pub(super) ids: Vec<ObjectId>,
    /// Those of them, by their position, that are to be told with the next sample; each once.
    pub(super) asked: Vec<usize>,
    /// How long a sample may take before its entities are lost, and what they are then.
    pub(super) patience: Duration,
    pub(super) lost: Value,
    /// When that will be; `None` when it is not being sampled or was reported.
    pub(super) overdue: Option<Instant>,
}

impl Place {
    fn new(poll: Poll) -> Place {
        Place {
            owner: poll.owner().to_owned(),
            halt: poll.halt(),
            is_leaving: false,
            ids: poll.ids().cloned().collect(),
            asked: Vec::new(),
            patience: poll.patience(),
            lost: poll.lost(),
            overdue: None,
            poll: Some(Box::new(poll)),
        }
    }
}

/// Why a source has no values: it has not answered for so long.
#[derive(Debug)]
struct Hangs {
    patience: Duration,
}

impl fmt::Display for Hangs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer for {:?}", self.patience)
    }
}

impl Error for Hangs {}
