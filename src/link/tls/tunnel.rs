//! The way by which rumqttc speaks TLS: [`Tunnel`].
//!
//! rumqttc would look the broker's name up by itself, and check the certificate for whatever it connects to. So the TLS is
//! ours: we connect to an address of our choice, have the certificate checked for the configured host, and let rumqttc
//! connect to a door in our own process, where it speaks MQTT in plain text. A thread called `tls` carries the bytes
//! between the two.
//!
//! Nobody else sees the plain text: the door is a Unix socket with an abstract name, so there is no file, and it never
//! leaves the kernel's memory. Who knocks has to be this very process (`SO_PEERCRED`, unix(7)); a stranger, who may knock
//! for the name shows in `ss -x`, is turned away and disturbs nobody. Once rumqttc is in, the door is shut, but it is not
//! taken away as long as rumqttc knows its name, or a stranger could put up his own in its place.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::sys::socket;
use openssl::ssl::SslStream;

use crate::config::Tls;
use crate::link::LinkError;
use crate::link::target::Target;
use crate::worker::Stop;
use crate::worker::Worker;

use super::carrier::Carrier;
use super::handshake::shake_hands;

/// A TLS connection with a broker, and the door behind which it is. It ends when it is dropped, or when who came through the
/// door has left; drop that first. Blocks then until what is on its way has been sent, a second at most. The thread ends
/// by itself a moment later, when the broker has closed the connection, and after a second whatever it does.
pub(in crate::link) struct Tunnel {
    door: String,
    listener: Arc<UnixListener>,
    /// Closes when all is said.
    end: Receiver<End>,
    worker: Option<Worker>,
}

/// How the broker's side ended.
#[derive(Debug)]
pub(in crate::link) enum End {
    /// It closed the connection, politely or not.
    Closed,
    /// It does not accept our certificate, or that there is none.
    OurCertificate,
    /// The network failed, or what came was no TLS any more.
    Failed(io::Error),
}

impl Tunnel {
    /// Connects to `target` and shakes hands as `tls` says, `limit` at most.
    ///
    /// # Errors
    ///
    /// [`LinkError::Connect`], [`LinkError::Silent`], [`LinkError::Tls`]; [`LinkError::Io`] where the system has no socket
    /// or thread to give.
    pub(in crate::link) fn open(tls: &Tls, target: &Target, limit: Duration) -> Result<Tunnel, LinkError> {
        let deadline = Instant::now() + limit;
        let connector = super::connector(tls).map_err(|it| target.untrusted(it))?;
        let stream = target.connect(limit)?;
        match shake_hands(&connector, tls, target, stream, deadline)? {
            Some(stream) => Tunnel::behind_a_door(stream).map_err(LinkError::Io),
            None => Err(target.silent(limit)),
        }
    }

    fn behind_a_door(stream: SslStream<TcpStream>) -> io::Result<Tunnel> {
        let name = format!("luigi-mqtt-{}-{:016x}", process::id(), fastrand::u64(..));
        let listener = Arc::new(UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?);
        let (told, end) = bounded(1);
        let shared = Arc::clone(&listener);
        let worker = Worker::spawn("tls", move |stop| serve(stream, &shared, told, &stop))?;
        Ok(Tunnel { door: format!("\0{name}"), listener, end, worker: Some(worker) })
    }

    /// The name of the socket to connect to, as `Path` has it: abstract names begin with NUL.
    pub(in crate::link) fn door(&self) -> &str {
        &self.door
    }

    /// How the broker's side ended, where that is why the door's side ended; told once.
    pub(in crate::link) fn end(&self) -> Option<End> {
        self.end.try_recv().ok()
    }
}

#[cfg(test)]
impl Tunnel {
    /// Whether its thread is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::has_ended)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let Some(mut worker) = self.worker.take() else { return };
        worker.request_stop(); // Must come before the thread wakes.
        shut(&self.listener);
        let deadline = Instant::now() + LAST_WORDS;
        while self.end.recv_deadline(deadline).is_ok() {}
        worker.stop_within(Duration::ZERO);
    }
}

/// The thread `tls`.
fn serve(stream: SslStream<TcpStream>, listener: &UnixListener, told: Sender<End>, stop: &Stop) {
    let Some(plain) = admit(listener, stop) else { return };
    shut(listener);
    let mut carrier = match Carrier::new(stream, plain) {
        Ok(carrier) => carrier,
        Err(cause) => {
            let _ = told.try_send(End::Failed(cause));
            return;
        }
    };
    match carrier.run() {
        // Told before the door's side ends, at which it is asked for.
        Some(end) => drop(told.try_send(end)),
        None => {
            carrier.say_goodbye();
            drop(told);
            carrier.linger();
        }
    }
}

/// Waits for rumqttc; `None` where it will not come any more.
fn admit(listener: &UnixListener, stop: &Stop) -> Option<UnixStream> {
    loop {
        match listener.accept() {
            Ok((stream, _)) if is_ours(&stream) => return Some(stream),
            Ok(_) => {}
            // Mostly because the listener is shut; else there are no descriptors left, which may come right.
            Err(_) if stop.sleep(BREATH) => {}
            Err(_) => return None,
        }
    }
}

/// Whether it was this process that connected `stream`.
fn is_ours(stream: &UnixStream) -> bool {
    let peer = socket::getsockopt(stream, socket::sockopt::PeerCredentials);
    peer.is_ok_and(|it| u32::try_from(it.pid()) == Ok(process::id()))
}

/// Lets nobody in any more, and wakes who waits for somebody. The name stays taken.
fn shut(listener: &UnixListener) {
    // It fails where it is shut already.
    let _ = socket::shutdown(listener.as_raw_fd(), socket::Shutdown::Both);
}

/// How long what is on its way may take once rumqttc has closed its end.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait for a descriptor to become free.
const BREATH: Duration = Duration::from_millis(100);
