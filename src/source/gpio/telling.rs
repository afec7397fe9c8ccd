//! What the lines have to tell, on its way to the bridge.

use std::collections::VecDeque;

use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Value;
use crate::worker::Outlet;

/// Readings in order, until the bridge has room for them. Bounded by those who fill it: no line is read and nothing told
/// by the clock while something waits here, and until then edges wait in the kernel.
pub(super) struct Telling {
    outlet: Outlet<Reading>,
    waiting: VecDeque<Reading>,
}

impl Telling {
    /// Nothing is to be told yet.
    pub(super) fn new(outlet: Outlet<Reading>) -> Telling {
        Telling { outlet, waiting: VecDeque::new() }
    }

    /// Has `value` of `entity` told, behind what there is already.
    pub(super) fn tell(&mut self, entity: &ObjectId, value: Value) {
        self.waiting.push_back(Reading::new(entity.clone(), value));
    }

    /// Hands over what there is room for. Returns whether that was all.
    pub(super) fn hand_over(&mut self) -> bool {
        while let Some(reading) = self.waiting.front() {
            // Asked first, for what does not fit is not lost and should not count as dropped.
            if !self.outlet.has_room() || !self.outlet.offer(reading.clone()) {
                return false;
            }
            self.waiting.pop_front();
        }
        true
    }

    /// What waits, as `id value`, and nothing waits any more.
    #[cfg(test)]
    pub(super) fn take(&mut self) -> Vec<String> {
        let text = |reading: Reading| match reading.value {
            Value::Number(number) => format!("{} {number}", reading.entity),
            Value::Text(text) => format!("{} {text}", reading.entity),
            Value::Switch(on) => format!("{} {}", reading.entity, if on { "on" } else { "off" }),
            other => format!("{} {other:?}", reading.entity),
        };
        self.waiting.drain(..).map(text).collect()
    }
}
