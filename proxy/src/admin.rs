//! The admin port: `/metrics`, `/healthz`, `/readyz`, `/status`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::Gateway;
use crate::life::ready;
use crate::metrics::Metrics;
use crate::status::Status;

/// Requests served at once; more wait.
const AT_ONCE: usize = 64;
/// A client that dawdles over its request for longer is cut.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the pages are made from.
pub struct Admin {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
}

type Page = Response<Full<Bytes>>;

/// Serves until `stop`.
pub async fn run(socket: TcpListener, admin: Arc<Admin>, tasks: TaskTracker, stop: CancellationToken) {
    let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (admin, stop) = (admin.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let service = hyper::service::service_fn(move |request| {
                let admin = admin.clone();
                async move { Ok::<_, Infallible>(admin.page(&request)) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            let http = http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                _ = http.serve_connection(TokioIo::new(tcp), service) => {}
            }
        });
    }
}

impl Admin {
    fn page(&self, request: &Request<Incoming>) -> Page {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/metrics" => match self.metrics.text() {
                Ok(body) => typed(StatusCode::OK, "text/plain; version=0.0.4", body),
                Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{e:#}\n")),
            },
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/status" => match serde_json::to_string_pretty(&Status::of(&self.gateway)) {
                Ok(body) => typed(StatusCode::OK, "application/json", body),
                Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{e}\n")),
            },
            "/" => text(StatusCode::OK, "tidegate: /metrics /healthz /readyz /status\n"),
            _ => text(StatusCode::NOT_FOUND, "try /metrics, /healthz, /readyz or /status\n"),
        }
    }

    /// Whether clients should be sent here, and if not, everything that is missing.
    fn ready(&self) -> Page {
        let missing = ready::of(&self.gateway);
        match missing.is_empty() {
            true => text(StatusCode::OK, "ready\n"),
            false => {
                let lines: String = missing.iter().map(|m| format!("{m}\n")).collect();
                text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready\n{lines}"))
            }
        }
    }
}

fn text(status: StatusCode, body: &str) -> Page {
    typed(status, "text/plain; charset=utf-8", body.to_owned())
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Page {
    let mut page = Response::new(Full::new(Bytes::from(body)));
    *page.status_mut() = status;
    page.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    page
}
