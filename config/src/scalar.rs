//! The kinds of single values: how each is read from what was typed, and how the schema describes it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{Schema, json_schema};

use crate::leaf::{Refusal, Scalar, Typed, refuse, text};
use crate::{Advertise, ByteSize, HostPort, Zone, parse_duration};

/// A value from a text by a parser that may refuse it.
fn parsed<T>(
    typed: &Typed,
    parse: impl FnOnce(&str) -> Option<T>,
    what: &str,
    remedy: &str,
) -> Result<T, Refusal> {
    let text = text(typed)?;
    parse(text).map_or_else(|| refuse(format!("`{text}` is not {what}"), remedy), Ok)
}

impl Scalar for String {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match text(typed)? {
            t if t.trim().is_empty() => refuse("is empty", "write a value, or leave the key out"),
            t => Ok(t.to_owned()),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "minLength": 1})
    }
}

impl Scalar for PathBuf {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        String::read(typed).map(PathBuf::from)
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "path", "type": "string", "minLength": 1})
    }
}

impl Scalar for Zone {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let remedy = "write 1 to 128 bytes, without white space at the ends; advise zone ids like use1-az1";
        parsed(typed, Zone::new, "a zone name", remedy)
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "zone", "type": "string", "minLength": 1, "maxLength": crate::ZONE_BYTES_MAX})
    }
}

impl Scalar for HostPort {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        parsed(
            typed,
            HostPort::parse,
            "a host and a port",
            "write host:port, like kafka-1.example.com:9092; IPv6 as \"[fd00::1]:9092\"",
        )
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "host:port", "type": "string", "pattern": "^.+:[0-9]{1,5}$"})
    }
}

impl Scalar for Advertise {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        parsed(
            typed,
            Advertise::parse,
            "a host",
            "write a DNS name or an IP address, with :port only under SNI",
        )
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "host", "type": "string", "minLength": 1})
    }
}

impl Scalar for SocketAddr {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let remedy = "write ip:port, like 0.0.0.0:9092; IPv6 as \"[::]:9092\"; names are not resolved here";
        parsed(typed, |t| t.parse().ok(), "an IP address and a port", remedy)
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "ip:port", "type": "string", "pattern": "^.+:[0-9]{1,5}$"})
    }
}

impl Scalar for IpNet {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let remedy = "write address/prefix, like 10.0.1.0/24; one address is /32, or /128 for IPv6";
        let net: Self = parsed(typed, |t| t.parse().ok(), "a network", remedy)?;
        if net.addr() == net.network() {
            return Ok(net);
        }
        refuse(
            format!("`{net}` has bits set behind its prefix"),
            format!("write {}, or a longer prefix", net.trunc()),
        )
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "network", "type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"})
    }
}

impl Scalar for ByteSize {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let shown = match typed {
            Typed::Int(v) => v.to_string(),
            Typed::Float(v) => v.to_string(),
            other => text(other)?.to_owned(),
        };
        ByteSize::parse(&shown).or_else(|why| refuse(format!("`{shown}` {why}"), "example: 64MiB"))
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "size", "type": ["string", "integer"], "pattern": "^[0-9]+ ?([KMGT]iB|[kMGT]?B)?$", "minimum": 0})
    }
}

impl Scalar for Duration {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let shown = match typed {
            Typed::Int(v) => v.to_string(),
            Typed::Float(v) => v.to_string(),
            other => text(other)?.to_owned(),
        };
        parse_duration(&shown)
            .or_else(|why| refuse(format!("`{shown}` {why}"), "examples: 250ms, 10s, 5m, 2h, 90d"))
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "duration", "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d)$"})
    }
}

impl Scalar for bool {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match typed {
            Typed::Bool(v) => Ok(*v),
            _ => refuse("is neither true nor false", "write true or false, without quotes"),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "boolean"})
    }
}

impl Scalar for u32 {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match typed {
            Typed::Int(v) => u32::try_from(*v)
                .or_else(|_| refuse(format!("`{v}` is out of range"), "write 0 to 4294967295")),
            _ => refuse("is not a whole number", "write digits only, without quotes"),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
    }
}

impl Scalar for f64 {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match typed {
            Typed::Int(v) => Ok(*v as f64),
            Typed::Float(v) => Ok(*v),
            _ => refuse("is not a number", "write a number, like 0.02"),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "number"})
    }
}
