//! The programs in `examples/`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The program `examples/<name>.rs`, brought up to date: `cargo test` builds examples, `cargo test --test it` does not.
pub(crate) fn example(name: &str) -> PathBuf {
    static ONCE: Once = Once::new();
    // Where cargo puts them, beside the program under test.
    let folder = Path::new(env!("CARGO_BIN_EXE_luigi-mqtt")).parent().expect("it is in a folder");
    ONCE.call_once(|| {
        let Some(cargo) = env::var_os("CARGO") else { return };
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--locked", "--examples"]);
        command.args(folder.ends_with("release").then_some("--release"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(command.status().unwrap().success(), "{command:?}");
    });
    folder.join("examples").join(name)
}
