//! Being a good citizen of the machine: the log, the signals that end us, the word with the service manager, and its
//! watchdog.

mod console;
mod log_file;
pub mod logging;
mod notify;
pub mod signal;
mod watchdog;

pub use notify::Notifier;
pub use watchdog::Watchdog;
