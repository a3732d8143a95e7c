//! The way to the collector: HTTP/1.1 by hyper, TLS by rustls, one bounded answer per request.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use config::Otlp;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use crate::telemetry::counts::Link;

/// How long a request may take, from the name's address to the answer's end. Shorter than tasks have to end in.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest answer read, bytes: it says at most how much of a batch was refused, and why.
const ANSWER_MAX: usize = 64 * 1024;
/// Connections kept open to be used again: one for each signal.
const IDLE_MAX: usize = 2;

/// Sends to one collector.
#[derive(Clone, Debug)]
pub struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    runtime: Handle,
}

impl Client {
    /// For the collector of this file. To be made inside the runtime that its connections are to live in.
    ///
    /// # Errors
    /// Authorities that can't be read.
    pub fn new(otlp: &Otlp) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(otlp)?).https_or_http();
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector.enable_http1().build());
        Ok(Self { http, headers: headers(otlp), runtime: Handle::current() })
    }

    /// The same, telling `link` what goes wrong.
    pub fn on(&self, link: &Arc<Link>) -> Watched {
        Watched { client: self.clone(), link: link.clone() }
    }

    async fn send(self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.headers);
        let answer = self.http.request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// A [`Client`] for one signal.
#[derive(Clone, Debug)]
pub struct Watched {
    client: Client,
    link: Arc<Link>,
}

#[async_trait]
impl HttpClient for Watched {
    /// Whoever asks may run on a thread without a runtime (the SDK's reader does), so the work is done by ours.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.client.clone().send(request);
        // The clock, too, is that of our runtime: it is asked for inside.
        let sent = self.client.runtime.spawn(async { tokio::time::timeout(PATIENCE, sent).await });
        let answer = match sent.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(format!("no answer within {} s", PATIENCE.as_secs()).into()),
            Err(_) => Err("the gateway ends".into()),
        };
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.link.heard(format!("it answers {}", answer.status())),
            Err(e) => self.link.heard(whole(&**e)),
        }
        answer
    }
}

/// An error with what lies behind it: hyper's own says only that it could not connect.
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn headers(otlp: &Otlp) -> HeaderMap {
    let header = |(name, value): (&String, &config::Secret)| {
        // Both are checked where the file is read.
        let name = HeaderName::try_from(name).ok()?;
        let mut value = HeaderValue::try_from(value.reveal()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    otlp.headers.iter().filter_map(header).collect()
}

/// The system's authorities are looked for only where they are needed: an image may have none.
fn tls(otlp: &Otlp) -> anyhow::Result<ClientConfig> {
    if let Some(ca) = &otlp.ca {
        let config = kafka::client::client_config(Some(&ca.path), None, None)?;
        return Ok(ClientConfig::clone(&config));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if otlp.endpoint.starts_with("http://") {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    (added > 0).then_some(()).context("the system has no authorities to trust: name a PEM file of some")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn headers_are_sent_and_never_printed() {
        let text = "gateway: {id: gw, zone: az1}\ncluster: {bootstrap: [k:9092]}\nlisteners:\n  - {name: c, bind: '127.0.0.1:1', \
                    brokers: {ports: 2-9}}\ntelemetry: {otlp: {endpoint: 'http://c:1', headers: {x-key: {env: PATH}}}}\n";
        let otlp = config::parse(text, ".").expect("a sound file").otlp.expect("a collector");
        let path = std::env::var("PATH").expect("a path");
        let client = Client::new(&otlp).expect("a client");
        assert_eq!(client.headers.get("x-key").map(HeaderValue::as_bytes), Some(path.as_bytes()));
        assert!(!format!("{client:?}").contains(&path), "{client:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_thread_without_a_runtime_can_send_and_hears_why_nothing_came_of_it() {
        let text = "gateway: {id: gw, zone: az1}\ncluster: {bootstrap: [k:9092]}\nlisteners:\n  - {name: c, bind: '127.0.0.1:1', \
                    brokers: {ports: 2-9}}\ntelemetry: {otlp: {endpoint: 'http://127.0.0.1:1'}}\n";
        let otlp = config::parse(text, ".").expect("a sound file").otlp.expect("a collector");
        let link =
            Arc::new(Link::new(crate::telemetry::counts::Signal::Metrics, &otlp.endpoint, Arc::default()));
        let client = Client::new(&otlp).expect("a client").on(&link);
        let sent = std::thread::spawn(move || {
            let request =
                Request::post("http://127.0.0.1:1/v1/metrics").body(Bytes::new()).expect("a request");
            let runtime =
                tokio::runtime::Builder::new_current_thread().build().expect("an executor without a clock");
            runtime.block_on(client.send_bytes(request)).map(|_| ())
        });
        let sent = tokio::task::spawn_blocking(move || sent.join()).await.expect("a thread");
        let error = sent.expect("no panic").expect_err("nobody listens there");
        assert!(whole(&*error).contains("refused"), "{}", whole(&*error));
    }

    #[test]
    fn an_error_is_told_with_its_cause() {
        let cause = std::io::Error::other("connection refused");
        assert_eq!(whole(&std::io::Error::other(cause)), "connection refused");
    }
}
