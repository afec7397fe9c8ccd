//! The kernel, thinly: files that survive a power cut, GPIO lines and processes.

pub mod file;
pub mod gpio;
mod halt;
pub mod process;

pub use halt::Halt;
