//! When the machine was started.

use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::read::KernelFile;
use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// The time of the last boot, RFC 3339 in UTC (`btime` of `/proc/stat`, proc(5)).
///
/// The kernel reckons it back from the wall clock, so it is moved whenever the clock is: a little by
/// every correction, far when a board without a clock battery hears the time after it has booted. Only
/// the second is news. While the clock has not been set at all, the time is unknown.
pub(super) struct LastBoot {
    entities: [Entity; 1],
    stat: KernelFile,
    /// Moves of up to this many seconds are the clock being corrected, not set.
    dead_band_s: f64,
    /// What was told last.
    told: Option<OffsetDateTime>,
}

impl LastBoot {
    /// The last boot of the machine under `root`; told anew when it has moved by more than `dead_band_s` seconds.
    pub(super) fn new(root: &Path, dead_band_s: f64) -> LastBoot {
        let entity = Sensor::new("last_boot", "Last boot")
            .device_class("timestamp")
            .category_diagnostic()
            .build()
            .expect("a test builds every entity of the host");
        LastBoot { entities: [entity], stat: KernelFile::new(root, "proc/stat"), dead_band_s, told: None }
    }
}

impl LastBoot {
    /// What to tell of `boot`: what was told before, unless it has moved.
    fn steady(&mut self, boot: OffsetDateTime) -> OffsetDateTime {
        let dead_band_s = self.dead_band_s;
        let told = self.told.filter(|told| (boot - *told).as_seconds_f64().abs() <= dead_band_s);
        *self.told.insert(told.unwrap_or(boot))
    }
}

impl Source for LastBoot {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let boot = self.stat.parse("a line `btime` with seconds since 1970", boot_time)?;
        let boot = self.steady(boot);
        let clock_was_set = boot.unix_timestamp() >= EARLIEST_S;
        let text = clock_was_set.then(|| boot.format(&Rfc3339).ok()).flatten();
        samples.push(Ok(text.map_or(Value::Unknown, Value::Text)));
        Ok(())
    }
}

fn boot_time(stat: &str) -> Option<OffsetDateTime> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// 2000-01-01: no machine that runs this was booted earlier.
const EARLIEST_S: i64 = 946_684_800;

#[cfg(test)]
mod tests {
    use super::super::super::read::{garbage, values_of};
    use super::*;
    use std::fs;

    /// Has the kernel tell one `btime` after the other, and compares what is told.
    #[track_caller]
    fn check<const N: usize>(dead_band_s: f64, told: [(i64, Value); N]) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let mut source = LastBoot::new(root.path(), dead_band_s);
        for (btime, expected) in told {
            fs::write(root.path().join("proc/stat"), format!("cpu 1 2\nbtime {btime}\nprocesses 7\n"))
                .unwrap();
            assert_eq!(values_of(&mut source), [expected], "{btime}");
        }
    }

    #[test]
    fn the_clock_being_corrected_is_no_news_and_the_clock_being_set_is() {
        check(
            60.0,
            [
                (5, Value::Unknown),
                (1_714_564_800, "2024-05-01T12:00:00Z".into()),
                (1_714_564_801, "2024-05-01T12:00:00Z".into()),
                (1_714_564_860, "2024-05-01T12:00:00Z".into()),
                (1_714_564_740, "2024-05-01T12:00:00Z".into()),
                (1_714_564_861, "2024-05-01T12:01:01Z".into()),
                (1_714_564_820, "2024-05-01T12:01:01Z".into()),
            ],
        );
    }

    #[test]
    fn the_dead_band_says_how_much_is_a_correction() {
        check(
            1.0,
            [
                (1_714_564_800, "2024-05-01T12:00:00Z".into()),
                (1_714_564_801, "2024-05-01T12:00:00Z".into()),
                (1_714_564_802, "2024-05-01T12:00:02Z".into()),
            ],
        );
    }

    #[test]
    fn only_a_time_within_the_calendar_is_a_boot_time() {
        for text in
            ["", "btime\n", "btime x\n", "btime 99999999999999\n", "btime -99999999999999\n", "xbtime 5\n"]
        {
            assert_eq!(boot_time(text), None, "{text:?}");
        }
    }

    #[test]
    fn nothing_makes_the_parser_panic() {
        let stat = "cpu 1 2\nintr 5 0 0\nbtime 1714564800\nprocesses 7\n";
        let found = garbage(stat).filter(|text| boot_time(text).is_some()).count();
        assert!((1..2_000).contains(&found), "{found}");
    }
}
