//! A certificate's subject as Java prints it (`X500Principal.getName()`, RFC 2253), which is what Kafka makes principals
//! of: `CN=app-a,OU=Payments,O=Example`.
//!
//! webpki, which has verified the certificate, says where its subject lies; only the name inside is read here. Java's
//! own peculiarities are kept: what other RFC 2253 printers leave alone it escapes, and attributes outside a short list
//! are printed as numbers.

use std::fmt::Write as _;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
/// UTF8String, PrintableString, TeletexString, IA5String, GeneralString, UniversalString, BMPString: Java prints these as
/// text and all others in hexadecimal.
const TEXTS: [u8; 7] = [0x0c, 0x13, 0x14, 0x16, 0x1b, 0x1c, 0x1e];
/// The attributes that RFC 2253 names, by the content of their object identifiers.
const NAMED: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];
const ESCAPED: &str = ",=+<>#;\"\\";

/// The subject; `None` if it can't be read.
pub fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    name(EndEntityCert::try_from(certificate).ok()?.subject())
}

/// A Name (X.501) without its own tag: the parts in order, printed from the last to the first.
fn name(mut der: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !der.is_empty() {
        parts.push(part(take(&mut der, SET)?)?);
    }
    parts.reverse();
    Some(parts.join(","))
}

/// A relative name: mostly one attribute.
fn part(mut der: &[u8]) -> Option<String> {
    let mut attributes = Vec::new();
    while !der.is_empty() {
        attributes.push(attribute(take(&mut der, SEQUENCE)?)?);
    }
    Some(attributes.join("+")).filter(|part| !part.is_empty())
}

fn attribute(mut der: &[u8]) -> Option<String> {
    let kind = take(&mut der, OID)?;
    let whole = der;
    let (tag, content) = element(&mut der)?;
    if !der.is_empty() {
        return None;
    }
    match NAMED.iter().find(|(oid, _)| *oid == kind) {
        Some((_, name)) if TEXTS.contains(&tag) => {
            Some(format!("{name}={}", escaped(std::str::from_utf8(content).ok()?)))
        }
        Some((_, name)) => Some(format!("{name}={}", hex(whole))),
        None => Some(format!("{}={}", dotted(kind)?, hex(whole))),
    }
}

fn hex(der: &[u8]) -> String {
    der.iter().fold("#".to_owned(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// As Java does it: everything special wherever it stands, blanks and carriage returns at the ends.
fn escaped(text: &str) -> String {
    let blank = [' ', '\r'];
    let from = text.len() - text.trim_start_matches(blank).len();
    let to = text.trim_end_matches(blank).len();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\0' => out.push_str("\\00"),
            c if ESCAPED.contains(c) || at < from || at >= to => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// An object identifier as numbers.
fn dotted(oid: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut rest = oid;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| byte & 0x80 == 0)?;
        // More than 63 bits are nobody's identifier.
        let number =
            (end < 9).then(|| rest[..=end].iter().fold(0u64, |n, b| (n << 7) | u64::from(b & 0x7f)))?;
        numbers.push(number);
        rest = &rest[end + 1..];
    }
    let first = *numbers.first()?;
    let root = (first / 40).min(2);
    let mut out = format!("{root}.{}", first - 40 * root);
    for number in &numbers[1..] {
        let _ = write!(out, ".{number}");
    }
    Some(out)
}

/// The content of the next element, which must have this tag.
fn take<'a>(der: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    element(der).filter(|(tag, _)| *tag == wanted).map(|(_, content)| content)
}

/// The next element's tag and content (X.690, definite lengths).
fn element<'a>(der: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, length], rest) = der.split_first_chunk()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |n, b| (n << 8) | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = match content.len() {
            n @ 0..0x80 => vec![n as u8],
            n => vec![0x82, (n >> 8) as u8, n as u8],
        };
        [&[tag][..], &length, content].concat()
    }

    fn one(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        tlv(SEQUENCE, &[tlv(OID, oid), tlv(tag, value)].concat())
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];
    const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];

    fn common_name(value: &str) -> String {
        name(&tlv(SET, &one(CN, 0x0c, value.as_bytes()))).expect("a name")
    }

    /// What OpenJDK's `X500Principal.getName()` printed for these very bytes.
    #[test]
    fn names_read_as_java_prints_them() {
        let whole = [
            tlv(SET, &one(O, 0x0c, b"Example")),
            tlv(SET, &[one(CN, 0x13, b"app-a"), one(&[0x55, 4, 11], 0x0c, b"x")].concat()),
        ];
        assert_eq!(name(&whole.concat()).as_deref(), Some("CN=app-a+OU=x,O=Example"));
        let mail = tlv(SET, &one(EMAIL, 0x16, b"a@b"));
        assert_eq!(name(&mail).as_deref(), Some("1.2.840.113549.1.9.1=#1603614062"));
        let number = tlv(SET, &one(CN, 0x02, &[7]));
        assert_eq!(name(&number).as_deref(), Some("CN=#020107"));
        for (value, printed) in [
            ("Müller, Söhne", "CN=Müller\\, Söhne"),
            (" a b ", "CN=\\ a b\\ "),
            ("#1=2+3<4>5;6\"7\\8", "CN=\\#1\\=2\\+3\\<4\\>5\\;6\\\"7\\\\8"),
            ("a\0b", "CN=a\\00b"),
            ("a\nb", "CN=a\nb"),
            ("\ra\r", "CN=\\\ra\\\r"),
            ("\ta", "CN=\ta"),
            ("a\\ ", "CN=a\\\\\\ "),
            ("", "CN="),
            ("  ", "CN=\\ \\ "),
        ] {
            assert_eq!(common_name(value), printed);
        }
        let double_bytes = tlv(SET, &one(CN, 0x1e, b"\0a\0b"));
        assert_eq!(name(&double_bytes).as_deref(), Some("CN=\\00a\\00b"));
        let time = tlv(SET, &one(CN, 0x17, b"250101000000Z"));
        assert_eq!(name(&time).as_deref(), Some("CN=#170d3235303130313030303030305a"));
        assert_eq!(name(&[]).as_deref(), Some(""));
    }

    #[test]
    fn text_that_is_no_utf8_is_no_name() {
        assert_eq!(name(&tlv(SET, &one(CN, 0x14, &[0xe9]))), None);
    }

    #[test]
    fn two_values_never_print_alike() {
        // A comma inside a value is no new part.
        assert_ne!(common_name("a,O=Example"), "CN=a,O=Example");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = name(&bytes);
            let _ = subject(&CertificateDer::from(bytes.clone()));
            let _ = name(&tlv(SET, &tlv(SEQUENCE, &bytes)));
            let _ = dotted(&bytes);
        }

        #[test]
        fn a_name_cut_short_is_none(value in "[a-z]{1,20}", cut in 1usize..10) {
            let whole = tlv(SET, &one(CN, 0x0c, value.as_bytes()));
            prop_assert_eq!(name(&whole[..whole.len() - cut.min(whole.len() - 1)]), None);
        }
    }
}
