//! What a program may do, by the groups of its user: [`Rights`].

use crate::config::Socket;
use crate::ingest::Membership;
use crate::ingest::Peer;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::Request;

/// Who may do what is reserved. Root always may, and so may whoever the socket is open to where no group is named.
pub(super) struct Rights {
    raw: Reserve,
    read: Reserve,
    reload: Reserve,
}

/// One kind of thing, and the group it is reserved for.
struct Reserve {
    key: &'static str,
    group: Option<String>,
    members: Membership,
}

/// What one program may do of that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Permits {
    raw: bool,
    read: bool,
    reload: bool,
}

impl Rights {
    /// As `config` has it. Looks the groups up; one that does not exist is logged, and has no members.
    pub(super) fn of(config: &Socket) -> Rights {
        let reserve = |key, group: &Option<String>, purpose| Reserve {
            key,
            group: group.clone(),
            members: Membership::of(group.as_deref(), purpose),
        };
        let Socket { raw_group: raw, read_group: read, reload_group: reload, .. } = config;
        Rights {
            raw: reserve(
                "RAW_GROUP",
                raw,
                "root alone may publish on topics of its choice and move other devices",
            ),
            read: reserve("READ_GROUP", read, "root alone may read what others publish and announce"),
            reload: reserve("RELOAD_GROUP", reload, "root alone may have the configuration read again"),
        }
    }

    /// What `peer` may do. Reads `/etc/passwd` and `/etc/group` where something is reserved.
    pub(super) fn permits(&self, peer: &Peer) -> Permits {
        let may = |reserve: &Reserve| peer.is_in(&reserve.members);
        Permits { raw: may(&self.raw), read: may(&self.read), reload: may(&self.reload) }
    }

    /// Looks whether one with these `permits` may ask `request`.
    ///
    /// # Errors
    ///
    /// [`Code::Forbidden`], with the group that may.
    pub(super) fn check(&self, permits: Permits, request: &Request) -> Result<(), Failure> {
        let (may, reserve) = match request {
            Request::Publish { .. } | Request::Set { .. } => (permits.raw, &self.raw),
            Request::Subscribe { .. } | Request::Devices { .. } | Request::Watch | Request::Get { .. } => {
                (permits.read, &self.read)
            }
            Request::Reload => (permits.reload, &self.reload),
            _ => return Ok(()),
        };
        if may {
            return Ok(());
        }
        let group = reserve.group.as_deref().unwrap_or_default();
        let reason = format!("reserved for members of the group {group} ([Socket] {})", reserve.key);
        Err(Failure::new(Code::Forbidden, reason))
    }
}
