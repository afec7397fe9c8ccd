//! The local protocol, version 1: what other programs write to the socket, and what they read from it. A JSON object a line, and
//! an answer a line, in order. Pure: no input or output. `PROTOCOL.md` is its reference.

mod answer;
mod description;
mod event;
mod failure;
mod fields;
mod operation;
mod payload;
mod request;
mod shown;
pub mod status;
#[cfg(test)]
mod tests;
mod traits;
mod value;

pub use answer::{Answer, Reply};
pub use description::entity;
pub use event::{device, message, no_device};
pub use failure::{Code, Failure};
pub use payload::{payload_field, payload_of};
pub use request::{Envelope, Request};
pub use status::{Client, Connection, Figures, Memory, Spool, Status, Trouble};
pub use value::value;

use payload::decoded;
use shown::shown;

/// The version of the protocol. It counts up when a program that keeps to the reference would no longer work.
pub const VERSION: u32 = 1;

/// The longest line in bytes, its end not counted, in either direction: some hundred times what a reading needs.
pub const LINE_BYTES: usize = 256 << 10;
