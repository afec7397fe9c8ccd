//! The defaults of the sections that declare an entity.

use std::time::Duration;

/// As often as the machine's own readings.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// One bad sample is chance, three are a fault.
pub(super) const MISSES: u16 = 3;
/// As that of the machine's own readings.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(900);
/// A script that takes longer hangs most often.
pub(super) const PROGRAM_TIMEOUT: Duration = Duration::from_secs(10);
/// Contacts bounce for some milliseconds; nobody notices twenty.
pub(super) const LINE_DEBOUNCE: Duration = Duration::from_millis(20);
/// What a door opener and the button of a computer take for a press.
pub(super) const PULSE: Duration = Duration::from_millis(500);
/// Home Assistant's own scale of brightness, and most files'.
pub(super) const FULL: f64 = 255.0;
/// What a button does, and a line that it is wired to.
pub(super) const EVENT_TYPES: [&str; 2] = ["press", "release"];
