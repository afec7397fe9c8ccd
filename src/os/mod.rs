//! The kernel, thinly: GPIO lines and processes.
