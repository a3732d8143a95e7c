//! `tidegate run`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use tidegate_proxy::app::App;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let config = super::load(path)?;
    log(json);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let app = App::build(config).await?;
        let running = tokio::spawn(app.run(stop.clone()));
        wait_for_signal().await?;
        tracing::info!("stopping");
        stop.cancel();
        running.await.context("the gateway's main task")
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = reload.recv() => tracing::warn!("SIGHUP: nothing can be reloaded in this version; restart the gateway"),
        }
    }
}

fn log(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match json {
        true => lines.json().init(),
        false => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
    }
}
