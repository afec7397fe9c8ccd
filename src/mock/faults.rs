//! What the mock broker does wrong when asked to: [`Faults`].

use std::time::Duration;

use crate::model::TopicFilter;

/// Faults on request, for every connection while they are set. The default has none: a broker that keeps to
/// MQTT 3.1.1.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// The pause between a CONNECT and its CONNACK. What the client sends meanwhile is answered afterwards.
    pub connack_delay: Option<Duration>,
    /// Connections are accepted and read, and nothing at all is sent, on old ones either: a half-open link.
    /// What should have been sent meanwhile is lost. A CONNECT is never looked at, not even later.
    pub silent: bool,
    /// Each CONNECT is answered with this code, and the connection closed.
    pub refuse: Option<Refusal>,
    /// Each connection ends once it has received this many bytes; what came after them is not looked at.
    pub cut_after_received: Option<u64>,
    /// Each connection ends once this many bytes were sent on it, in the middle of a packet if need be.
    pub cut_after_sent: Option<u64>,
    /// A kept session is thrown away at CONNECT, and the CONNACK says so.
    pub lose_session: bool,
    /// After each SUBACK comes one PUBLISH with a payload of this many bytes, on a topic of the first filter.
    pub oversize: Option<usize>,
    /// Every nth PUBACK, PUBREC and PUBCOMP, counted together over all connections, is never sent: 1 withholds
    /// them all, 0 none.
    pub withhold_acks: Option<u64>,
    /// PUBACK, PUBREC and PUBCOMP are collected until there are this many on a connection, or for
    /// 50 ms, and then sent newest first.
    pub reverse_acks: Option<usize>,
    /// A SUBSCRIBE to any of these is answered with 0x80 for it: refused.
    pub refuse_filters: Vec<TopicFilter>,
    /// SUBACK and UNSUBACK are never sent. What they are for is done all the same.
    pub withhold_subacks: bool,
    /// Of a message that several filters of a client match, each brings one copy, at its own QoS, as MQTT 3.1.1 allows
    /// (section 3.3.5) and EMQX does. That is no fault, but few expect it.
    pub copy_per_filter: bool,
    /// Nothing is read, so that the sender's buffers fill up. The end of a connection is not noticed either.
    pub stall: bool,
}

/// Why a broker accepts no connection: the return codes of CONNACK (MQTT 3.1.1, section 3.2.2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// 1: it does not speak this version of the protocol.
    ProtocolVersion,
    /// 2: it does not allow this client identifier.
    Identifier,
    /// 3: it has no time.
    Unavailable,
    /// 4: user name or password are malformed; some brokers say this of wrong ones.
    Credentials,
    /// 5: this client may not connect; Mosquitto says this of a wrong password.
    NotAuthorized,
}
