//! How well the Wi-Fi is received.

use std::path::Path;

use super::super::read::KernelFile;
use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// Signal level of the first wireless interface, dBm (`/proc/net/wireless`, proc_net_wireless(5) and the
/// kernel's `include/uapi/linux/wireless.h`). Unknown while the interface is not associated.
pub(super) struct WifiSignal {
    entities: [Entity; 1],
    wireless: KernelFile,
}

impl WifiSignal {
    /// The wireless interface of the machine under `root`.
    pub(super) fn new(root: &Path) -> WifiSignal {
        let entity = Sensor::new("wifi_signal", "Wi-Fi signal")
            .device_class("signal_strength")
            .unit("dBm")
            .state_class("measurement")
            .precision(0)
            .category_diagnostic()
            .build()
            .expect("a test builds every entity of the host");
        WifiSignal { entities: [entity], wireless: KernelFile::new(root, "proc/net/wireless") }
    }
}

impl Source for WifiSignal {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        samples.push(Ok(self.wireless.parse("a line with a wireless interface and its level", signal)?));
        Ok(())
    }
}

/// The level of the first interface; `None` when there is no interface.
fn signal(wireless: &str) -> Option<Value> {
    // Below the headings, which have no colon: `wlan0: 0000   58.  -52.  -256 …`, that is status, quality,
    // level, noise. A dot marks a figure that is new since it was last read.
    let (_, figures) = wireless.lines().find_map(|line| line.split_once(':'))?;
    let level: i32 = figures.split_ascii_whitespace().nth(2)?.trim_end_matches('.').parse().ok()?;
    // Drivers that do not say that they mean dBm are printed as the byte that they gave; from 64 on
    // it is a negative dBm, as the wireless tools read it.
    let dbm = if level > 63 { level.checked_sub(256)? } else { level };
    Some(if PLAUSIBLE.contains(&dbm) { Value::Number(f64::from(dbm)) } else { Value::Unknown })
}

/// 0 and -256 are told while there is no connection, positive figures by drivers that know a relative level only.
/// Nothing can be received below -120 dBm: that is far under the noise of the receiver itself.
const PLAUSIBLE: std::ops::RangeInclusive<i32> = -120..=-1;

#[cfg(test)]
mod tests {
    use super::super::super::read::garbage;
    use super::*;

    const HEADINGS: &str = "\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
";

    #[test]
    fn the_level_is_read_as_the_wireless_tools_read_it() {
        for (lines, expected) in [
            (
                " wlan0: 0000   58.  -52.  -256        0      0      0      4      0        0\n",
                Some((-52.0).into()),
            ),
            (" wlan0: 0000   58   -52   -256        0\n", Some((-52.0).into())),
            (" wlan0: 0000   70.  204.  0.       0\n", Some((-52.0).into())),
            (" wlan0: 0000    0     0     0        0\n", Some(Value::Unknown)),
            (" wlan0: 0000    0  -256  -256        0\n", Some(Value::Unknown)),
            (" wlan0: 0000   70.   70.    0.       0\n", Some(Value::Unknown)),
            (" wlan0: 0000   40.   40.    0.       0\n", Some(Value::Unknown)),
            (" wlan0: 0000   58.  -52.  -256 0\n wlan1: 0000 10. -80. -256 0\n", Some((-52.0).into())),
            (" wlan0: 0000   58.\n", None),
            (" wlan0: 0000   58.  -2147483649.  -256 0\n", None),
            ("", None),
        ] {
            assert_eq!(signal(&format!("{HEADINGS}{lines}")), expected, "{lines:?}");
        }
        assert_eq!(signal(""), None);
    }

    #[test]
    fn nothing_makes_the_parser_panic_or_return_nonsense() {
        for text in garbage(&format!("{HEADINGS} wlan0: 0000   58.  -52.  -256        0      0      0\n")) {
            if let Some(Value::Number(dbm)) = signal(&text) {
                assert!((-120.0..0.0).contains(&dbm), "{text:?}");
            }
        }
    }
}
