//! Who is at the other end, and which groups that makes it a member of: [`Peer`] and [`Membership`].

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User, geteuid};

use super::ClientId;

/// Who is at the other end, as the kernel says (`SO_PEERCRED`, `unix(7)`): of the moment at which it connected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// This connection.
    pub client: ClientId,
    /// Its process; `None` where that is outside our namespace.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// Its main group.
    pub gid: u32,
}

/// Whom something is reserved for, looked up once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Membership {
    /// Nobody: whoever may open the socket may do it.
    Everyone,
    /// The members of this group, and root.
    Group(u32),
    /// Root alone: there is no such group.
    Root,
}

impl Peer {
    /// The one at the other end of `stream`.
    pub(super) fn of(stream: &UnixStream, client: ClientId) -> io::Result<Peer> {
        let found = getsockopt(stream, sockopt::PeerCredentials)?;
        // One outside our namespace has the number 0 here.
        let pid = u32::try_from(found.pid()).ok().filter(|&it| it != 0);
        Ok(Peer { client, pid, uid: found.uid(), gid: found.gid() })
    }

    /// Whether it is one of those: root always, and our own user, which is `systemctl reload`; else by its main group, or because the
    /// machine lists its user in the group.
    ///
    /// Reads `/etc/passwd` and `/etc/group`, so ask once a connection. With musl, as the released program is linked, it is
    /// these two files alone; with glibc whatever `nsswitch.conf(5)` names. A group that a process has by other means (`sg`, a
    /// unit's `SupplementaryGroups=`) counts only as its main one: the kernel tells no more of a peer by `SO_PEERCRED`.
    pub fn is_in(&self, group: &Membership) -> bool {
        match group {
            _ if self.uid == 0 || self.uid == geteuid().as_raw() => true,
            Membership::Everyone => true,
            Membership::Root => false,
            Membership::Group(gid) => self.gid == *gid || is_listed(self.uid, *gid),
        }
    }
}

impl Membership {
    /// The members of the group called `name`, everyone where there is none. One that the machine does not know admits root
    /// alone, and is in the log; `purpose` says there what that costs, e.g. `nobody but root may publish`.
    ///
    /// Blocks for `/etc/group`.
    pub fn of(name: Option<&str>, purpose: &str) -> Membership {
        let Some(name) = name else { return Membership::Everyone };
        match Group::from_name(name) {
            Ok(Some(group)) => Membership::Group(group.gid.as_raw()),
            Ok(None) => {
                log::warn!("there is no group {name}: {purpose}");
                Membership::Root
            }
            Err(cause) => {
                log::warn!("cannot look up the group {name}: {purpose}: {cause}");
                Membership::Root
            }
        }
    }
}

/// Whether the machine's files have the user in the group: as its main one, or by its name.
fn is_listed(uid: u32, gid: u32) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return false };
    user.gid.as_raw() == gid
        || matches!(Group::from_gid(Gid::from_raw(gid)), Ok(Some(group)) if group.mem.contains(&user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer whose user and main group the machine does not know, or knows.
    #[track_caller]
    fn check(uid: u32, gid: u32, group: &Membership, expected: bool) {
        let peer = Peer { client: ClientId(1), pid: None, uid, gid };
        assert_eq!(peer.is_in(group), expected, "user {uid} of group {gid} in {group:?}");
    }

    const UNKNOWN: u32 = 4_000_000_000;

    #[test]
    fn root_and_we_ourselves_are_in_every_group() {
        for group in [Membership::Everyone, Membership::Root, Membership::Group(UNKNOWN)] {
            check(0, 0, &group, true);
            check(geteuid().as_raw(), UNKNOWN, &group, true);
        }
    }

    #[test]
    fn everybody_else_is_in_the_groups_the_machine_says() {
        check(UNKNOWN, UNKNOWN, &Membership::Everyone, true);
        check(UNKNOWN, UNKNOWN, &Membership::Root, false);
        check(UNKNOWN, UNKNOWN, &Membership::Group(UNKNOWN), true);
        check(UNKNOWN, UNKNOWN, &Membership::Group(UNKNOWN + 1), false);
        // Of the machine's own files: the user `daemon`, as it is on every Debian, has the group of that name.
        let daemon = User::from_name("daemon").unwrap().unwrap();
        check(daemon.uid.as_raw(), UNKNOWN, &Membership::of(Some("daemon"), ""), true);
        check(daemon.uid.as_raw(), UNKNOWN, &Membership::of(Some("root"), ""), false);
    }

    #[test]
    fn a_group_that_nobody_knows_admits_root_alone() {
        assert_eq!(Membership::of(Some("luigi-no-such-group"), "nobody may"), Membership::Root);
        assert_eq!(Membership::of(None, "nobody may"), Membership::Everyone);
    }
}
