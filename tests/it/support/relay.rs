//! A network that can be cut: bytes pass through it while it is whole.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A way to a loopback port by way of another, which is where clients connect.
pub(crate) struct Relay {
    address: SocketAddr,
    way: Arc<Mutex<Way>>,
    thread: Option<JoinHandle<()>>,
}

/// What becomes of a connection.
enum Way {
    /// It is passed on; these are.
    Whole(Vec<TcpStream>),
    /// It is closed at once.
    Cut,
    /// The relay is gone.
    Ended,
}

impl Relay {
    /// A whole way to `port`.
    pub(crate) fn start(port: u16) -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Mutex::new(Way::Whole(Vec::new())));
        let shared = Arc::clone(&way);
        let thread = thread::spawn(move || {
            for near in listener.incoming().map(Result::unwrap) {
                match &mut *shared.lock().unwrap() {
                    Way::Whole(open) => {
                        // A broker that is away closes the connection, as a cut does.
                        let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                        open.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                        pass(near.try_clone().unwrap(), far.try_clone().unwrap());
                        pass(far, near);
                    }
                    Way::Cut => {}
                    Way::Ended => return,
                }
            }
        });
        Relay { address, way, thread: Some(thread) }
    }

    /// Where clients connect.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends all connections, and each that is tried, until [`Relay::mend`].
    pub(crate) fn cut(&self) {
        self.turn(Way::Cut);
    }

    /// Ends what [`Relay::cut`] began.
    pub(crate) fn mend(&self) {
        self.turn(Way::Whole(Vec::new()));
    }

    fn turn(&self, next: Way) {
        let mut way = self.way.lock().unwrap();
        if let Way::Whole(open) = &*way {
            for connection in open {
                let _ = connection.shutdown(Shutdown::Both); // It may have ended by itself.
            }
        }
        *way = next;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.turn(Way::Ended);
        drop(TcpStream::connect(self.address)); // Wakes `incoming`.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Copies from one end to the other until either is closed, on a thread of its own.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
