//! mock (to be written).
