//! entity (to be written).
