//! `tidegate run`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use tidegate_proxy::app::App;
use tidegate_proxy::life::Orders;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let config = super::load(path)?;
    log(json);
    for warning in &config.warnings {
        tracing::warn!(setting = %warning, "unwise");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (orders, signals) = (Orders::default(), Signals::listen()?);
        let app = App::build(config).await?;
        let mut running = tokio::spawn(app.run(path.to_owned(), orders.clone()));
        let signals = signals.obey(&orders);
        tokio::select! {
            ended = &mut running => ended,
            () = signals => running.await,
        }
        .context("the gateway's main task")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What the gateway is told by signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on none of them ends the process by itself.
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGHUP reloads; the first SIGTERM or SIGINT drains, the second stops at once.
    async fn obey(mut self, orders: &Orders) {
        loop {
            let end = tokio::select! {
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hangup.recv() => false,
            };
            match (end, orders.drain.is_cancelled()) {
                (false, _) => orders.reload.notify_one(),
                (true, false) => orders.drain.cancel(),
                (true, true) => return orders.stop.cancel(),
            }
        }
    }
}

fn log(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A line that can't be written (a full disk) is lost. Otherwise it would be told to stderr, and that panics.
    let lines = tracing_subscriber::fmt().log_internal_errors(false);
    let lines = lines.with_env_filter(filter).with_writer(std::io::stderr);
    match json {
        true => lines.json().init(),
        false => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
    }
}
