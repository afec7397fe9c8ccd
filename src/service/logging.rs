//! Where log lines go: the console, which may be systemd's journal, and a rotating file.

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use simplelog::{CombinedLogger, ConfigBuilder, SharedLogger, WriteLogger};

use super::console::{Console, TIME};
use super::log_file::LogFile;
use crate::config::Logging;

/// Starts logging as `logging` wants it, for the rest of the process's life.
///
/// Only this crate's own lines appear: what the libraries below us have to say, the link says in our words.
/// A log file that cannot be opened is one warning, and the console goes on alone.
///
/// Whoever logs waits for the line to be written: as long as the console takes, and the file system.
///
/// # Errors
///
/// Logging has been started before in this process; that start holds.
pub fn start(logging: &Logging) -> Result<(), SetLoggerError> {
    let console = Console::of_process();
    let mut loggers: Vec<Box<dyn SharedLogger>> = vec![Box::new(ConsoleLogger { console })];
    let mut problem = None;
    if let Some(path) = &logging.file {
        match LogFile::open(path, logging.max_bytes, logging.backups, console) {
            Ok(file) => loggers.push(WriteLogger::new(EVERY_LEVEL, file_format(), file)),
            Err(cause) => problem = Some((path, cause)),
        }
    }
    log::set_boxed_logger(CombinedLogger::new(loggers))?;
    set_level(logging.level);
    if let Some((path, cause)) = problem {
        log::warn!("cannot open the log file {}: {cause}: logging to the console only", path.display());
    }
    Ok(())
}

/// Has lines up to `level` appear from here on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// The console as one of simplelog's loggers.
struct ConsoleLogger {
    console: Console,
}

impl Log for ConsoleLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(OURS)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.console.say(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

impl SharedLogger for ConsoleLogger {
    fn level(&self) -> LevelFilter {
        EVERY_LEVEL
    }

    fn config(&self) -> Option<&simplelog::Config> {
        None
    }

    fn as_log(self: Box<Self>) -> Box<dyn Log> {
        self
    }
}

/// Lines of the file: as on a terminal.
fn file_format() -> simplelog::Config {
    ConfigBuilder::new()
        .add_filter_allow_str(OURS)
        .set_time_format_custom(TIME)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

/// What the loggers let through: [`set_level`] decides, before it comes to them.
const EVERY_LEVEL: LevelFilter = LevelFilter::Trace;
/// Target of each line of this crate, library and binary alike.
const OURS: &str = "luigi_mqtt";

#[cfg(test)]
mod tests {
    use std::fs;

    use log::Level;

    use super::*;

    #[test]
    fn only_our_own_lines_reach_the_console() {
        let logger = ConsoleLogger { console: Console::Terminal };
        let shown = |level, target| logger.enabled(&Metadata::builder().level(level).target(target).build());
        assert!(shown(Level::Info, "luigi_mqtt::bridge"));
        assert!(!shown(Level::Error, "mio::poll"));
    }

    #[test]
    fn the_file_gets_our_own_lines_with_time_and_level() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("luigi.log");
        let file = LogFile::open(&path, 1 << 20, 5, Console::Terminal).unwrap();
        let logger = WriteLogger::new(LevelFilter::Info, file_format(), file);
        let levels =
            [("luigi_mqtt::link", Level::Info), ("mio::poll", Level::Error), ("luigi_mqtt", Level::Debug)];
        for (target, level) in levels {
            let record = Record::builder().target(target).level(level).args(format_args!("link up")).build();
            logger.log(&record);
        }
        let text = fs::read_to_string(path).unwrap();
        let shape = text.replace(|it: char| it.is_ascii_digit(), "0");
        assert_eq!(shape, "0000-00-00T00:00:00Z [INFO] link up\n");
    }
}
