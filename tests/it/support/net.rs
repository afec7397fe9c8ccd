//! Ports, and a peer that accepts and says nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

/// A loopback port on which nobody listens, another one at each call.
///
/// Outside the range from which the kernel takes ports for outgoing connections: there, a client that tries a port
/// without listener again and again ends up connected to itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    free_port_from(FIRST_PORT, &NEXT)
}

/// The same for a listener that leaves its port now and then and comes back: from a range of its own, where hardly
/// another program looks for a port meanwhile.
pub(super) fn lasting_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    free_port_from(FIRST_PORT - PORTS, &NEXT)
}

fn free_port_from(first: u16, next: &AtomicU16) -> u16 {
    // Another start for each process, so that two test runs on a machine hardly meet.
    let start = u16::try_from(process::id() * 37 % u32::from(PORTS)).expect("less than PORTS");
    let mut candidates = (0..PORTS).map(|_| first + (start + next.fetch_add(1, SeqCst)) % PORTS);
    candidates
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("one loopback port in ten thousand is free")
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

/// A peer that accepts TCP connections, keeps them open, and never reads or writes.
pub(crate) struct SilentPeer {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SilentPeer {
    /// Begins to listen on a loopback port.
    pub(crate) fn start() -> SilentPeer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, ending) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&accepted), Arc::clone(&ending));
        let thread = thread::spawn(move || {
            let mut open = Vec::new();
            for connection in listener.incoming().map(Result::unwrap) {
                if end.load(SeqCst) {
                    return;
                }
                open.push(connection);
                count.fetch_add(1, SeqCst);
            }
        });
        SilentPeer { address, accepted, ending, thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections it has accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

impl Drop for SilentPeer {
    fn drop(&mut self) {
        self.ending.store(true, SeqCst);
        drop(TcpStream::connect(self.address)); // Wakes `incoming`.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
