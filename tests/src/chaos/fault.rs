//! The faults. Each is inflicted, shown to have fired, and healed.

mod certificate;
mod descriptors;
mod disk;
mod half_open;
mod network;
mod process;
mod slow;

use std::fmt;

use anyhow::Result;

use super::schedule::Strike;
use super::stage::{Stage, ZONES};

/// What can happen to a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// kill -9 of its gateway.
    GatewayKilled,
    /// kill -9 of its broker.
    BrokerKilled,
    /// SIGSTOP of its broker: sockets stay open, nothing answers.
    BrokerPaused,
    /// Its link goes down.
    ZoneCut,
    /// Its gateway is refused at another zone's broker.
    UpstreamRefusing,
    /// Clients ask its gateway for much and take 1 KiB a second.
    SlowClients,
    /// Clients of its gateway vanish without a word.
    HalfOpen,
    /// A client's certificate, and then its gateway's own, expires.
    CertificateExpired,
    /// Its gateway has no file descriptors left.
    DescriptorsExhausted,
    /// The disk that its gateway caches and logs on is full.
    DiskFull,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::GatewayKilled,
        Self::BrokerKilled,
        Self::BrokerPaused,
        Self::ZoneCut,
        Self::UpstreamRefusing,
        Self::SlowClients,
        Self::HalfOpen,
        Self::CertificateExpired,
        Self::DescriptorsExhausted,
        Self::DiskFull,
    ];

    /// Whether the cluster is a broker short meanwhile.
    pub(super) fn takes_a_broker(self) -> bool {
        matches!(self, Self::BrokerKilled | Self::BrokerPaused | Self::ZoneCut)
    }

    /// Whether clients of the zone may have nobody to talk to meanwhile. A client that was told the addresses of
    /// its zone's gateway knows no others until it comes back: Kafka's protocol has no way to tell it.
    pub(super) fn excuses_the_zone(self) -> bool {
        matches!(
            self,
            Self::GatewayKilled | Self::ZoneCut | Self::UpstreamRefusing | Self::DescriptorsExhausted
        )
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.kind, ZONES[self.zone])
    }
}

/// A fault that is there.
pub(super) trait Inflicted {
    /// Waits until it is shown that it does what it is for.
    ///
    /// # Errors
    /// It doesn't; or what must go on beside it doesn't.
    fn fired(&mut self, stage: &mut Stage) -> Result<()>;

    /// Takes it away, and asks what had to hold meanwhile.
    ///
    /// # Errors
    /// It can't be taken away, or something did not hold.
    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()>;
}

impl Strike {
    /// Makes it happen.
    ///
    /// # Errors
    /// It can't be made.
    pub(super) fn inflict(self, stage: &mut Stage) -> Result<Box<dyn Inflicted>> {
        let zone = self.zone;
        Ok(match self.kind {
            Kind::GatewayKilled => Box::new(process::GatewayKilled::inflict(stage, zone)?),
            Kind::BrokerKilled => Box::new(process::BrokerKilled::inflict(stage, zone)?),
            Kind::BrokerPaused => Box::new(process::BrokerPaused::inflict(stage, zone)?),
            Kind::ZoneCut => Box::new(network::ZoneCut::inflict(stage, zone)?),
            Kind::UpstreamRefusing => Box::new(network::UpstreamRefusing::inflict(stage, zone)?),
            Kind::SlowClients => Box::new(slow::SlowClients::inflict(stage, zone)?),
            Kind::HalfOpen => Box::new(half_open::HalfOpen::inflict(stage, zone)?),
            Kind::CertificateExpired => Box::new(certificate::CertificateExpired::inflict(stage, zone)?),
            Kind::DescriptorsExhausted => Box::new(descriptors::DescriptorsExhausted::inflict(stage, zone)?),
            Kind::DiskFull => Box::new(disk::DiskFull::inflict(stage, zone)?),
        })
    }
}
