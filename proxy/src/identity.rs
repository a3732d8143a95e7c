//! Who clients are towards the brokers where their certificates say so (`listeners[].tls.identities`).

use std::collections::HashMap;

use config::{Auth, Identity, Sha};
use kafka::client::{Sasl, ScramHash, Token};
use rustls::pki_types::CertificateDer;

use crate::session::fault::Fault;
use crate::session::subject::subject;

/// Longest subject that a log line shows, in characters.
const SHOWN_MAX: usize = 300;

/// Principals by subject.
#[derive(Debug)]
pub struct Identities(HashMap<String, Sasl>);

impl Identities {
    /// The map of a listener.
    pub fn new(list: &[Identity]) -> Self {
        Self(list.iter().map(|identity| (identity.subject.clone(), sasl(&identity.auth))).collect())
    }

    /// The principal of the client that showed this chain.
    ///
    /// # Errors
    /// [`Fault::NotMapped`]: nobody is meant by it.
    pub fn of(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<Sasl, Fault> {
        let shown = chain.and_then(|chain| subject(chain.first()?));
        let mapped = shown.as_ref().and_then(|subject| self.0.get(subject));
        mapped.cloned().ok_or_else(|| {
            Fault::NotMapped(match shown {
                Some(subject) => subject.chars().take(SHOWN_MAX).collect(),
                None => "a subject that cannot be read".to_owned(),
            })
        })
    }
}

/// What the settings say, as the client library wants it.
pub fn sasl(auth: &Auth) -> Sasl {
    let secret = |s: &config::Secret| s.reveal().into();
    match auth {
        Auth::Plain { username, password } => {
            Sasl::Plain { username: username.clone(), password: secret(password) }
        }
        Auth::Scram { sha, username, password } => Sasl::Scram {
            hash: match sha {
                Sha::Sha256 => ScramHash::Sha256,
                Sha::Sha512 => ScramHash::Sha512,
            },
            username: username.clone(),
            password: secret(password),
            token_auth: false,
        },
        Auth::OauthBearer { token } => Sasl::OauthBearer {
            token: match token {
                config::Token::Fixed(token) => Token::Fixed(secret(token)),
                config::Token::File(path) => Token::File(path.clone()),
            },
            extensions: Vec::new(),
        },
    }
}
