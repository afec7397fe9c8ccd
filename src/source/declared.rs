//! The sources that the sections of the configuration declare.

use std::path::Path;
use std::time::Duration;

use super::exec;
use super::file::TextFile;
use super::hwmon::Hwmon;
use super::iio::Iio;
use super::w1::Thermometers;
use super::{Pace, Polled, Source};
use crate::config::Declared;
use crate::config::Feed;
use crate::config::Input;

/// The sources of those of `declared` that are asked for their values: files, 1-Wire thermometers, hardware monitoring and
/// industrial I/O, one for each in their order, all of it read under `root` (`/`, or a fixture tree); and the programs,
/// those that share their runs in one.
///
/// Nothing is read or run yet, but that 1-Wire thermometers are listed where all are asked for. What is not there now is
/// looked for at each sample.
pub fn sources(declared: &[Declared], root: &Path) -> Vec<Polled> {
    let read = declared.iter().filter_map(|declared| {
        let input = declared.input.as_ref()?;
        Some(polled(declared, source(declared, &input.feed, root)?, input))
    });
    read.chain(exec::sources(exec::runs(declared))).collect()
}

/// Those of `declared` that [`sources`] has sources for, in groups that share one, in their order. The first of a group is its
/// [owner](Polled::owner).
pub fn groups(declared: &[Declared]) -> Vec<Vec<&Declared>> {
    let is_read = |it: &&Declared| match &it.input {
        Some(Input { feed, .. }) => !matches!(feed, Feed::Exec { .. } | Feed::Gpio { .. } | Feed::Socket),
        None => false,
    };
    let read = declared.iter().filter(is_read).map(|it| vec![it]);
    read.chain(exec::runs(declared)).collect()
}

/// `None` for what is not read from files.
fn source(declared: &Declared, feed: &Feed, root: &Path) -> Option<Box<dyn Source>> {
    let entity = declared.entity.clone();
    Some(match feed {
        Feed::File { path, extract } => Box::new(TextFile::new(root, path, extract, entity)),
        Feed::W1 { device: Some(device) } => Box::new(Thermometers::one(root, device, entity)),
        Feed::W1 { device: None } => {
            let all = Thermometers::all(root, entity);
            if all.entities().is_empty() {
                log::warn!("[{}]: there is no 1-Wire thermometer yet", declared.section);
            }
            Box::new(all)
        }
        Feed::Hwmon(channel) => Box::new(Hwmon::new(root, channel.clone(), entity)),
        Feed::Iio(channel) => Box::new(Iio::new(root, channel.clone(), entity)),
        Feed::Exec { .. } | Feed::Gpio { .. } | Feed::Socket => return None,
    })
}

fn polled(declared: &Declared, source: Box<dyn Source>, input: &Input) -> Polled {
    Polled {
        owner: declared.section.clone(),
        source,
        // Behind each of these files there may be a bus, a disk or a server.
        pace: Pace::Slow,
        interval: input.interval,
        filters: vec![input.filtering.clone()],
        misses: input.misses,
        delay: Duration::ZERO,
        delivery: None,
        qos: None,
    }
}
