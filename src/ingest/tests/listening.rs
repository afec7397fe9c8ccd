//! How the socket comes to be, and what becomes of its file.

use std::env;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

#[track_caller]
fn check_refused(office: &Office, expected: &str) {
    let error = Listener::open(&office.socket()).unwrap_err().to_string();
    assert!(error.contains(expected) && error.contains(office.path().to_str().unwrap()), "{error}");
}

#[test]
fn the_socket_has_the_permissions_of_the_configuration() {
    for mode in [0o600, 0o660, 0o777] {
        let office = Office::new();
        let _listener = Listener::open(&Socket { mode, ..office.socket() }).unwrap();
        let found = fs::metadata(office.path()).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, mode);
        // There is no such group.
        assert_eq!(found.gid(), nix::unistd::getgid().as_raw());
    }
}

#[test]
fn the_socket_has_the_group_of_the_configuration() {
    // Any group that we may give it to: of root all, of others their own.
    let name = if nix::unistd::getuid().is_root() { "daemon".to_owned() } else { own_group() };
    let gid = nix::unistd::Group::from_name(&name).unwrap().unwrap().gid;
    let office = Office::new();
    let _listener = Listener::open(&Socket { group: name, ..office.socket() }).unwrap();
    assert_eq!(fs::metadata(office.path()).unwrap().gid(), gid.as_raw());
}

fn own_group() -> String {
    nix::unistd::Group::from_gid(nix::unistd::getgid()).unwrap().unwrap().name
}

#[test]
fn the_folder_is_made_where_it_is_missing() {
    let office = Office::new();
    let folder = office.folder.path().join("run/luigi");
    let _listener = Listener::open(&Socket { path: folder.join("socket"), ..office.socket() }).unwrap();
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn the_socket_of_a_dead_daemon_is_replaced() {
    let office = Office::new();
    drop(UnixListener::bind(office.path()).unwrap());
    assert!(office.path().exists());
    let _server = office.serve();
    assert_eq!(office.program().ask("hello"), "hello\n");
}

#[test]
fn the_socket_of_a_daemon_that_lives_is_left_alone() {
    let office = Office::new();
    let _server = office.serve();
    check_refused(&office, "another daemon answers there");
    assert_eq!(office.program().ask("hello"), "hello\n");
}

#[test]
fn the_socket_of_a_daemon_that_is_busy_is_left_alone() {
    let office = Office::new();
    let listener = UnixListener::bind(office.path()).unwrap();
    // Until its queue of newcomers is full.
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(office.path()).unwrap();
    check_refused(&office, "another daemon answers there");
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let office = Office::new();
    fs::write(office.path(), "precious").unwrap();
    check_refused(&office, "expected a socket or nothing");
    assert_eq!(fs::read_to_string(office.path()).unwrap(), "precious");
    fs::remove_file(office.path()).unwrap();
    std::os::unix::fs::symlink("/nowhere", office.path()).unwrap();
    check_refused(&office, "expected a socket or nothing");
    assert!(fs::symlink_metadata(office.path()).is_ok());
}

#[test]
fn the_file_goes_with_the_socket_unless_another_has_taken_its_place() {
    let office = Office::new();
    drop(Listener::open(&office.socket()).unwrap());
    assert!(!office.path().exists());
    let listener = Listener::open(&office.socket()).unwrap();
    // Kept, or the other might get its inode.
    fs::rename(office.path(), office.folder.path().join("aside")).unwrap();
    let other = UnixListener::bind(office.path()).unwrap();
    drop(listener);
    assert!(office.path().exists());
    drop(other);
}

/// Started again by a shell, as systemd would: with the socket as descriptor 3.
#[test]
fn a_socket_that_systemd_hands_over_is_served_and_stays() {
    const PATH: &str = "LUIGI_MQTT_TEST_SOCKET";
    if let Some(path) = env::var_os(PATH) {
        return handed_over(PathBuf::from(path));
    }
    let office = Office::new();
    let listener = UnixListener::bind(office.path()).unwrap();
    let name = "ingest::tests::listening::a_socket_that_systemd_hands_over_is_served_and_stays";
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --exact \"$1\"";
    let mut child = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .arg(name)
        .env(PATH, office.path())
        .stdin(OwnedFd::from(listener))
        .spawn()
        .unwrap();
    for _ in 0..2 {
        let mut program = office.program();
        assert_eq!(program.ask("hello"), "hello\n");
        assert_eq!(program.rest(), "");
    }
    assert!(child.wait().unwrap().success());
    assert!(office.path().exists());
}

fn handed_over(path: PathBuf) {
    // Twice: as when the service within the process is made anew.
    for _ in 0..2 {
        let office = Office::new();
        let server = office.serve();
        assert!(!office.path().exists());
        office.wait(|it| (it.asked == 1).then_some(()));
        assert!(server.stop_within(LIMIT));
    }
    // O_CLOEXEC and O_NONBLOCK, in octal.
    let flags = fs::read_to_string("/proc/self/fdinfo/3").unwrap();
    let flags = flags.lines().find_map(|it| it.strip_prefix("flags:")).unwrap().trim().to_owned();
    let flags = u32::from_str_radix(&flags, 8).unwrap();
    assert_eq!(flags & 0o2_004_000, 0o2_004_000, "{flags:o}");
    assert!(path.exists());
}
