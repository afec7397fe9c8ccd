//! What processes take of the machine while they have little or nothing to do.

use std::error::Error;
use std::process::Child;
use std::thread;
use std::time::Duration;

use crate::usage::Usage;

/// A process that ends with its value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Watches `subjects` for so long, and prints what each takes. Returns their VmRSS and RssAnon.
pub(crate) fn watch(subjects: &[(&str, Running)], time: Duration) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    thread::sleep(SETTLE);
    let usages =
        || subjects.iter().map(|(_, it)| Usage::of(&it.0.id().to_string())).collect::<Result<Vec<_>, _>>();
    let before = usages()?;
    thread::sleep(time);

    println!("\nwatched for {} s, after {} s to settle:", time.as_secs(), SETTLE.as_secs());
    let heads = ["VmRSS kB", "RssAnon", "Pss", "threads", "wake-ups/min", "CPU s/hour"];
    println!("{:46}{}", "", heads.map(|it| format!("{it:>13}")).concat());
    let mut sizes = Vec::new();
    for ((name, _), (before, usage)) in subjects.iter().zip(before.iter().zip(usages()?)) {
        print(name, before, &usage, time.as_secs_f64() / 60.0);
        sizes.push((usage.rss as f64, usage.anonymous as f64));
    }
    Ok(sizes)
}

fn print(name: &str, before: &Usage, usage: &Usage, minutes: f64) {
    let wakes = usage.switches().saturating_sub(before.switches()) as f64 / minutes;
    let cpu = (usage.ran.saturating_sub(before.ran)).as_secs_f64() / minutes * 60.0;
    let Usage { rss, anonymous, proportional, .. } = usage;
    let threads = usage.threads.len();
    println!("{name:46}{rss:>13}{anonymous:>13}{proportional:>13}{threads:>13}{wakes:>13.1}{cpu:>13.2}");
    for (thread, switches) in &usage.threads {
        let earlier = before.threads.iter().find(|(name, _)| name == thread).map_or(0, |it| it.1);
        println!("  {thread:96}{:>13.1}", switches.saturating_sub(earlier) as f64 / minutes);
    }
}

/// How long connecting, announcing and the first samples are over after.
const SETTLE: Duration = Duration::from_secs(10);
