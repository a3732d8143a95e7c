//! The admin port: `/metrics`, `/healthz`, `/readyz`, `/status`.
//!
//! Whether the gateway lives and is ready everybody may know: other gateways and load balancers ask. What it sees and
//! does is told to those with the token, if there is one.

pub mod serve;

use std::net::IpAddr;
use std::sync::Arc;

use config::Secret;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};

use crate::app::Gateway;
use crate::life::ready;
use crate::metrics::Metrics;
use crate::status::Status;

/// What the pages are made from.
pub struct Admin {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// What opens its pages; `None`: nothing is needed.
    pub token: Option<Secret>,
}

type Page = Response<Full<Bytes>>;

/// Pages without secrets, for whoever looks after the gateway from outside.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

impl Admin {
    fn answer(&self, request: &Request<Incoming>, peer: IpAddr) -> Page {
        let said = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        if OPEN.contains(&request.uri().path()) || lets_in(self.token.as_ref(), said) {
            return self.page(request);
        }
        self.gateway.rejects.admin(peer);
        let mut page = text(
            StatusCode::UNAUTHORIZED,
            "needs the token of gateway.admin_token: Authorization: Bearer ..\n",
        );
        page.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        page
    }

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

/// Whether the header `Authorization` carries the token (RFC 6750), if one is needed.
fn lets_in(token: Option<&Secret>, said: Option<&[u8]>) -> bool {
    let Some(token) = token else { return true };
    let Some((scheme, said)) = said.and_then(|said| said.split_at_checked(BEARER.len())) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(BEARER) && token.is(said)
}

/// How the token is announced; the word's case doesn't matter (RFC 9110, section 11.1).
const BEARER: &[u8] = b"Bearer ";

fn text(status: StatusCode, body: &str) -> Page {
    typed(status, "text/plain; charset=utf-8", body.to_owned())
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Page {
    let mut page = Response::new(Full::new(Bytes::from(body)));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens_and_without_one_everything_does() {
        let token = Secret::new("0123456789abcdef");
        let says = |said: &str| lets_in(Some(&token), Some(said.as_bytes()));
        assert!(says("Bearer 0123456789abcdef") && says("bearer 0123456789abcdef"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "0123456789abcdef",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer  0123456789abcdef",
            "Basic 0123456789abcdef",
        ] {
            assert!(!says(wrong), "{wrong}");
        }
        assert!(!lets_in(Some(&token), None));
        assert!(lets_in(None, None) && lets_in(None, Some(b"Bearer x")));
    }
}
