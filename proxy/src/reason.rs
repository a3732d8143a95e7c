//! Why something was refused, ended or made to wait: the label `reason` of `tidegate_rejected_total`.

/// Declares the reasons with their labels, once.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// The reason. All are counted from 0 on, so that the first event of a kind is an increase for whoever watches.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),* }
            }
        }
    };
}

reasons! {
    /// TLS on a listener without.
    TlsOnPlain => "tls_on_plain",
    /// HTTP on a Kafka listener.
    Http => "http",
    /// A frame of impossible length.
    FrameLength => "frame_length",
    /// A request against its schema.
    Malformed => "malformed",
    /// A version of an API that can't be walked.
    Version => "version",
    /// A broker's answer that nobody asked for, or against its schema.
    Answer => "answer",
    /// No broker could be reached.
    Upstream => "upstream",
    /// A broker stopped answering.
    BrokerGone => "broker_gone",
    /// No TLS handshake in time.
    HandshakeTimeout => "handshake_timeout",
    /// A TLS handshake that failed.
    Tls => "tls",
    /// A certificate that stands for nobody.
    CertificateNotMapped => "certificate_not_mapped",
    /// Brokers refuse what a certificate stands for.
    IdentityRefused => "identity_refused",
    /// SASL where the certificate says who the client is.
    SaslBesideCertificate => "sasl_beside_certificate",
    /// No PROXY protocol header where one has to be.
    ProxyHeaderMissing => "proxy_header_missing",
    /// The text form of the PROXY protocol.
    ProxyHeaderVersion1 => "proxy_header_version1",
    /// A PROXY protocol header that is wrong.
    ProxyHeaderMalformed => "proxy_header_malformed",
    /// A PROXY protocol header that did not come in time.
    ProxyHeaderTimeout => "proxy_header_timeout",
    /// A PROXY protocol header from whom none is taken.
    ProxyHeaderUntrusted => "proxy_header_untrusted",
    /// File descriptors run out.
    Descriptors => "descriptors",
    /// No request in time.
    FirstRequestTimeout => "first_request_timeout",
    /// Nothing moved for long.
    Idle => "idle",
    /// Too many connections of one address.
    TooManyConnectionsPerIp => "too_many_connections_per_ip",
    /// Too many connections.
    TooManyConnections => "too_many_connections",
    /// A socket failed.
    Io => "io",
    /// A broker without an endpoint.
    UnmappedBroker => "unmapped_broker",
    /// A client that names a zone where nobody is.
    UnknownZone => "unknown_zone",
    /// A fetch on behalf of a client failed.
    FetchOnBehalf => "fetch_on_behalf",
    /// An answer that waited for room.
    InFlightBytes => "in_flight_bytes",
    /// A connection that waited for others' handshakes.
    Handshakes => "handshakes",
    /// A connection that waited for its second.
    AcceptRate => "accept_rate",
    /// A connection that could not be accepted.
    Accept => "accept",
    /// An admin page that was asked for without its token.
    AdminToken => "admin_token",
    /// More connections to the admin port than it takes at once.
    AdminConnections => "admin_connections",
    /// Gossip of somebody without a key.
    GossipStranger => "gossip_stranger",
    /// Gossip that was heard before.
    GossipReplayed => "gossip_replayed",
    /// Gossip that makes no sense.
    GossipMalformed => "gossip_malformed",
    /// Gossip that could not be sent.
    GossipUnsent => "gossip_unsent",
    /// Gossip that could not be heard.
    GossipUnheard => "gossip_unheard",
    /// Gossip that ended by itself, and begins again.
    GossipEnded => "gossip_ended",
    /// Gossip that lists too many processes: a datagram, or all that is known.
    GossipCrowded => "gossip_crowded",
    /// A gateway that says of itself what can't be used.
    GossipCard => "gossip_card",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_label_of_its_own_and_a_number_that_is_its_place() {
        let labels: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), Reason::ALL.len());
        assert!(Reason::ALL.iter().enumerate().all(|(n, reason)| *reason as usize == n));
    }
}
