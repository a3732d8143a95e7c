//! A version as bytes.
//!
//! ```text
//! magic "TGRV" | format u16 = 1 | writer length u16 | crc32c u32 | body length u64
//! | seq u64 | epoch u64 | put id 16 bytes | writer | body
//! ```
//! Big-endian. The checksum covers everything behind it. The lengths must add up to the object's own: a store may
//! publish an object that was cut short.

use bytes::{BufMut, Bytes, BytesMut};

use super::Version;
use super::ids::{PutId, Seq, WriterEpoch};
use crate::{Error, Kind};

const MAGIC: [u8; 4] = *b"TGRV";
const FORMAT: u16 = 1;
/// Where the checksum ends and what it covers begins.
const COVERED: usize = 12;
/// The fixed part, bytes.
const HEADER: usize = 52;

/// The longest body, bytes.
pub const BODY_MAX: usize = 32 * 1024 * 1024;
/// The longest name of a writer, bytes.
pub const WRITER_MAX: usize = 255;

/// Why bytes are no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("shorter than a header")]
    Short,
    #[error("not a version of a register")]
    Magic,
    #[error("a format that this build does not know")]
    Format,
    #[error("its lengths do not add up")]
    Length,
    #[error("its checksum is wrong")]
    Checksum,
    #[error("it belongs to another key")]
    Elsewhere,
}

/// A version's record.
///
/// # Errors
/// [`Kind::Unusable`] where body or writer are longer than the bounds.
pub(super) fn encode(version: &Version) -> Result<Bytes, Error> {
    let (writer, body) = (version.writer.as_bytes(), &version.body);
    if body.len() > BODY_MAX || writer.len() > WRITER_MAX {
        let said = format!("{} bytes by a writer of {}: too long", body.len(), writer.len());
        return Err(Error::new(Kind::Unusable, "register", said));
    }
    let mut out = BytesMut::with_capacity(HEADER + writer.len() + body.len());
    out.put_slice(&MAGIC);
    out.put_u16(FORMAT);
    out.put_u16(writer.len() as u16);
    out.put_u32(0);
    out.put_u64(body.len() as u64);
    out.put_u64(version.seq.get());
    out.put_u64(version.epoch.0);
    out.put_slice(&version.put_id.0);
    out.put_slice(writer);
    out.put_slice(body);
    let crc = crc32c::crc32c(&out[COVERED..]);
    out[COVERED - 4..COVERED].copy_from_slice(&crc.to_be_bytes());
    Ok(out.freeze())
}

/// Reads the record of key `seq`. The body shares its bytes.
pub(super) fn decode(seq: Seq, record: &Bytes) -> Result<Version, Invalid> {
    let fixed = record.first_chunk::<HEADER>().ok_or(Invalid::Short)?;
    if fixed[..4] != MAGIC {
        return Err(Invalid::Magic);
    }
    if number(&fixed[4..6]) != u64::from(FORMAT) {
        return Err(Invalid::Format);
    }
    let (writer_len, body_len) = (number(&fixed[6..8]), number(&fixed[12..20]));
    if body_len > BODY_MAX as u64 || HEADER as u64 + writer_len + body_len != record.len() as u64 {
        return Err(Invalid::Length);
    }
    if number(&fixed[8..12]) != u64::from(crc32c::crc32c(&record[COVERED..])) {
        return Err(Invalid::Checksum);
    }
    if number(&fixed[20..28]) != seq.get() {
        return Err(Invalid::Elsewhere);
    }
    let body_at = HEADER + writer_len as usize;
    let mut put_id = PutId([0; 16]);
    put_id.0.copy_from_slice(&fixed[36..52]);
    Ok(Version {
        seq,
        epoch: WriterEpoch(number(&fixed[28..36])),
        put_id,
        writer: String::from_utf8_lossy(&record[HEADER..body_at]).into_owned(),
        body: record.slice(body_at..),
    })
}

/// Up to eight bytes, big-endian.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Version {
        Version {
            seq: Seq::new(7).unwrap(),
            epoch: WriterEpoch(3),
            put_id: PutId([9; 16]),
            writer: "gw-az1-0".into(),
            body: Bytes::from_static(b"what it says"),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let record = encode(&version()).unwrap();
        assert_eq!(decode(version().seq, &record), Ok(version()));
    }

    #[test]
    fn a_record_of_another_key_is_invalid() {
        let record = encode(&version()).unwrap();
        assert_eq!(decode(Seq::FIRST, &record), Err(Invalid::Elsewhere));
    }

    #[test]
    fn a_record_cut_anywhere_or_with_any_byte_flipped_is_invalid() {
        let record = encode(&version()).unwrap();
        for at in 0..record.len() {
            assert!(decode(version().seq, &record.slice(..at)).is_err(), "cut at {at}");
            let mut flipped = record.to_vec();
            flipped[at] ^= 0x40;
            assert!(decode(version().seq, &flipped.into()).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn a_body_over_the_bound_is_refused_before_it_is_written() {
        let body = Bytes::from(vec![0; BODY_MAX + 1]);
        assert_eq!(encode(&Version { body, ..version() }).unwrap_err().kind, Kind::Unusable);
    }
}
