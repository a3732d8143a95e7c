//! What a client is to do.

use super::client::Client;
use super::doors::Door;
use super::faults::Trouble;
use super::stage::Stage;
use super::verdict::Verdict;
use super::{admin, cold, entering, faults, groups, isolation, producing, steered};
use crate::clients::{Acks, GroupProtocol};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Writes with `acks=0`.
    AcksNone,
    /// Writes with `acks=1`.
    AcksLeader,
    /// Writes with `acks=all`.
    AcksAll,
    /// Writes idempotently.
    Idempotent,
    /// Writes in transactions, some of which it aborts.
    Transactions,
    /// Reads committed records alone.
    ReadCommitted,
    /// A second member joins a group and leaves it, by the classic protocol.
    ClassicGroup,
    /// The same by KIP-848.
    ConsumerGroup,
    /// Administers.
    Admin,
    /// Comes in by TLS and SCRAM.
    Scram,
    /// Comes in by a certificate.
    Certificate,
    /// Reads from the replica in its zone.
    Steered,
    /// Reads what only the store has.
    Cold,
    /// Is at work when something happens.
    AtWork(Trouble),
}

impl Check {
    /// All of them, the costly ones last.
    pub const ALL: [Self; 16] = [
        Self::AcksNone,
        Self::AcksLeader,
        Self::AcksAll,
        Self::Idempotent,
        Self::Transactions,
        Self::ReadCommitted,
        Self::ClassicGroup,
        Self::ConsumerGroup,
        Self::Admin,
        Self::Scram,
        Self::Certificate,
        Self::Steered,
        Self::Cold,
        Self::AtWork(Trouble::GatewayKilled),
        Self::AtWork(Trouble::Rolling),
        Self::AtWork(Trouble::BrokerKilled),
    ];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcksNone => "acks 0",
            Self::AcksLeader => "acks 1",
            Self::AcksAll => "acks all",
            Self::Idempotent => "idempotent",
            Self::Transactions => "transactions",
            Self::ReadCommitted => "read_committed",
            Self::ClassicGroup => "classic group",
            Self::ConsumerGroup => "KIP-848 group",
            Self::Admin => "admin calls",
            Self::Scram => "TLS + SCRAM",
            Self::Certificate => "mTLS",
            Self::Steered => "steered reads",
            Self::Cold => "cold reads",
            Self::AtWork(Trouble::GatewayKilled) => "gateway killed",
            Self::AtWork(Trouble::BrokerKilled) => "broker killed",
            Self::AtWork(Trouble::Rolling) => "rolling restart",
        }
    }

    /// Whether it says something of a client that goes to the brokers themselves.
    pub fn works_directly(self) -> bool {
        !matches!(
            self,
            Self::Certificate
                | Self::Steered
                | Self::Cold
                | Self::AtWork(Trouble::GatewayKilled | Trouble::Rolling)
        )
    }

    /// What comes of it, in the order of the clients, of whom there is at most one per zone.
    pub fn run(self, stage: &mut Stage, clients: &[Client]) -> Vec<Verdict> {
        match self {
            Self::AcksNone => producing::acks_none(stage, clients),
            Self::AcksLeader => producing::acks(stage, clients, Acks::Leader),
            Self::AcksAll => producing::acks(stage, clients, Acks::All),
            Self::Idempotent => producing::idempotent(stage, clients),
            Self::Transactions => producing::transactions(stage, clients),
            Self::ReadCommitted => isolation::read_committed(stage, clients),
            Self::ClassicGroup => groups::rebalance(stage, clients, GroupProtocol::Classic),
            Self::ConsumerGroup => groups::rebalance(stage, clients, GroupProtocol::Consumer),
            Self::Admin => admin::calls(stage, clients),
            Self::Scram => entering::through(stage, clients, Door::Scram),
            Self::Certificate => entering::through(stage, clients, Door::Certificate),
            Self::Steered => steered::reads(stage, clients),
            Self::Cold => cold::reads(stage, clients),
            Self::AtWork(trouble) => faults::at_work(stage, clients, trouble),
        }
    }
}
