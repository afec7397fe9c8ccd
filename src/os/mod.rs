//! The kernel, thinly: files that survive a power cut, GPIO lines and processes.

mod bell;
pub mod file;
pub mod gpio;
mod halt;
pub mod process;

pub use bell::Bell;
pub use halt::Halt;
