//! How busy the machine is: the load averages.

use std::path::Path;

use super::super::read::KernelFile;
use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// The load averages over 1, 5 and 15 minutes: how many processes run or wait to, on average
/// (`/proc/loadavg`, proc(5)).
pub(super) struct Load {
    entities: [Entity; 3],
    loadavg: KernelFile,
}

impl Load {
    /// The load of the machine under `root`.
    pub(super) fn new(root: &Path) -> Load {
        // Home Assistant averages by itself: the two slower figures are there for those who ask for them.
        let entity = |id, minutes, enabled| {
            Sensor::new(id, &format!("Load ({minutes} min)"))
                .state_class("measurement")
                .precision(2)
                .icon("mdi:gauge")
                .category_diagnostic()
                .enabled_by_default(enabled)
                .build()
                .expect("a test builds every entity of the host")
        };
        Load {
            entities: [
                entity("load_1m", 1, true),
                entity("load_5m", 5, false),
                entity("load_15m", 15, false),
            ],
            loadavg: KernelFile::new(root, "proc/loadavg"),
        }
    }
}

impl Source for Load {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let averages = self.loadavg.parse("three load averages", averages)?;
        samples.extend(averages.map(|it| Ok(Value::Number(it))));
        Ok(())
    }
}

fn averages(loadavg: &str) -> Option<[f64; 3]> {
    let mut numbers = loadavg.split_ascii_whitespace().map(|word| {
        // "nan" and "inf" are numbers to Rust, but none that Home Assistant takes.
        word.parse().ok().filter(|load: &f64| load.is_finite() && *load >= 0.0)
    });
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::super::super::read::garbage;
    use super::*;

    #[test]
    fn three_finite_numbers_are_a_load() {
        for (text, expected) in [
            ("0.10 0.65 12.66 2/99 8070\n", Some([0.10, 0.65, 12.66])),
            ("0.10 0.65\n", None),
            ("nan 0.65 0.66 2/99 8070\n", None),
            ("inf 0.65 0.66 2/99 8070\n", None),
            ("-1 0.65 0.66 2/99 8070\n", None),
            ("", None),
        ] {
            assert_eq!(averages(text), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_makes_the_parser_panic_or_return_nonsense() {
        for text in garbage("0.10 0.65 0.66 2/99 8070\n") {
            assert!(averages(&text).is_none_or(|it| it.iter().all(|load| load.is_finite())), "{text:?}");
        }
    }
}
