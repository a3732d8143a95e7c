//! The files of certificates that a configuration names.

use std::path::PathBuf;

use super::Config;
use super::files::{Pem, pem};
use crate::check::Check;
use crate::leaf::Leaf;

/// A PEM file of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its path as the file has it: relative paths start from the file's folder.
    pub written: String,
}

impl CertificateFile {
    /// A file that is there and holds a certificate; `None` if it isn't set, or is wrong.
    pub(crate) fn check(
        check: &mut Check<'_>,
        at: &str,
        key: &str,
        leaf: &Option<Leaf<PathBuf>>,
    ) -> Option<Self> {
        let written = check.read(at, key, leaf)?.display().to_string();
        Some(Self { path: pem(check, at, key, leaf, Pem::Certificate)?, written })
    }
}

/// A setting that names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSetting<'a> {
    /// Its path in the file.
    pub setting: String,
    /// The file that it names.
    pub file: &'a CertificateFile,
    /// Whether it holds this side's own certificate, not authorities.
    pub own: bool,
    /// Whether a running gateway takes up what is written there later.
    pub renewed: bool,
}

impl Config {
    /// All settings that name certificates.
    pub fn certificates(&self) -> Vec<CertificateSetting<'_>> {
        let listeners = self.listeners.iter().enumerate();
        let listeners = listeners.filter_map(|(n, l)| Some((format!("listeners[{n}].tls"), l.tls.as_ref()?)));
        let listeners = listeners.flat_map(|(at, tls)| {
            [setting(&at, "cert", Some(&tls.cert)), setting(&at, "client_ca", tls.client_ca.as_ref())]
        });
        let cluster = self.cluster.tls.iter().flat_map(|tls| {
            [setting("cluster.tls", "ca", tls.ca.as_ref()), setting("cluster.tls", "cert", tls.cert.as_ref())]
        });
        let collector = self.otlp.iter().filter_map(|otlp| setting("telemetry.otlp", "ca", otlp.ca.as_ref()));
        let collector = collector.map(|setting| CertificateSetting { renewed: false, ..setting });
        cluster.chain(listeners).flatten().chain(collector).collect()
    }
}

fn setting<'a>(at: &str, key: &str, file: Option<&'a CertificateFile>) -> Option<CertificateSetting<'a>> {
    let setting = format!("{at}.{key}");
    Some(CertificateSetting { setting, file: file?, own: key == "cert", renewed: true })
}
