//! `tidegate status`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use config::Secret;
use http_body_util::{BodyExt, Empty};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper_util::rt::TokioIo;
use indicatif::HumanDuration;
use tidegate_proxy::status::{Life, Status};
use tidegate_proxy::tier::report::TierStatus;

use super::{Output, table};

/// Where the token is looked for if no file is named.
const TOKEN_ENV: &str = "TIDEGATE_ADMIN_TOKEN";
/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn status(admin: &str, token_file: Option<&Path>, output: Output) -> anyhow::Result<ExitCode> {
    let body = ask(admin, "/status", token(token_file)?.as_ref())?;
    match output {
        Output::Json => super::print(&body)?,
        Output::Table => super::print(&tables(&serde_json::from_str(&body).context("unexpected answer")?))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the gateway lives, for whoever starts it again if it doesn't.
pub(super) fn healthz(admin: &str) -> anyhow::Result<ExitCode> {
    ask(admin, "/healthz", None)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the gateway is ready, for whoever waits for it; the error says what is missing.
pub(super) fn readyz(admin: &str) -> anyhow::Result<ExitCode> {
    ask(admin, "/readyz", None)?;
    Ok(ExitCode::SUCCESS)
}

fn ask(admin: &str, page: &str, token: Option<&Secret>) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, get(admin, page, token)).await });
    asked.map_err(|_| anyhow!("{admin}{page}: no answer within {PATIENCE:?}"))?
}

fn token(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    let Some(file) = file else { return Ok(std::env::var(TOKEN_ENV).ok().map(Secret::new)) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Some(Secret::new(text.trim_end())))
}

async fn get(admin: &str, page: &str, token: Option<&Secret>) -> anyhow::Result<String> {
    if admin.starts_with("https://") {
        bail!("{admin}: the admin port speaks plain HTTP: write http://");
    }
    let host = admin.trim_start_matches("http://").trim_end_matches('/');
    let tcp = tokio::net::TcpStream::connect(host).await.with_context(|| {
        format!("cannot connect to {admin}: is a gateway running there, and is `gateway.admin` this address?")
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await?;
    let asked = async {
        let mut request = hyper::Request::get(page).header("host", host);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED && token.is_some() {
            bail!("{admin}: 401: this token is not that of its gateway.admin_token");
        }
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "{admin}: 401: it wants the token of its gateway.admin_token: --token-file FILE, or {TOKEN_ENV}"
            );
        }
        let body = String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?;
        if !status.is_success() {
            bail!("{admin}{page}: {status}: {}", body.trim_end());
        }
        Ok(body)
    };
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        _ = connection => asked.await,
    }
}

fn bearer(token: &Secret) -> anyhow::Result<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
        .map_err(|_| anyhow!("the token holds characters that no HTTP header can carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn tables(s: &Status) -> String {
    let mut out = vec![format!(
        "gateway {} in zone {}, version {}, up {}, cluster {}, {} connections",
        s.gateway,
        s.zone,
        s.version,
        HumanDuration(Duration::from_secs(s.life.up_seconds)),
        s.cluster_id.as_deref().unwrap_or("not reached yet"),
        s.connections
    )];
    out.extend(life(&s.life));
    let limits = s.limits.iter().map(|l| {
        let note = if l.near { "near its end" } else { "" };
        vec![l.limit.clone(), l.used.to_string(), l.max.to_string(), note.to_owned()]
    });
    out.push(table(&["limit", "used", "of", ""], limits));
    let brokers = s.brokers.iter();
    let brokers = brokers.map(|b| vec![b.id.to_string(), b.address.clone(), b.zone.clone(), b.state.clone()]);
    out.push(table(&["broker", "address", "zone", "state"], brokers));
    if !s.fleet.is_empty() {
        let members = s.fleet.iter().map(|m| vec![m.id.clone(), m.zone.clone(), m.alive.to_string()]);
        out.push(table(&["gateway", "zone", "alive"], members));
    }
    let clients = s.clients.iter().map(|c| vec![c.zone.clone(), c.how.clone(), c.clients.to_string()]);
    out.push(table(&["clients in zone", "said by", "connections"], clients));
    let fetches = s.fetches.iter().map(|f| vec![f.from.clone(), f.reason.clone(), f.fetches.to_string()]);
    out.push(table(&["fetches served", "because", "fetches"], fetches));
    out.push(table(&["leg", "from", "to", "bytes"], legs(s).into_iter()));
    if !s.rejected.is_empty() {
        let rejected = s.rejected.iter().map(|r| vec![r.reason.clone(), r.count.to_string()]);
        out.push(table(&["rejected", "count"], rejected));
    }
    out.extend(s.tier.iter().flat_map(tier));
    out.join("\n\n")
}

/// What an operator should know first: that it ends, isn't ready, or wants a restart.
fn life(life: &Life) -> Vec<String> {
    let draining = life.drain_seconds_left.map(|s| format!("draining, {s} s left"));
    let missing = life.not_ready.iter().map(|m| format!("not ready: {m}"));
    let restart = &life.needs_restart;
    let restart = (!restart.is_empty())
        .then(|| format!("changed in the file, and counts from the next start: {}", restart.join(", ")));
    let refused = life
        .refused
        .iter()
        .map(|why| format!("the file was refused, this goes on with the one before: {why}"));
    let lines: Vec<_> = draining.into_iter().chain(missing).chain(refused).chain(restart).collect();
    if lines.is_empty() { Vec::new() } else { vec![lines.join("\n")] }
}

fn tier(t: &TierStatus) -> Vec<String> {
    if !t.open {
        return vec!["the tier is not open yet: see the log".to_owned()];
    }
    let rows = t.topics.iter().map(|t| {
        let numbers =
            [t.partitions, t.owned, t.segments, t.bytes, t.lag_offsets, t.lag_bytes, t.lag_seconds, t.gaps];
        let mut row = vec![t.topic.clone()];
        row.extend(numbers.map(|n| n.to_string()));
        row.push(t.trouble.clone().unwrap_or_default());
        row
    });
    let header = [
        "tiered topic",
        "partitions",
        "moved here",
        "segments",
        "bytes",
        "lag offsets",
        "lag bytes",
        "lag s",
        "gaps",
        "trouble",
    ];
    let refused = t.refused.iter().map(|r| vec![r.topic.clone(), r.reason.clone()]);
    let cache = [
        ["in memory", &t.memory_hits.to_string()],
        ["not in memory", &t.memory_misses.to_string()],
        ["of those on disk", &t.disk_hits.to_string()],
        ["fetched ahead", &t.read_ahead.to_string()],
    ];
    let cache = table(&["cold reads", "blocks"], cache.iter().map(|row| row.map(str::to_owned).to_vec()));
    let mut out = vec![table(&header, rows), cache];
    if !t.refused.is_empty() {
        out.push(table(&["not tiered", "because"], refused));
    }
    out
}

/// Bytes per leg and zone pair, over all APIs.
fn legs(s: &Status) -> Vec<Vec<String>> {
    let mut sums = std::collections::BTreeMap::<_, u64>::new();
    for b in &s.bytes {
        let ends = match b.direction.as_str() {
            "client_to_gateway" => (&b.client_zone, &b.gateway_zone),
            "gateway_to_client" => (&b.gateway_zone, &b.client_zone),
            "gateway_to_broker" => (&b.gateway_zone, &b.broker_zone),
            _ => (&b.broker_zone, &b.gateway_zone),
        };
        *sums.entry((b.direction.as_str(), ends.0.as_str(), ends.1.as_str())).or_default() += b.bytes;
    }
    let row = |((leg, from, to), bytes): ((&str, &str, &str), u64)| {
        vec![leg.replace('_', " "), from.to_owned(), to.to_owned(), bytes.to_string()]
    };
    sums.into_iter().map(row).collect()
}
