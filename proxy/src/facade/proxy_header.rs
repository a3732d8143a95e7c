//! The PROXY protocol, version 2: what a load balancer says of the client before the client's first byte.
//!
//! Sixteen fixed bytes, then as many as they announce: addresses by family, then TLVs, which are skipped. Not a byte
//! behind the header is read. Source: HAProxy's `proxy-protocol.txt`, section 2.2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The first twelve bytes: no protocol in use begins so.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
pub const SIGNATURE_V1: [u8; 6] = *b"PROXY ";
/// Signature, version and command, family and transport, length of the rest.
const FIXED: usize = 16;
/// The most that may follow the fixed bytes: addresses take 216 at most, and TLVs of real load balancers some hundred.
const REST_MAX: usize = 4096;
/// A TLV's type and length.
const TLV_FRONT: usize = 3;

/// Why a connection from a load balancer has no usable header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The client's own bytes, it seems.
    #[error(
        "no PROXY protocol header, though the address is in `proxy_protocol.from`: let the load balancer send version 2 \
         (`send-proxy-v2` in HAProxy, `proxy_protocol_v2.enabled` in AWS)"
    )]
    Missing,
    /// Version 1, which is text.
    #[error(
        "a PROXY protocol header of version 1, only version 2 is read: `send-proxy-v2` instead of `send-proxy` in HAProxy"
    )]
    Version1,
    /// Version 2, and wrong.
    #[error("malformed PROXY protocol header: {0}")]
    Malformed(&'static str),
    /// Nothing within `limits.handshake`.
    #[error("no PROXY protocol header within `limits.handshake`")]
    Late,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The load balancer's own, for a health check; or it can't say whose.
    Balancer,
    /// A client's, from this address.
    Client(IpAddr),
}

/// What the first bytes of a connection amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes are needed, counted from the first.
    NeedMore(usize),
    /// The header is whole, and so long.
    Done(Origin, usize),
}

/// Reads a header from the first bytes of a connection.
///
/// # Errors
/// As soon as it can't become one.
pub fn parse(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let said = bytes.len().min(SIGNATURE.len());
    if bytes[..said] != SIGNATURE[..said] {
        return other(bytes);
    }
    let Some(&[version, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else {
        return Ok(Progress::NeedMore(FIXED));
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > REST_MAX {
        return Err(HeaderError::Malformed("longer than 4 KiB"));
    }
    let command = command(version)?;
    let whole = FIXED + rest;
    match bytes.get(FIXED..whole) {
        None => Ok(Progress::NeedMore(whole)),
        // The rest is to be ignored whatever it is.
        Some(_) if command == Command::Local => Ok(Progress::Done(Origin::Balancer, whole)),
        Some(rest) => Ok(Progress::Done(origin(family, rest)?, whole)),
    }
}

/// Bytes that are no header of version 2.
fn other(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let said = bytes.len().min(SIGNATURE_V1.len());
    match (bytes[..said] == SIGNATURE_V1[..said], said == SIGNATURE_V1.len()) {
        (false, _) => Err(HeaderError::Missing),
        (true, true) => Err(HeaderError::Version1),
        (true, false) => Ok(Progress::NeedMore(FIXED)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

fn command(byte: u8) -> Result<Command, HeaderError> {
    match byte {
        0x20 => Ok(Command::Local),
        0x21 => Ok(Command::Proxy),
        _ if byte >> 4 != 2 => Err(HeaderError::Malformed("neither version 1 nor 2")),
        _ => Err(HeaderError::Malformed("neither of the commands LOCAL and PROXY")),
    }
}

/// The client's address, by address family and transport.
fn origin(family: u8, rest: &[u8]) -> Result<Origin, HeaderError> {
    let short = HeaderError::Malformed("shorter than its addresses");
    let (ip, addresses) = match family {
        // Unknown to the sender: whatever follows is to be ignored.
        0x00 => return Ok(Origin::Balancer),
        0x11 => (rest.first_chunk().map(|ip: &[u8; 4]| IpAddr::V4(Ipv4Addr::from(*ip))), 12),
        0x21 => (rest.first_chunk().map(|ip: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical()), 36),
        // A Unix socket has no IP address.
        0x31 => (None, 216),
        _ => return Err(HeaderError::Malformed("neither TCP nor a Unix stream")),
    };
    skip_tlvs(rest.get(addresses..).ok_or(short)?)?;
    Ok(ip.map_or(Origin::Balancer, Origin::Client))
}

/// They must fill the header exactly.
fn skip_tlvs(mut bytes: &[u8]) -> Result<(), HeaderError> {
    while !bytes.is_empty() {
        let front: Option<&[u8; TLV_FRONT]> = bytes.first_chunk();
        let length = front.map(|f| TLV_FRONT + usize::from(u16::from_be_bytes([f[1], f[2]])));
        let next = length.and_then(|n| bytes.get(n..));
        bytes = next.ok_or(HeaderError::Malformed("a TLV that ends behind it"))?;
    }
    Ok(())
}

/// Why no header could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection ended or failed; everyday for a port that is only probed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came is no header.
    #[error("{0}")]
    Header(#[from] HeaderError),
}

/// Reads the header, and nothing behind it.
///
/// # Errors
/// See [`ReadError`].
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Origin, ReadError> {
    let mut bytes = Vec::with_capacity(FIXED);
    loop {
        let needed = match parse(&bytes)? {
            Progress::Done(origin, _) => return Ok(origin),
            Progress::NeedMore(needed) => needed,
        };
        let missing = (needed - bytes.len()) as u64;
        if (&mut *from).take(missing).read_buf(&mut bytes).await? == 0 {
            return Err(match bytes.is_empty() {
                true => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
                false => HeaderError::Malformed("the connection ends inside it").into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header with this version and command, family, and rest.
    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn v4(tlvs: &[u8]) -> Vec<u8> {
        header(0x21, 0x11, &[&[10, 9, 8, 7, 127, 0, 0, 1, 0xa0, 0, 0x23, 0x84], tlvs].concat())
    }

    fn done(bytes: &[u8]) -> Result<Origin, HeaderError> {
        match parse(bytes)? {
            Progress::Done(origin, n) if n == bytes.len() => Ok(origin),
            other => panic!("{other:?} of {} bytes", bytes.len()),
        }
    }

    #[test]
    fn the_clients_address_is_the_source_whatever_the_family_and_the_tlvs() {
        let client = |ip: &str| Ok(Origin::Client(ip.parse().expect("an address")));
        assert_eq!(done(&v4(&[])), client("10.9.8.7"));
        assert_eq!(done(&v4(&[0x04, 0, 2, 0, 0, 0xea, 0, 1, 7])), client("10.9.8.7"));
        let mut v6 = [0; 36];
        (v6[0], v6[15]) = (0xfd, 1);
        assert_eq!(done(&header(0x21, 0x21, &v6)), client("fd00::1"));
        v6[..16].copy_from_slice(&Ipv4Addr::new(10, 9, 8, 7).to_ipv6_mapped().octets());
        assert_eq!(done(&header(0x21, 0x21, &v6)), client("10.9.8.7"));
    }

    #[test]
    fn who_checks_health_or_knows_no_address_is_the_load_balancer() {
        let unknown = [
            header(0x20, 0x00, &[]),
            header(0x20, 0x11, &[1, 2, 3]),
            header(0x21, 0x00, &[9; 5]),
            header(0x21, 0x31, &[0; 216]),
        ];
        for bytes in unknown {
            assert_eq!(done(&bytes), Ok(Origin::Balancer), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_header_of_version_2_is_refused_as_soon_as_that_is_clear() {
        let malformed = |bytes: &[u8]| matches!(parse(bytes), Err(HeaderError::Malformed(_)));
        assert_eq!(parse(b"\x00"), Err(HeaderError::Missing));
        assert_eq!(parse(b"\x16\x03\x01"), Err(HeaderError::Missing));
        assert_eq!(parse(b"\r\nGET"), Err(HeaderError::Missing));
        assert_eq!(parse(b"PROX"), Ok(Progress::NeedMore(FIXED)));
        assert_eq!(parse(b"PROXY TCP4 10.0.0.1"), Err(HeaderError::Version1));
        assert_eq!(parse(b"POST / HTTP/1.1"), Err(HeaderError::Missing));
        for (command, family, rest) in [
            (0x11, 0x11, &[0; 12][..]),
            (0x22, 0x11, &[0; 12]),
            (0x21, 0x12, &[0; 12]),
            (0x21, 0x41, &[0; 12]),
            (0x21, 0x11, &[0; 11]),
            (0x21, 0x21, &[0; 35]),
            (0x21, 0x31, &[0; 215]),
        ] {
            assert!(malformed(&header(command, family, rest)), "{command:#x} {family:#x} {}", rest.len());
        }
        for tlvs in [&[4][..], &[4, 0], &[4, 0, 1], &[4, 0, 0, 4, 0xff, 0xff, 1]] {
            assert!(malformed(&v4(tlvs)), "{tlvs:?}");
        }
        let long = [&SIGNATURE[..], &[0x21, 0x11, 0x10, 0x01]].concat();
        assert!(malformed(&long), "4097 bytes are announced, and not waited for");
    }

    #[tokio::test]
    async fn not_a_byte_behind_the_header_is_read_however_it_arrives() {
        let bytes = [v4(&[4, 0, 1, 9]), b"kafka".to_vec()].concat();
        let mut from = in_pieces(&bytes);
        assert_eq!(read(&mut from).await.expect("a header"), Origin::Client([10, 9, 8, 7].into()));
        let mut rest = Vec::new();
        from.read_to_end(&mut rest).await.expect("the rest");
        assert_eq!(rest, b"kafka");
    }

    #[tokio::test]
    async fn a_connection_that_ends_before_its_header_is_a_probe_and_inside_it_malformed() {
        assert!(matches!(read(&mut &b""[..]).await, Err(ReadError::Io(_))));
        let whole = v4(&[]);
        for cut in 1..whole.len() {
            let ended = read(&mut &whole[..cut]).await;
            assert!(matches!(ended, Err(ReadError::Header(HeaderError::Malformed(_)))), "{cut}: {ended:?}");
        }
    }

    /// A stream that gives one byte at a time.
    fn in_pieces(bytes: &[u8]) -> impl AsyncRead + Unpin + use<> {
        let (near, far) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut far = far;
            tokio::io::AsyncWriteExt::write_all(&mut far, &bytes).await.expect("somebody reads");
        });
        near
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_never_make_us_wait_for_more_than_a_header(
            signed in any::<bool>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = if signed { [&SIGNATURE[..], &bytes].concat() } else { bytes };
            match parse(&bytes) {
                Ok(Progress::NeedMore(n)) => prop_assert!(n > bytes.len() && n <= FIXED + REST_MAX),
                Ok(Progress::Done(_, n)) => prop_assert!(n >= FIXED && n <= bytes.len()),
                Err(_) => {}
            }
        }

        #[test]
        fn every_cut_of_a_header_waits_for_the_rest_of_it(
            ip in any::<[u8; 4]>(),
            tlvs in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..5),
        ) {
            let tlv = |(kind, value): &(u8, Vec<u8>)| {
                [&[*kind], &(value.len() as u16).to_be_bytes()[..], value].concat()
            };
            let tlvs: Vec<u8> = tlvs.iter().flat_map(tlv).collect();
            let whole = header(0x21, 0x11, &[&ip[..], &[0; 8], &tlvs].concat());
            for cut in 0..whole.len() {
                let waits = matches!(parse(&whole[..cut]), Ok(Progress::NeedMore(n)) if n <= whole.len());
                prop_assert!(waits, "{}", cut);
            }
            prop_assert_eq!(parse(&whole), Ok(Progress::Done(Origin::Client(ip.into()), whole.len())));
        }
    }
}
