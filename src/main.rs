//! The `luigi-mqtt` command.

fn main() {}
