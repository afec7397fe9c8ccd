//! The integration tests, as one program: scenarios of the real binary against a real Mosquitto, and the rules of
//! the source tree.
//!
//! Every scenario has folders, ports and processes of its own, so they all run at the same time.

mod hardening_machine;
mod layering;
mod readme;
#[allow(
    dead_code,
    unused_imports,
    reason = "what the scenarios are written with need not be used by each of them"
)]
mod support;
mod support_itself;
