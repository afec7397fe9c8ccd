//! What others announce to Home Assistant, and what can be done with it.

pub mod capability;
