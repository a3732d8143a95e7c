//! One request over plain HTTP, for the gateway's admin port and Connect's REST interface.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::raw::Raw;

/// How long connecting, one read or one write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What opens the admin pages of the tests' gateways, where they ask for a token.
pub const ADMIN_TOKEN: &str = "a-token-of-the-tests";

/// A status code and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 and the like.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Asks `address` (`host:port`) for `path`, with the token of the tests' gateways.
pub fn get(address: &str, path: &str) -> Result<Answer> {
    get_as(address, path, Some(ADMIN_TOKEN))
}

/// Asks `address` (`host:port`) for `path`, with a bearer token or without one.
pub fn get_as(address: &str, path: &str, token: Option<&str>) -> Result<Answer> {
    let token = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{token}\r\n"))
}

/// Asks without a token, from another address of this machine.
pub fn get_from(from: IpAddr, address: &str, path: &str) -> Result<Answer> {
    let raw = Raw::connect_from(from, address)?;
    ask_over(raw.stream(), address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"))
}

/// Puts `json` to `path` at `address` (`host:port`).
pub fn put(address: &str, path: &str, json: &str) -> Result<Answer> {
    let length = json.len();
    ask(
        address,
        &format!(
            "PUT {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{json}"
        ),
    )
}

fn ask(address: &str, request: &str) -> Result<Answer> {
    let target = address.to_socket_addrs()?.next().context("no address")?;
    let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    ask_over(&stream, address, request)
}

/// HTTP/1.0: no chunks, and the end of the stream ends the body.
fn ask_over(mut stream: &TcpStream, address: &str, request: &str) -> Result<Answer> {
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).with_context(|| format!("read the answer of {address}"))?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no HTTP status")?;
    Ok(Answer { status, body: body.to_owned() })
}
