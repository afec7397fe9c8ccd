//! A network in which everything takes its time.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;

/// Passes on to the broker at `port` what comes to the port that is returned, and back, each `delay` later. The handshake of TCP
/// takes twice that, as it would there.
pub(crate) fn distance(port: u16, delay: Duration) -> Result<u16, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) else { return };
            for (from, to, late) in [(&client, &broker, delay * 2), (&broker, &client, Duration::ZERO)] {
                let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
                pass_on(from, to, delay, Instant::now() + late);
            }
        }
    });
    Ok(own)
}

/// Has threads pass on all that comes from `from` until its end, nothing before `earliest`.
fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration, earliest: Instant) {
    let (sender, receiver) = unbounded::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let due = Instant::now().max(earliest) + delay;
            if sender.send((due, chunk[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        let _ = to.set_nodelay(true);
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
