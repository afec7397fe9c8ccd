//! What the threads of a poller share: which source is where, and who leads.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use super::super::Pace;
use super::super::poll::{Listeners, Poll};
use super::super::schedule::Schedule;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Value;
use crate::worker::Worker;

/// What is known of the sources and of the threads.
pub(super) struct State {
    pub(super) schedule: Schedule,
    pub(super) places: Vec<Place>,
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
    pub(super) fn new(schedule: Schedule, places: Vec<Place>) -> State {
        State {
            schedule,
            places,
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

    /// When there is something for the leader to do; `None` for never.
    pub(super) fn next(&self) -> Option<Instant> {
        let quick = self.schedule.next(Pace::Quick);
        let slow = if self.is_short { None } else { self.schedule.next(Pace::Slow) };
        let overdue = if self.busy > 0 { self.places.iter().filter_map(|it| it.overdue).min() } else { None };
        [quick, slow, overdue].into_iter().flatten().min()
    }

    /// The source at `position` is about to be sampled by the leader.
    pub(super) fn begin(&mut self, position: usize, now: Instant) -> Box<Poll> {
        let place = &mut self.places[position];
        let mut poll = place.poll.take().expect("a source that is due is in its place");
        place.asked.drain(..).for_each(|it| poll.tell_next(it));
        place.overdue = Some(now + place.patience);
        self.busy += 1;
        self.sampling_since = Some(now);
        poll
    }

    /// The source at `position` has answered, with whatever. Returns whether it was reported as lost before that.
    pub(super) fn answered(&mut self, position: usize) -> bool {
        self.places[position].overdue.take().is_none()
    }

    /// The sample of the source at `position`, taken at `now` by whoever led in `term`, is at its end. Returns whether
    /// another leads, who does not know yet when this source is due.
    pub(super) fn end(&mut self, position: usize, poll: Box<Poll>, term: u64, now: Instant) -> bool {
        let place = &mut self.places[position];
        place.ids.extend(poll.ids().skip(place.ids.len()).cloned());
        place.poll = Some(poll);
        let is_asked = !place.asked.is_empty();
        let ended = Instant::now();
        self.schedule.put_back(position, now, ended);
        if is_asked {
            self.schedule.hasten(position, ended);
        }
        self.busy -= 1;
        let leads = self.term == term;
        if leads {
            self.sampling_since = None;
        }
        !leads
    }

    /// Tells of the sources that have not answered for too long. They are asked no more until they have.
    pub(super) fn report_overdue(&mut self, now: Instant, listeners: &Listeners) {
        if self.busy == 0 {
            return;
        }
        for place in &mut self.places {
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
        let mut places = self.places.iter_mut().enumerate();
        let found = places.find_map(|(position, place)| {
            place.ids.iter().position(|it| it == entity).map(|index| (position, index, place))
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
    pub(super) fn new(poll: Poll) -> Place {
        Place {
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
