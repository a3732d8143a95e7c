//! The life of a running gateway: what a signal starts, and what it touches.
//!
//! ```text
//! SIGHUP   reload.rs    the file is read again; what may change replaces one snapshot (settings.rs), or nothing does
//!          renewal.rs   certificates whose files changed are read again, without any signal
//!          expiry.rs    when they end
//! SIGTERM  ending.rs    /readyz says no, every connection gets its turn (drain.rs), listeners close, what is left is cut
//! always   ready.rs     what /readyz says, and what is missing
//! ```

pub mod drain;
pub mod ending;
pub mod expiry;
pub mod headroom;
pub mod metrics;
pub mod ready;
pub mod reload;
pub mod renewal;
pub mod settings;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a gateway is told to do while it runs.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// To end in good order.
    pub drain: CancellationToken,
    /// To end at once.
    pub stop: CancellationToken,
    /// To read its file again.
    pub reload: Arc<Notify>,
}
