//! Who may read what is each broker's word, on every broker's endpoint at every gateway, wherever the client is and wherever the records
//! lie: in its zone or in another, on brokers or in the tier.
//!
//! What to expect is never written down here: the broker is asked the same by the same user, directly.

#![allow(missing_docs, clippy::unwrap_used)]

mod client;
mod entering;
mod interleaved;
mod revoked;
mod stage;
mod table;
