//! The console: standard error, in the form that its reader wants.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use log::Level;
use simplelog::{FormatItem, format_description};
use time::OffsetDateTime;

/// Where log lines are seen at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Console {
    /// A person, or whoever keeps our standard error: time, level, message.
    Terminal,
    /// systemd's journal: it notes the time itself, and the level from a prefix `<3>` to `<7>` (sd-daemon(3)).
    Journal,
}

impl Console {
    /// The form that fits this process's standard error.
    pub(super) fn of_process() -> Console {
        let named = env::var("JOURNAL_STREAM").ok();
        let stderr = io::stderr().as_fd().try_clone_to_owned().and_then(|it| File::from(it).metadata());
        match (named, stderr) {
            // The variable is inherited by children whose standard error may go elsewhere: hence the comparison.
            (Some(named), Ok(it)) if named == format!("{}:{}", it.dev(), it.ino()) => Console::Journal,
            _ => Console::Terminal,
        }
    }

    /// Writes `message`. A console that is gone is nothing anybody could be told of.
    pub(super) fn say(self, level: Level, message: &str) {
        let text = self.text(level, message, OffsetDateTime::now_utc());
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// What is written for `message`, line break included. For the journal each line of it has its own prefix.
    fn text(self, level: Level, message: &str, now: OffsetDateTime) -> String {
        match self {
            Console::Terminal => {
                let time = now.format(TIME).expect("a date and a time have all that the format asks for");
                format!("{time} [{level}] {message}\n")
            }
            Console::Journal => {
                let priority = priority(level);
                message.lines().map(|line| format!("<{priority}>{line}\n")).collect::<Vec<_>>().concat()
            }
        }
    }
}

/// syslog(3)'s number of `level`.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// RFC 3339 in UTC: the same all year, and no guess at the zone from a process with threads.
pub(super) const TIME: &[FormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_console_gets_lines_in_its_own_form() {
        let now = OffsetDateTime::from_unix_timestamp(1_781_234_567).unwrap();
        #[rustfmt::skip]
        let rows = [
            (Console::Terminal, Level::Warn,  "link down", "2026-06-12T03:22:47Z [WARN] link down\n"),
            (Console::Journal,  Level::Error, "link down", "<3>link down\n"),
            (Console::Journal,  Level::Warn,  "link down", "<4>link down\n"),
            (Console::Journal,  Level::Info,  "link up",   "<6>link up\n"),
            (Console::Journal,  Level::Debug, "sent",      "<7>sent\n"),
            (Console::Journal,  Level::Trace, "sent",      "<7>sent\n"),
            (Console::Journal,  Level::Info,  "a\n<0>b",   "<6>a\n<6><0>b\n"),
        ];
        for (console, level, message, expected) in rows {
            assert_eq!(console.text(level, message, now), expected);
        }
    }
}
