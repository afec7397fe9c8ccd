//! The daemon, as a process of its own that is asked through its socket.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The release binary's `run`, in a folder of its own.
pub(crate) struct Daemon {
    pub(crate) process: Child,
    folder: TempDir,
}

impl Daemon {
    /// Starts it with `lines` in `[Broker]` and these `sections`, and waits until the broker has acknowledged a reading of the
    /// sensor `probe`.
    pub(crate) fn start(lines: &str, sections: &str, probe: &str) -> Result<Daemon, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let shown = folder.path().display();
        let text = format!(
            "[Broker]\n{lines}[Client]\nCLIENT_ID=bench\n[Spool]\nDIRECTORY={shown}\n[Socket]\nPATH={shown}/socket\n\
             [Logging]\nLOG_FILE=\nLOG_LEVEL=ERROR\n[Host]\nSENSORS=none\n{sections}"
        );
        let config = folder.path().join("luigi-mqtt.conf");
        fs::write(&config, text)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
        let process = command.args(["run", "--config"]).arg(&config).stdin(Stdio::null()).spawn()?;
        let daemon = Daemon { process, folder };
        let deadline = Instant::now() + LIMIT;
        let stream = loop {
            match UnixStream::connect(daemon.socket()) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => thread::sleep(PAUSE),
            }
        };
        writeln!(&stream, r#"{{"op":"reading","entity":"{probe}","value":1,"wait":{}}}"#, LIMIT.as_secs())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        match answer.contains("delivered") {
            true => Ok(daemon),
            false => Err(format!("the daemon answers {answer}").into()),
        }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("socket")
    }

    /// Its folder, which is gone with it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How long connecting and announcing may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks whether it listens.
const PAUSE: Duration = Duration::from_millis(5);
