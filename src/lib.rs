//! luigi-mqtt: a Raspberry Pi's sensors in Home Assistant, over one MQTT connection that heals.
//!
//! Modules in reading order; see ARCHITECTURE.md for how they hang together.

pub mod model;
pub mod worker;

pub mod config;
pub mod dispatch;
pub mod entity;
pub mod outbox;
pub mod registry;

pub mod link;
pub mod service;
pub mod source;

pub mod bridge;
pub mod daemon;
pub mod mock;

pub mod cli;
