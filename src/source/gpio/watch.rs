//! What the edges of one line are to all that listen to it.

use std::time::{Duration, Instant};

use super::super::Troubles;
use super::listener::Listener;
use super::telling::Telling;
use crate::model::Line;
use crate::os::gpio::Edge;
use crate::os::gpio::Edges;
use crate::os::gpio::GpioError;

/// The listeners of a line, and which of its edges they have heard of.
pub(super) struct Watch {
    line: Line,
    debounce: Duration,
    edges: Edges,
    /// Not empty.
    listeners: Vec<Listener>,
    /// The number of the last edge, 0 before the first.
    last: u32,
    /// Whether the line is active, as far as the wanted edges tell.
    active: bool,
    /// Whether the kernel had no room for edges that were to be told: said once.
    is_lossy: bool,
}

impl Watch {
    /// Listens to `line` for `listener`.
    pub(super) fn new(line: Line, debounce: Duration, listener: Listener) -> Watch {
        let edges = if listener.needs_both() { Edges::Both } else { Edges::Rising };
        Watch { line, debounce, edges, listeners: vec![listener], last: 0, active: false, is_lossy: false }
    }

    /// Listens for `listener` too: a line has one debounce period, the longest that is asked for.
    pub(super) fn add(&mut self, debounce: Duration, listener: Listener) {
        self.debounce = self.debounce.max(debounce);
        if listener.needs_both() {
            self.edges = Edges::Both;
        }
        self.listeners.push(listener);
    }

    /// Which line it is.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// How long a level must last to count.
    pub(super) fn debounce(&self) -> Duration {
        self.debounce
    }

    /// Which of its edges are wanted.
    pub(super) fn edges(&self) -> Edges {
        self.edges
    }

    /// Whether an edge is to be heard of at once. Where edges are only counted, their numbers tell at the next
    /// interval how many there were: a thousand edges a second wake nobody.
    pub(super) fn is_prompt(&self) -> bool {
        self.listeners.iter().any(Listener::is_prompt)
    }

    /// The line is had, its edges are numbered from 1, and it is active or not.
    pub(super) fn begins(&mut self, active: bool, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        self.last = 0;
        self.active = active;
        troubles.all_recovered(self.listeners.iter().map(Listener::entity));
        self.listeners.iter_mut().for_each(|it| it.begins(active, now, telling));
    }

    /// The line had `edge`, read at `now`, and those before it that the kernel had no room for.
    pub(super) fn take(&mut self, edge: Edge, now: Instant, telling: &mut Telling) {
        let number = edge.number.wrapping_sub(self.last);
        let lost = u64::from(number.wrapping_sub(1));
        let lost_rises = match self.edges {
            Edges::Rising => lost,
            // They took turns, beginning with the one that was to come.
            Edges::Both if self.active => lost / 2,
            Edges::Both => lost.div_ceil(2),
        };
        self.last = edge.number;
        self.active = edge.active;
        let rises = lost_rises + u64::from(edge.active);
        if lost > 0 && self.is_prompt() && !std::mem::replace(&mut self.is_lossy, true) {
            log::warn!("GPIO line {}: edges come faster than they can be told", self.line.place);
        }
        log::debug!(
            "GPIO line {}: {} at {:?}",
            self.line.place,
            if edge.active { "active" } else { "inactive" },
            edge.at
        );
        for it in &mut self.listeners {
            it.edge(edge.active, rises, now, telling);
        }
    }

    /// When there is something to tell without an edge.
    pub(super) fn due(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(Listener::due).min()
    }

    /// Tells what is due at `now`, after all edges were taken.
    pub(super) fn tell_due(&mut self, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        self.listeners.iter_mut().for_each(|it| it.tell_due(now, telling, troubles));
    }

    /// The line cannot be had, or no longer, because of `error`. `is_news` where it was not so before.
    pub(super) fn fails(
        &mut self,
        error: &GpioError,
        is_news: bool,
        now: Instant,
        telling: &mut Telling,
        troubles: &Troubles,
    ) {
        troubles.all_failed(self.listeners.iter().map(Listener::entity), error, now);
        if is_news {
            self.listeners.iter_mut().for_each(|it| it.ends(now, telling));
        }
    }

    /// Has what was counted survive a restart.
    pub(super) fn keep(&self) {
        self.listeners.iter().for_each(Listener::keep);
    }
}
