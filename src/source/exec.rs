//! What programs print, and how they end.

use std::error::Error;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::extract::Extractor;
use super::{Pace, Polled, Sample, Source, SourceError};
use crate::config::Declared;
use crate::config::Extract;
use crate::config::Feed;
use crate::config::Input;
use crate::entity::Entity;
use crate::model::Program;
use crate::model::Value;
use crate::os::Halt;
use crate::os::process;
use crate::os::process::Finished;

/// The sources of `runs`, each of sections that share the runs of a program.
///
/// Nothing is run yet.
pub(super) fn sources(runs: Vec<Vec<&Declared>>) -> Vec<Polled> {
    if runs.is_empty() {
        return Vec::new();
    }
    let halt = Halt::new().inspect_err(|cause| log::warn!("programs cannot be ended when we stop: {cause}"));
    let halt = halt.ok();
    runs.iter().filter_map(|run| polled(run, halt.as_ref())).collect()
}

/// Those of `declared` that ask a program, in groups that share one source, whose every run has a value for each of them: they
/// ask the same program at the same interval, and may miss as many samples.
pub(super) fn runs(declared: &[Declared]) -> Vec<Vec<&Declared>> {
    let mut runs: Vec<Vec<&Declared>> = Vec::new();
    for it in declared {
        let Some(run) = run_of(it) else { continue };
        match runs.iter_mut().find(|group| run_of(group[0]) == Some(run)) {
            Some(group) => group.push(it),
            None => runs.push(vec![it]),
        }
    }
    runs
}

/// What sections have in common that share a source.
fn run_of(declared: &Declared) -> Option<(&Program, Duration, u16)> {
    let input = declared.input.as_ref()?;
    let Feed::Exec { program, .. } = &input.feed else { return None };
    Some((program, input.interval, input.misses))
}

/// The source of those that share `run`, which is not empty.
fn polled(run: &[&Declared], halt: Option<&Halt>) -> Option<Polled> {
    let (program, interval, misses) = run_of(run[0])?;
    let mut exec =
        Exec { program: program.clone(), entities: Vec::new(), parts: Vec::new(), halt: halt.cloned() };
    let mut filters = Vec::new();
    for declared in run {
        let Some(Input { feed: Feed::Exec { extract, .. }, filtering, .. }) = &declared.input else {
            continue;
        };
        exec.entities.push(declared.entity.clone());
        exec.parts.push(Part::new(extract, &declared.entity));
        filters.push(filtering.clone());
    }
    Some(Polled {
        owner: run[0].section.clone(),
        source: Box::new(exec),
        pace: Pace::Slow,
        interval,
        filters,
        misses,
        delay: Duration::ZERO,
        delivery: None,
        qos: None,
    })
}

/// A program, of which each run has a value for each of some entities.
struct Exec {
    program: Program,
    entities: Vec<Entity>,
    /// What each of them is told.
    parts: Vec<Part>,
    halt: Option<Halt>,
}

/// What of a run an entity is told.
enum Part {
    /// Whether it ended with status 0.
    Status,
    /// Something that it printed.
    Output(Extractor),
}

impl Part {
    fn new(extract: &Extract, entity: &Entity) -> Part {
        match extract {
            Extract::ExitStatus => Part::Status,
            extract => Part::Output(Extractor::new(extract, entity)),
        }
    }
}

impl Source for Exec {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let run = process::run(&self.program, &[], None, self.halt.as_ref());
        let Finished { status, output, complaint } = run.map_err(|it| self.failed(it))?;
        let bad_end = || self.failed(BadEnd { status, complaint: complaint.clone() });
        let tells_status = self.parts.iter().any(|it| matches!(it, Part::Status));
        let tells_nothing = status.code().is_none_or(|it| self.program.could_not_run(it));
        if tells_nothing || !status.success() && !tells_status {
            return Err(bad_end());
        }
        let text = String::from_utf8_lossy(&output);
        samples.extend(self.parts.iter().map(|part| match part {
            Part::Status => Ok(Value::Switch(status.success())),
            Part::Output(_) if !status.success() => Err(bad_end()),
            Part::Output(extractor) => extractor.value(&text).map_err(|refusal| self.failed(refusal)),
        }));
        Ok(())
    }

    fn limit(&self) -> Duration {
        self.program.limit + ENDING
    }

    fn halt(&self) -> Option<Halt> {
        self.halt.clone()
    }
}

impl Exec {
    fn failed(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> SourceError {
        SourceError::Program { program: self.program.to_string(), cause: cause.into() }
    }
}

/// What it printed is not to be trusted, for it ended like this.
#[derive(Debug)]
struct BadEnd {
    status: ExitStatus,
    complaint: String,
}

impl fmt::Display for BadEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "expected status 0, found {code}")?,
            (None, Some(signal)) => write!(f, "signal {signal} ended it")?,
            (None, None) => f.write_str("it did not end by itself")?,
        }
        if self.complaint.is_empty() { Ok(()) } else { write!(f, " ({})", self.complaint) }
    }
}

impl Error for BadEnd {}

/// How long a program that has run for its limit takes to be ended, and a moment: a failure of its own is told then.
const ENDING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::thread;
    use std::time::Instant;

    use crate::config::Filtering;
    use crate::config::Place;
    use crate::entity::BinarySensor;
    use crate::entity::Sensor;
    use crate::model::Chain;

    const LIMIT: Duration = Duration::from_secs(20);

    fn declared(id: &str, line: &str, extract: Extract) -> Declared {
        let entity = match extract {
            Extract::ExitStatus => BinarySensor::new(id, id).build(),
            Extract::Text => Sensor::new(id, id).build(),
            _ => Sensor::new(id, id).unit("V").build(),
        };
        let program = Program::shell(line, LIMIT);
        Declared {
            section: format!("Sensor {id}"),
            place: Place::File("luigi-mqtt.conf".into()),
            entity: entity.unwrap(),
            input: Some(Input {
                feed: Feed::Exec { program, extract },
                interval: Duration::from_secs(60),
                misses: 3,
                filtering: Filtering::plain(0.0, LIMIT),
            }),
            output: None,
        }
    }

    fn sources_of(declared: &[Declared]) -> Vec<Polled> {
        sources(runs(declared))
    }

    /// What one run of `line` tells of each of `extracts`: the value, or the error with its causes.
    #[track_caller]
    fn check(line: &str, extracts: &[Extract], expected: &[Result<Value, &str>]) {
        let sections: Vec<Declared> = extracts
            .iter()
            .enumerate()
            .map(|(at, it)| declared(&format!("e{at}"), line, it.clone()))
            .collect();
        let mut polled = sources_of(&sections);
        assert_eq!(polled.len(), 1);
        let mut samples = Vec::new();
        if let Err(error) = polled[0].source.sample(&mut samples) {
            samples = vec![Err(error)];
        }
        let found: Vec<Result<Value, String>> =
            samples.into_iter().map(|it| it.map_err(|error| Chain(&error).to_string())).collect();
        let expected: Vec<Result<Value, String>> = expected
            .iter()
            .map(|it| it.clone().map_err(|it| format!("cannot have a value from /bin/sh: {it}")))
            .collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn each_entity_is_told_its_part_of_what_a_run_brings() {
        let pointer = |it: &str| Extract::Pointer(it.to_owned());
        check("echo 21.5", &[Extract::Number], &[Ok(21.5.into())]);
        check(
            r#"echo '{"in": 21.5, "out": null}'"#,
            &[pointer("/in"), pointer("/out"), Extract::ExitStatus, Extract::Regex("t\": ([a-z]*)".into())],
            &[
                Ok(21.5.into()),
                Ok(Value::Unknown),
                Ok(true.into()),
                Err(
                    "expected a number that matches \"t\\\": ([a-z]*)\", found \"{\\\"in\\\": 21.5, \\\"out\\\": null}\"",
                ),
            ],
        );
    }

    #[test]
    fn a_status_other_than_0_is_off_to_who_asks_for_it_and_a_failure_to_others() {
        check("exit 3", &[Extract::ExitStatus], &[Ok(false.into())]);
        // The shell's word that there is no such program.
        check("exit 127", &[Extract::ExitStatus], &[Err("expected status 0, found 127")]);
        let error = Err("expected status 0, found 3 (no bus)");
        check("echo 5; echo no bus >&2; exit 3", &[Extract::Number], std::slice::from_ref(&error));
        check(
            "echo 5; echo no bus >&2; exit 3",
            &[Extract::Number, Extract::ExitStatus],
            &[error, Ok(false.into())],
        );
    }

    #[test]
    fn what_does_not_end_by_itself_fails_for_all() {
        let both = [Extract::ExitStatus, Extract::Text];
        check("echo x; kill -9 $$", &both, &[Err("signal 9 ended it")]);
        check("yes", &both, &[Err("/bin/sh was killed: expected at most 64 KiB of output, found more")]);
    }

    #[test]
    fn sections_share_a_run_where_program_interval_and_misses_are_the_same() {
        let mut sections =
            ["one", "one", "two", "one", "one", "one"].map(|it| declared("a", it, Extract::Text));
        sections[1].input.as_mut().unwrap().filtering.dead_band = 7.0;
        sections[3].input.as_mut().unwrap().interval = Duration::from_secs(61);
        sections[4].input.as_mut().unwrap().misses = 4;
        sections[5].input = None;
        let found = sources_of(&sections);
        let found: Vec<(usize, u64, u16, Vec<f64>)> = found
            .iter()
            .map(|it| {
                let bands = it.filters.iter().map(|it| it.dead_band).collect();
                (it.source.entities().len(), it.interval.as_secs(), it.misses, bands)
            })
            .collect();
        assert_eq!(
            found,
            [(2, 60, 3, vec![0.0, 7.0]), (1, 60, 3, vec![0.0]), (1, 61, 3, vec![0.0]), (1, 60, 4, vec![0.0])]
        );
    }

    #[test]
    fn a_program_may_take_as_long_as_its_limit_before_it_hangs() {
        let sources = sources_of(&[declared("a", "sleep 1", Extract::Text)]);
        assert!(sources[0].source.limit() > LIMIT);
    }

    /// Waits until there is a process number in the file `path`, and returns it.
    fn wait_for_number(path: &Path) -> String {
        let began = Instant::now();
        loop {
            match fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => assert!(began.elapsed() < LIMIT, "nothing is started"),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_program_that_runs_when_we_stop_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let number = folder.path().join("number");
        let line = format!("echo $$ > {}; sleep 1000", number.display());
        let mut polled = sources_of(&[declared("a", &line, Extract::Text)]);
        let halt = polled[0].source.halt().unwrap();
        let running = thread::spawn(move || polled[0].source.sample(&mut Vec::new()));
        let number = wait_for_number(&number);
        halt.set();
        assert!(running.join().unwrap().is_err());
        assert!(!Path::new("/proc").join(number).exists());
    }
}
