//! `telemetry`: what the gateway tells about itself besides `/metrics` and its log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::certificates::CertificateFile;
use super::files::secret;
use crate::check::Check;
use crate::raw::cluster::Secret as RawSecret;
use crate::raw::telemetry as raw;
use crate::tree::join;
use crate::{Secret, defaults, format_duration};

/// An OpenTelemetry collector, and what it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// URL of its OTLP/HTTP receiver, without a slash at the end.
    pub endpoint: String,
    /// Headers of every request, by name in small letters.
    pub headers: BTreeMap<String, Secret>,
    /// The authorities to trust under `https`. `None`: the system's.
    pub ca: Option<CertificateFile>,
    /// How often metrics are sent.
    pub interval: Duration,
    /// Whether they are sent at all.
    pub metrics: bool,
    /// Which requests are traced.
    pub traces: Traces,
}

/// Which requests are traced, and what their spans say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traces {
    /// Which part: 0 to 1.
    pub ratio: f64,
    /// Whether spans name the client's `client.id`.
    pub client_ids: bool,
}

const AT: &str = "telemetry.otlp";
const INTERVAL_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Headers that the request itself decides.
const TAKEN: [&str; 6] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"];

impl Otlp {
    pub(crate) fn check(raw: &raw::Otlp, check: &mut Check<'_>) -> Option<Self> {
        let endpoint = check.need(AT, "endpoint", &raw.endpoint, "http://collector.example.com:4318");
        let endpoint = endpoint.and_then(|url| sound_endpoint(url, check));
        let headers = headers(&raw.headers, check);
        let ca = CertificateFile::check(check, AT, "ca", &raw.ca);
        let clear = endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        if clear && ca.is_some() {
            check.wrong(
                "telemetry.otlp.ca",
                "needs TLS",
                "write the endpoint with https://, or take `ca` out",
            );
        }
        if clear && !headers.is_empty() {
            check.warn("telemetry.otlp.headers", "go over the network in clear: the endpoint is http://");
        }
        let show = |d: &Duration| format_duration(*d);
        let interval =
            check.bounded((AT, "interval"), &raw.interval, defaults::OTLP_INTERVAL, INTERVAL_BOUNDS, show);
        let metrics = check.read(AT, "metrics", &raw.metrics).unwrap_or(defaults::OTLP_METRICS);
        let traces = traces(&raw.traces, check);
        Some(Self { endpoint: endpoint?, headers, ca, interval, metrics, traces })
    }
}

/// Says no value: the URL may hold a password.
fn sound_endpoint(url: String, check: &mut Check<'_>) -> Option<String> {
    let path = "telemetry.otlp.endpoint";
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let legal = |b: u8| b.is_ascii_graphic() && !b"?#".contains(&b);
    match host {
        Some(host) if host.contains('@') => {
            check.wrong(path, "holds a user name or password", "take it out, and put it into `headers`");
            None
        }
        Some(host) if crate::Advertise::parse(host).is_some() && url.bytes().all(legal) => {
            Some(url.trim_end_matches('/').to_owned())
        }
        _ => {
            let remedy = "write it like http://collector.example.com:4318";
            check.wrong(path, "is not an http:// or https:// URL of a host, without `?` and `#`", remedy);
            None
        }
    }
}

fn headers(raw: &BTreeMap<String, RawSecret>, check: &mut Check<'_>) -> BTreeMap<String, Secret> {
    let (mut headers, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for (typed, raw) in raw {
        let (name, path) = (typed.to_ascii_lowercase(), join("telemetry.otlp.headers", typed));
        if let Some((reason, remedy)) = wrong_name(&name, seen.insert(name.clone())) {
            check.wrong(&path, reason, remedy);
            continue;
        }
        let Some(value) = secret(check, &path, raw) else { continue };
        if !value.reveal().bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            check.wrong(&path, "leads to a value of other than visible ASCII", "put one line of text there");
            continue;
        }
        headers.insert(name, value);
    }
    headers
}

/// What is wrong with a header's name, and what to do.
fn wrong_name(name: &str, first: bool) -> Option<(&'static str, &'static str)> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(legal) {
        return Some(("is no name of a header", "write letters, digits and `-`, like authorization"));
    }
    if TAKEN.contains(&name) {
        return Some(("is decided by the request itself", "take it out"));
    }
    (!first).then_some(("stands here twice, in other letters", "keep one of them"))
}

fn traces(raw: &raw::Traces, check: &mut Check<'_>) -> Traces {
    let at = "telemetry.otlp.traces";
    let ratio = check.read(at, "ratio", &raw.ratio).unwrap_or(defaults::TRACES.ratio);
    if !(0.0..=1.0).contains(&ratio) {
        let remedy = "write 0 (none) to 1 (all), like 0.01";
        check.wrong("telemetry.otlp.traces.ratio", format!("{ratio} is out of range"), remedy);
    }
    let client_ids = check.read(at, "client_ids", &raw.client_ids).unwrap_or(defaults::TRACES.client_ids);
    Traces { ratio, client_ids }
}
