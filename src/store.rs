//! Small values that survive a restart: counters, and what outputs were set to.
