//! When certificates end, so that somebody can be told before they do.

use std::collections::BTreeMap;
use std::path::Path;

use arc_swap::ArcSwap;
use config::{CertificateSetting, Config};
use kafka::client::{TlsError, certificates};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Whose it is.
    pub subject: String,
    /// The last second in which it is valid, in Unix time.
    pub at: i64,
    /// The day of that (UTC), to be read.
    pub day: String,
}

/// The ends of all certificates in a file; `None` for one that can't be read.
///
/// # Errors
/// The file can't be used at all.
pub fn ends(path: &Path) -> Result<Vec<Option<End>>, TlsError> {
    Ok(certificates(path)?.iter().map(end).collect())
}

fn end(certificate: &CertificateDer<'_>) -> Option<End> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let not_after = certificate.validity().not_after;
    Some(End {
        subject: certificate.subject().to_string(),
        at: not_after.timestamp(),
        day: not_after.to_datetime().date().to_string(),
    })
}

/// The end of the first certificate of each file, by the file's path as it is written.
pub type ByFile = BTreeMap<String, i64>;

/// When the certificates in use end.
#[derive(Debug, Default)]
pub struct Expiries {
    /// Of files that are read again when they change.
    renewed: ArcSwap<ByFile>,
    /// Of those that are read once, at the start.
    kept: ByFile,
}

impl Expiries {
    /// As the files are now.
    pub fn of(config: &Config) -> Self {
        let kept = by_file(config.certificates().into_iter().filter(|c| !c.renewed));
        Self { renewed: ArcSwap::from_pointee(renewed(config)), kept }
    }

    /// Others have taken the place of those that can be renewed.
    pub fn renew(&self, renewed: ByFile) {
        self.renewed.store(renewed.into());
    }

    /// The first end in each file. One that is in use twice may be so in two states; what ends first counts.
    pub fn all(&self) -> ByFile {
        let mut all = self.kept.clone();
        self.renewed.load().iter().for_each(|(file, at)| note(&mut all, file, *at));
        all
    }
}

/// Of files that are read again when they change, as they are now. What TLS takes and this can't read is left out: it must not keep a certificate from
/// being used.
pub fn renewed(config: &Config) -> ByFile {
    by_file(config.certificates().into_iter().filter(|c| c.renewed))
}

fn by_file<'a>(settings: impl Iterator<Item = CertificateSetting<'a>>) -> ByFile {
    let mut all = ByFile::new();
    for CertificateSetting { file, .. } in settings {
        let first = ends(&file.path).into_iter().flatten().flatten().map(|end| end.at).min();
        first.into_iter().for_each(|at| note(&mut all, &file.written, at));
    }
    all
}

fn note(all: &mut ByFile, file: &str, at: i64) {
    all.entry(file.to_owned()).and_modify(|known| *known = at.min(*known)).or_insert(at);
}

#[cfg(test)]
pub(crate) mod testing {
    use std::time::Duration;

    use rcgen::{CertificateParams, DnType, KeyPair};

    /// A certificate for `gw.test` that is valid until then, and its key, as PEM.
    pub(crate) fn certificate(name: &str, until: u64) -> (String, String) {
        let mut params = CertificateParams::new(["gw.test".to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(until);
        let key = KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::certificate;
    use super::*;

    const FILE: &str = "\
gateway: {id: gw, zone: az1}
cluster: {bootstrap: [k:9092], tls: {ca: both}}
listeners:
  - {name: clients, bind: '127.0.0.1:1', brokers: {ports: 2-9}, tls: {cert: ./late, key: key}}
telemetry: {otlp: {endpoint: 'https://c:4318', ca: both}}
";

    /// The day after 2049 that certificates write in another form.
    const LATE: u64 = 2_524_608_000;

    #[test]
    fn the_certificate_of_a_file_that_ends_first_counts() {
        let dir = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        let ((early, _), (late, key)) = (certificate("early", 1_700_000_000), certificate("late", LATE));
        put("both", &format!("{late}{early}{late}"));
        put("late", &late);
        put("key", &key);
        let config = config::parse(FILE, dir.path()).expect("a sound file");
        let expiries = Expiries::of(&config);
        let of = |all: &ByFile| all.iter().map(|(file, at)| (file.clone(), *at)).collect::<Vec<_>>();
        let before = [("./late".to_owned(), LATE as i64), ("both".to_owned(), 1_700_000_000)];
        assert_eq!(of(&expiries.all()), before);

        // The collector's authorities are read at the start only: what is written there now isn't in use.
        put("both", &late);
        put("late", &early);
        expiries.renew(renewed(&config));
        assert_eq!(of(&expiries.all()), before.map(|(file, _)| (file, 1_700_000_000)));
    }

    #[test]
    fn a_certificates_end_is_read_with_its_subject_and_day_and_junk_is_none() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        let junk = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, format!("{}{junk}", certificate("gw", LATE).0)).expect("written");
        let end = End { subject: "CN=gw".into(), at: LATE as i64, day: "2050-01-01".into() };
        assert_eq!(ends(&path).expect("a file"), [Some(end), None]);
        assert!(ends(&dir.path().join("none")).is_err());
    }
}
