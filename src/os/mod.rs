//! The kernel, thinly: files that survive a power cut, GPIO lines and processes.

mod bell;
pub mod file;
pub mod gpio;
mod halt;
mod mapped;
pub mod process;

pub use bell::Bell;
pub use halt::Halt;
pub use mapped::unmap_idle_code;
