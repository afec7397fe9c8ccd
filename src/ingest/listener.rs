//! The socket itself: made, taken over from systemd, and removed at the end. [`Listener`].

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen, socket, sockopt,
};
use nix::unistd::{Group, chown};

use crate::config::Socket;

/// The socket that programs connect to; it never blocks. A file that we made is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    /// `None` where systemd made it.
    _file: Option<SocketFile>,
}

impl Listener {
    /// The socket that systemd hands to us (`sd_listen_fds(3)`), else one made as `config` says.
    ///
    /// A file that a dead daemon has left there is replaced. The folder is made where it is missing.
    ///
    /// # Errors
    ///
    /// The system's own, said of what; when somebody answers there already, or there is something other than a socket.
    pub(super) fn open(config: &Socket) -> io::Result<Listener> {
        if let Some(socket) = inherited() {
            log::info!("listening on the socket that the service manager has handed over");
            return Ok(Listener { socket: socket.try_clone()?, _file: None });
        }
        Listener::make(config).map_err(|cause| {
            io::Error::new(cause.kind(), format!("cannot listen on {}: {cause}", config.path.display()))
        })
    }

    fn make(config: &Socket) -> io::Result<Listener> {
        let path = &config.path;
        make_folder(path)?;
        remove_stale(path)?;
        let socket = new_socket()?;
        bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        let file = SocketFile::at(path)?;
        // Whatever permissions it has got: until `listen`, the kernel refuses whoever connects. They are right by then.
        if let Err(cause) = set_group(path, &config.group) {
            log::warn!("{} stays with the group it has: {cause}", path.display());
        }
        fs::set_permissions(path, Permissions::from_mode(config.mode))?;
        listen(&socket, Backlog::new(BACKLOG)?)?;
        log::info!("listening on {}", path.display());
        Ok(Listener { socket: UnixListener::from(socket), _file: Some(file) })
    }

    /// The next program that has connected; `None` where nobody waits.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no descriptor or memory to give.
    pub(super) fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    return Ok(Some(stream));
                }
                Err(cause) => match cause.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    // The latter has connected and gone.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return Err(cause),
                },
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The file of a socket that we made, removed with it; not one that another has put into its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|it| it == self.identity) {
            if let Err(cause) = fs::remove_file(&self.path) {
                log::debug!("cannot remove {}: {cause}", self.path.display());
            }
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::Stream, flags, None)?)
}

/// Makes the folder of `path`, where it is missing, one that everybody may pass whatever our umask: who may connect is the
/// socket's affair.
fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|it| !it.exists()) else { return Ok(()) };
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
}

/// Removes the socket that a daemon has left at `path`. Another that was started in the same millisecond may do so with ours:
/// only the service manager keeps that from happening.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "expected a socket or nothing, found something else",
        ));
    }
    match connect(new_socket()?.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ENOENT) => Ok(()),
        // Nobody has it open any more (`unix(7)`).
        Err(Errno::ECONNREFUSED) => fs::remove_file(path),
        // Somebody has, and cannot keep up with those who connect.
        Ok(()) | Err(Errno::EAGAIN) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there"))
        }
        Err(errno) => Err(errno.into()),
    }
}

fn set_group(path: &Path, name: &str) -> io::Result<()> {
    match Group::from_name(name)? {
        Some(group) => Ok(chown(path, None, Some(group.gid))?),
        None => Err(io::Error::other(format!("there is no group {name}"))),
    }
}

/// Takes what the service manager has handed to this process, if anything, so that no program that is started from here on inherits
/// it. [`Server::start`](super::Server::start) finds it.
pub fn take_over() {
    inherited();
}

/// The listening socket among those that the service manager has handed to this process. It is taken once and kept as long as
/// the process lives, as the manager keeps its own: a socket that is opened anew is the same.
fn inherited() -> Option<&'static UnixListener> {
    static INHERITED: OnceLock<Option<UnixListener>> = OnceLock::new();
    INHERITED.get_or_init(take_inherited).as_ref()
}

fn take_inherited() -> Option<UnixListener> {
    let sockets = sd_listen_fds::get().unwrap_or_else(|cause| {
        log::warn!("no socket is taken from the service manager: {cause}");
        Vec::new()
    });
    let mut taken = None;
    for (name, socket) in sockets {
        match (taken.is_none(), usable(socket.into_std())) {
            (true, Ok(socket)) => taken = Some(socket),
            (true, Err(cause)) => {
                log::warn!(
                    "a socket of the service manager ({}) is of no use: {cause}",
                    name.unwrap_or_default()
                );
            }
            (false, _) => log::warn!("of the sockets of the service manager, only the first is used"),
        }
    }
    taken
}

/// What we were handed, as we use it; closed where it is anything but a listening stream socket of this machine.
fn usable(socket: OwnedFd) -> io::Result<UnixListener> {
    let is_listening = getsockopt(&socket, sockopt::AcceptConn)?;
    if getsockopt(&socket, sockopt::SockType)? != SockType::Stream || !is_listening {
        return Err(io::Error::other("expected a listening stream socket (ListenStream=, Accept=no)"));
    }
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    let socket = UnixListener::from(socket);
    socket.local_addr()?; // An error for other families.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How many may wait to be accepted, beyond which connecting blocks: a machine's worth of cron jobs in the same second.
const BACKLOG: i32 = 128;
