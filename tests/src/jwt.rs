//! Signed bearer tokens (JWT, RFC 7519) and the keys that a broker checks them with (JWKS, RFC 7517): what an
//! identity provider would issue, without one.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, SigningKey};
use serde_json::json;

/// Bytes of a coordinate or half a signature on P-256.
const HALF: usize = 32;

/// Issues tokens, signed with ES256 (RFC 7518 section 3.4).
#[derive(Debug)]
pub struct Issuer {
    key: KeyPair,
}

impl Issuer {
    /// An issuer with a new key.
    pub fn new() -> Result<Self> {
        Ok(Self { key: KeyPair::generate()? })
    }

    /// Writes the key set that verifies its tokens.
    pub fn write_keys(&self, file: &Path) -> Result<()> {
        // SEC 1 section 2.3.3: 4, then both coordinates.
        let point = self.key.public_key_raw();
        ensure!(point.len() == 1 + 2 * HALF && point[0] == 4, "not an uncompressed point");
        let (x, y) = point[1..].split_at(HALF);
        let key = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "test",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        std::fs::write(file, json!({"keys": [key]}).to_string()).context("write the keys")
    }

    /// A token that says who its bearer is, for so long from now on.
    pub fn token(&self, subject: &str, lifetime: Duration) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let head = json!({"alg": "ES256", "typ": "JWT", "kid": "test"});
        let claims = json!({
            "iss": "tidegate-test", "aud": "kafka", "sub": subject, "scope": "kafka",
            "iat": now.as_secs(), "exp": (now + lifetime).as_secs(),
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = plain(&self.key.sign(signed.as_bytes())?)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// JWS wants r and s, 32 bytes each; our library gives ASN.1's SEQUENCE of two INTEGERs.
fn plain(der: &[u8]) -> Result<[u8; 2 * HALF]> {
    ensure!(der.len() > 2 && der[0] == 0x30, "not a signature");
    let (r, rest) = integer(&der[2..])?;
    let (s, _) = integer(rest)?;
    let mut plain = [0; 2 * HALF];
    plain[HALF - r.len()..HALF].copy_from_slice(r);
    plain[2 * HALF - s.len()..].copy_from_slice(s);
    Ok(plain)
}

/// An INTEGER's bytes without leading zeroes, and what follows it.
fn integer(der: &[u8]) -> Result<(&[u8], &[u8])> {
    ensure!(der.len() > 2 && der[0] == 2 && der.len() >= 2 + usize::from(der[1]), "not an integer");
    let (value, rest) = der[2..].split_at(der[1].into());
    let value = &value[value.iter().take_while(|byte| **byte == 0).count()..];
    ensure!(value.len() <= HALF, "too long an integer");
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_padded_integers_of_a_signature_come_out_at_their_places() {
        let der = [0x30, 9, 2, 3, 0, 0x80, 1, 2, 2, 5, 6];
        let plain = plain(&der).unwrap();
        assert_eq!((&plain[30..32], &plain[62..]), (&[0x80, 1][..], &[5, 6][..]));
        assert_eq!(plain.iter().filter(|b| **b == 0).count(), 60);
        super::plain(&[0x30, 4, 2, 9, 1, 1]).unwrap_err();
    }
}
