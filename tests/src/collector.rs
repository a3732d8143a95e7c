//! An OpenTelemetry collector for tests: takes OTLP over HTTP, with TLS or without, and remembers what it was sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::certs::Identity;

/// What a span or a metric's point says of itself.
pub type Attributes = BTreeMap<String, String>;

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: Vec<u8>,
    /// Its own id.
    pub id: Vec<u8>,
    /// The span it is a part of; empty for a request's.
    pub parent: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Its attributes, numbers as text.
    pub attributes: Attributes,
    /// Whether it says that something went wrong.
    pub failed: bool,
    /// Whether it ends before it begins.
    pub backwards: bool,
}

/// The collector; gone when dropped.
pub struct Collector {
    address: String,
    seen: Arc<Mutex<Seen>>,
    _runtime: Runtime,
}

/// What it was sent.
#[derive(Debug, Default)]
struct Seen {
    status: u16,
    refused: usize,
    spans: Vec<Span>,
    metrics: ExportMetricsServiceRequest,
    headers: Vec<Attributes>,
    resources: Vec<Attributes>,
}

impl Collector {
    /// Listens on this port of 127.0.0.1, for TLS if it is given a certificate.
    pub fn start(port: u16, identity: Option<&Identity>) -> Result<Self> {
        Self::answering(port, identity, 200)
    }

    /// The same, with this status for every request until [`Collector::answer`] says another.
    pub fn answering(port: u16, identity: Option<&Identity>, status: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).context("the collector's port")?;
        listener.set_nonblocking(true)?;
        let tls = |i: &Identity| kafka::client::server_config(&i.cert, &i.key, None).map(TlsAcceptor::from);
        let tls = identity.map(tls).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let seen = Arc::new(Mutex::new(Seen { status, ..Seen::default() }));
        let (of_task, guard) = (seen.clone(), runtime.enter());
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(guard);
        runtime.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (seen, tls) = (of_task.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, seen).await,
                        Some(tls) => {
                            if let Ok(tls) = tls.accept(tcp).await {
                                serve(tls, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address: format!("127.0.0.1:{port}"), seen, _runtime: runtime })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Answers with this status from now on; what it answers with an error is forgotten, and counted.
    pub fn answer(&self, status: u16) {
        self.seen().status = status;
    }

    /// How many requests it has answered with an error.
    pub fn refused(&self) -> usize {
        self.seen().refused
    }

    /// All spans so far, in the order they came in.
    pub fn spans(&self) -> Vec<Span> {
        self.seen().spans.clone()
    }

    /// The values of a counter or a gauge when it was last sent.
    pub fn values(&self, name: &str) -> Vec<(Attributes, f64)> {
        let seen = self.seen();
        let scopes = seen.metrics.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
        let named = scopes.flat_map(|s| &s.metrics).filter(|m| m.name == name);
        let points = named.flat_map(|m| match &m.data {
            Some(metric::Data::Sum(sum)) => sum.data_points.clone(),
            Some(metric::Data::Gauge(gauge)) => gauge.data_points.clone(),
            _ => Vec::new(),
        });
        let value = |v: Option<number_data_point::Value>| match v {
            Some(number_data_point::Value::AsInt(v)) => v as f64,
            Some(number_data_point::Value::AsDouble(v)) => v,
            None => f64::NAN,
        };
        points.map(|p| (attributes(&p.attributes), value(p.value))).collect()
    }

    /// The headers of every request so far.
    pub fn headers(&self) -> Vec<Attributes> {
        self.seen().headers.clone()
    }

    /// What the senders said of themselves.
    pub fn resources(&self) -> Vec<Attributes> {
        self.seen().resources.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Mutex<Seen>>) {
    let service = service_fn(|request| take(request, seen.clone()));
    // A gateway that was killed ends its connection in the middle of something.
    let _served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn take(
    request: Request<Incoming>,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let header = |(k, v): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (k.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())
    };
    seen.headers.push(head.headers.iter().map(header).collect());
    let status = match seen.status {
        200 => seen.keep(head.uri.path(), &body),
        refuses => {
            seen.refused += 1;
            refuses
        }
    };
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status.try_into().unwrap_or_default();
    Ok(answer)
}

impl Seen {
    /// Reads what was sent; the status to answer with.
    fn keep(&mut self, path: &str, body: &[u8]) -> u16 {
        match path {
            "/v1/traces" => {
                let Ok(sent) = ExportTraceServiceRequest::decode(body) else { return 400 };
                for of in sent.resource_spans {
                    self.resources.push(attributes(&of.resource.unwrap_or_default().attributes));
                    self.spans.extend(of.scope_spans.into_iter().flat_map(|s| s.spans).map(span));
                }
            }
            "/v1/metrics" => {
                let Ok(sent) = ExportMetricsServiceRequest::decode(body) else { return 400 };
                let of = sent.resource_metrics.iter().filter_map(|r| r.resource.as_ref());
                self.resources.extend(of.map(|r| attributes(&r.attributes)));
                self.metrics = sent;
            }
            _ => return 404,
        }
        200
    }
}

fn span(span: opentelemetry_proto::tonic::trace::v1::Span) -> Span {
    Span {
        backwards: span.end_time_unix_nano < span.start_time_unix_nano,
        failed: span.status.is_some_and(|s| s.code == 2),
        trace: span.trace_id,
        id: span.span_id,
        parent: span.parent_span_id,
        name: span.name,
        attributes: attributes(&span.attributes),
    }
}

fn attributes(of: &[KeyValue]) -> Attributes {
    let text = |kv: &KeyValue| match kv.value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(any_value::Value::StringValue(v)) => v.clone(),
        Some(any_value::Value::IntValue(v)) => v.to_string(),
        Some(any_value::Value::DoubleValue(v)) => v.to_string(),
        Some(any_value::Value::BoolValue(v)) => v.to_string(),
        other => format!("{other:?}"),
    };
    of.iter().map(|kv| (kv.key.clone(), text(kv))).collect()
}
