//! A Mosquitto on the loopback.

use std::error::Error;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A broker of our own, on a port that was free.
pub(crate) struct Mosquitto {
    process: Child,
    pub(crate) port: u16,
    /// Gone with it.
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts it, and waits until it listens.
    pub(crate) fn start() -> Result<Mosquitto, Box<dyn Error>> {
        Mosquitto::start_with("")
    }

    /// The same, with more `lines` of configuration for its listener.
    pub(crate) fn start_with(lines: &str) -> Result<Mosquitto, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = folder.path().join("mosquitto.conf");
        // Started by root it would go on as a user who cannot read our folders.
        let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n{lines}");
        fs::write(&configuration, text)?;
        // Debian keeps daemons where not every shell looks.
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("mosquitto");
        command.env("PATH", path).arg("-c").arg(configuration);
        let process = command.stderr(Stdio::null()).spawn()?;
        let mut mosquitto = Mosquitto { process, port, _folder: folder };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if mosquitto.process.try_wait()?.is_some() {
                return Err("Mosquitto does not start".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(mosquitto)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Between two looks whether it listens.
const PAUSE: Duration = Duration::from_millis(1);
