//! Who we are towards a broker, and the messages that carry it whole.

use zeroize::Zeroizing;

use super::sasl::AuthError;
use super::scram::ScramHash;
use super::secret::Secret;
use super::token::Token;

/// Separates the parts of an OAUTHBEARER message (RFC 7628 section 3.1).
const KVSEP: char = '\u{1}';

/// Who we are, and how we prove it. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Sasl {
    /// The password itself (RFC 4616); only sensible under TLS.
    Plain {
        /// Authentication identity.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// Challenge and response (RFC 5802, 7677).
    Scram {
        /// The hash, and so the mechanism.
        hash: ScramHash,
        /// Authentication identity; the token's id with `token_auth`.
        username: String,
        /// Its password; the token's HMAC with `token_auth`.
        password: Secret,
        /// Whether this is a delegation token (KIP-48).
        token_auth: bool,
    },
    /// A bearer token (RFC 7628, KIP-255).
    OauthBearer {
        /// The token, for example a JWT.
        token: Token,
        /// SASL extensions (KIP-342): names of letters, and values without control characters.
        extensions: Vec<(String, String)>,
    },
}

impl Sasl {
    /// The mechanism's registered name.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain { .. } => "PLAIN",
            Self::Scram { hash, .. } => hash.mechanism(),
            Self::OauthBearer { .. } => "OAUTHBEARER",
        }
    }
}

/// The PLAIN message: no authorization identity, then name and password (RFC 4616).
pub(super) fn plain_message(username: &str, password: &Secret) -> Result<Zeroizing<String>, AuthError> {
    if username.contains('\0') || password.expose().contains('\0') {
        return Err(AuthError::Credentials {
            mechanism: "PLAIN",
            what: "a name or password holds a zero byte",
        });
    }
    Ok(Zeroizing::new(format!("\0{username}\0{}", password.expose())))
}

/// The OAUTHBEARER message (RFC 7628 section 3.1).
pub(super) fn bearer_message(token: &Secret, extensions: &[(String, String)]) -> Result<String, AuthError> {
    let wrong = |what| AuthError::Credentials { mechanism: "OAUTHBEARER", what };
    if token.expose().is_empty() || !token.expose().chars().all(|c| c.is_ascii_graphic()) {
        return Err(wrong("the token is empty or holds blanks or control characters"));
    }
    let mut message = format!("n,,{KVSEP}auth=Bearer {}{KVSEP}", token.expose());
    for (name, value) in extensions {
        if name.is_empty() || name == "auth" || !name.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(wrong("an extension's name must be letters, and not `auth`"));
        }
        if value.chars().any(char::is_control) {
            return Err(wrong("an extension's value holds control characters"));
        }
        message.push_str(&format!("{name}={value}{KVSEP}"));
    }
    message.push(KVSEP);
    Ok(message)
}
