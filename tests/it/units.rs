//! The units that the packages have.

use std::path::Path;
use std::process::Command;

#[test]
fn systemd_understands_the_units_and_the_service_is_closed_in() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-units");
    let output = Command::new(script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
