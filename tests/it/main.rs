//! The integration tests, as one program: scenarios of the real binary against a real Mosquitto, and the rules of
//! the source tree.
//!
//! Every scenario has folders, ports and processes of its own, so they all run at the same time.

mod layering;
mod scenario_announce;
mod scenario_availability;
mod scenario_cli;
mod scenario_connection;
mod scenario_delivery;
mod scenario_discovery;
mod scenario_lifecycle;
mod scenario_takeover;
#[allow(
    dead_code,
    unused_imports,
    reason = "what the scenarios are written with need not be used by each of them"
)]
mod support;
mod support_itself;
