//! How much of the memory and of the swap space is in use.

use std::path::Path;

use super::super::read::{KernelFile, percentage};
use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// Memory or swap in use, in % of the whole (`/proc/meminfo`, proc(5)).
pub(super) struct MemoryUse {
    entities: [Entity; 1],
    meminfo: KernelFile,
    expected: &'static str,
    percentage: fn(&str) -> Option<f64>,
}

impl MemoryUse {
    /// The memory of the machine under `root`. What the kernel could hand out at once (`MemAvailable`)
    /// counts as free, not only what lies idle.
    pub(super) fn memory(root: &Path) -> MemoryUse {
        MemoryUse {
            entities: [entity("memory_use", "Memory use", "mdi:memory")],
            meminfo: KernelFile::new(root, "proc/meminfo"),
            expected: "MemTotal and MemAvailable",
            percentage: memory_use,
        }
    }

    /// The swap space of the machine under `root`. Has no value where there is none.
    pub(super) fn swap(root: &Path) -> MemoryUse {
        MemoryUse {
            entities: [entity("swap_use", "Swap use", "mdi:swap-horizontal")],
            meminfo: KernelFile::new(root, "proc/meminfo"),
            expected: "SwapFree and a SwapTotal above 0",
            percentage: swap_use,
        }
    }
}

impl Source for MemoryUse {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        samples.push(Ok(Value::Number(self.meminfo.parse(self.expected, self.percentage)?)));
        Ok(())
    }
}

fn entity(id: &str, name: &str, icon: &str) -> Entity {
    Sensor::new(id, name)
        .unit("%")
        .state_class("measurement")
        .precision(1)
        .icon(icon)
        .category_diagnostic()
        .build()
        .expect("a test builds every entity of the host")
}

fn memory_use(meminfo: &str) -> Option<f64> {
    let total = kilobytes(meminfo, "MemTotal")?;
    // Linux before 3.14 does not say what is available; this is what `free` showed then.
    let available = kilobytes(meminfo, "MemAvailable").or_else(|| {
        let [free, buffers, cached] = ["MemFree", "Buffers", "Cached"].map(|key| kilobytes(meminfo, key));
        Some(free?.saturating_add(buffers?).saturating_add(cached?))
    })?;
    percentage(total.saturating_sub(available), total)
}

fn swap_use(meminfo: &str) -> Option<f64> {
    let total = kilobytes(meminfo, "SwapTotal")?;
    percentage(total.saturating_sub(kilobytes(meminfo, "SwapFree")?), total)
}

fn kilobytes(meminfo: &str, key: &str) -> Option<u64> {
    let (_, value) =
        meminfo.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| *name == key)?;
    value.trim().trim_end_matches("kB").trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::read::garbage;
    use super::*;

    const MEMINFO: &str = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\n\
                           Cached: 250 kB\nSwapCached: 7 kB\nSwapTotal: 200 kB\nSwapFree: 150 kB\n";

    #[track_caller]
    fn check(meminfo: &str, memory: Option<f64>, swap: Option<f64>) {
        assert_eq!((memory_use(meminfo), swap_use(meminfo)), (memory, swap), "{meminfo}");
    }

    #[test]
    fn what_can_be_had_at_once_is_free() {
        check(MEMINFO, Some(40.0), Some(25.0));
        check("MemTotal: 3 kB\nMemAvailable: 1 kB", Some(66.7), None);
        check("MemTotal: 3 kB\nMemAvailable: 9 kB", Some(0.0), None);
    }

    #[test]
    fn an_old_kernel_counts_buffers_and_page_cache_as_free() {
        check(&MEMINFO.replace("MemAvailable", "X"), Some(60.0), Some(25.0));
        check("MemTotal: 1000 kB\nMemFree: 100 kB", None, None);
    }

    #[test]
    fn a_machine_without_swap_has_no_swap_use() {
        check(&MEMINFO.replace("SwapTotal: 200", "SwapTotal: 0"), Some(40.0), None);
    }

    #[test]
    fn nothing_makes_the_parser_panic_or_return_nonsense() {
        for text in garbage(MEMINFO) {
            for percentage in [memory_use(&text), swap_use(&text)].into_iter().flatten() {
                assert!((0.0..=100.0).contains(&percentage), "{text:?}");
            }
        }
    }
}
