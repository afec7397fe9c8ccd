//! In how many messages a device is announced.

/// The form of announcements: one message for each entity, or one for the whole device (Home Assistant 2024.11 and newer).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Form {
    /// `<prefix>/<platform>/<node>/<id>/config` for each entity.
    #[default]
    Entity,
    /// `<prefix>/device/<node>/config` for all of a device.
    Device,
}
