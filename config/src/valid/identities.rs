//! `listeners[].tls.identities`: who the holder of a client certificate is towards the brokers.

use std::collections::HashMap;

use super::cluster::{Auth, Cluster};
use super::listeners::Listener;
use crate::check::Check;
use crate::raw::listeners as raw;
use crate::tree::join;

/// A certificate's subject, and the principal that the gateway takes for its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The whole subject as Java prints it (RFC 2253): compared byte by byte.
    pub subject: String,
    /// How the gateway authenticates this client's connections to brokers.
    pub auth: Auth,
}

/// Most identities of one listener.
const IDENTITIES_MAX: usize = 10_000;

/// The entries that are right.
pub(crate) fn check(list: &[raw::Identity], asks: bool, at: &str, check: &mut Check<'_>) -> Vec<Identity> {
    let at = join(at, "identities");
    if !asks {
        let remedy = "write client_ca: clients.pem   # who signs the clients' certificates";
        check.wrong(&at, "needs client certificates, and none are asked for", remedy);
    }
    if list.is_empty() {
        let remedy =
            "list subjects, or take it out: then certificates open the door and say nothing to brokers";
        check.wrong(&at, "is empty, so every client would be refused", remedy);
    }
    if list.len() > IDENTITIES_MAX {
        check.wrong(&at, "is too long", format!("list {IDENTITIES_MAX} subjects at most"));
    }
    let (mut right, mut seen) = (Vec::new(), HashMap::new());
    for (n, raw) in list.iter().take(IDENTITIES_MAX).enumerate() {
        let at = format!("{at}[{n}]");
        let subject = subject(raw, &at, check);
        let auth = match &raw.auth {
            Some(auth) => Auth::check(auth, &join(&at, "auth"), check),
            None => check.missing(
                &at,
                "auth",
                "{mechanism: SCRAM-SHA-512, username: app-a, password: {file: ..}}",
            ),
        };
        let (Some(subject), Some(auth)) = (subject, auth) else { continue };
        if let Some(first) = seen.insert(subject.clone(), at.clone()) {
            let reason = format!("`{subject}` stands at {first} too");
            check.wrong(&join(&at, "subject"), reason, "give each subject one entry");
        }
        right.push(Identity { subject, auth });
    }
    right
}

fn subject(raw: &raw::Identity, at: &str, check: &mut Check<'_>) -> Option<String> {
    let subject = check.need(at, "subject", &raw.subject, "\"CN=app-a,O=Example\"")?;
    if !subject.contains('=') || subject.contains(", ") || subject.trim() != subject {
        let reason = format!("`{subject}` is no subject as Java prints it");
        let remedy = "write the whole of it, the most specific part first and no blanks after commas, \
                      like \"CN=app-a,O=Example\"; the log line of a refused client shows its own";
        check.wrong(&join(at, "subject"), reason, remedy);
        return None;
    }
    Some(subject)
}

/// Warns where a mechanism that hides nothing meets brokers without TLS.
pub(crate) fn warn_of_clear(placed: &[(String, Listener)], cluster: Option<&Cluster>, check: &mut Check<'_>) {
    if cluster.is_none_or(|c| c.tls.is_some()) {
        return;
    }
    for (at, listener) in placed {
        let list = listener.tls.as_ref().and_then(|tls| tls.identities.as_deref()).unwrap_or_default();
        if list.iter().any(|identity| identity.auth.is_clear()) {
            let text = "without cluster.tls the secrets cross the network in clear";
            check.warn(&join(at, "tls.identities"), text);
        }
    }
}
