//! Certificates that have ended, or will soon, for `tidegate check`.

use std::time::{SystemTime, UNIX_EPOCH};

use config::{CertificateSetting, Config};
use tidegate_proxy::app;
use tidegate_proxy::life::expiry::{End, ends};

use super::check::Finding;
use super::connect::finding;

const DAY: i64 = 86_400;
/// What ends within this is named: most certificates are renewed earlier by themselves, and people need some days.
const SOON: i64 = 14 * DAY;

/// What to do where TLS can't use files that can be read.
const PAIR: &str = "give it a certificate of X.509 version 3 and the key that belongs to it: `openssl x509 -noout -text`, `openssl pkey -pubout`";

/// What is to be said of them today.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    findings_at(config, i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

fn findings_at(config: &Config, now: i64) -> Vec<Finding> {
    let mut all: Vec<_> = config.certificates().iter().flat_map(|setting| of_file(setting, now)).collect();
    if all.iter().all(|found| found.severity != "error") {
        all.extend(unusable(config));
    }
    all
}

/// What TLS itself has to say of certificates and keys that belong together.
fn unusable(config: &Config) -> Vec<Finding> {
    let listeners = config.listeners.iter().enumerate();
    let listeners = listeners.map(|(n, l)| (format!("listeners[{n}].tls"), app::server_tls(l).err()));
    let cluster = ("cluster.tls".to_owned(), app::broker_tls(config, true).err());
    let all = listeners.chain([cluster]);
    all.filter_map(|(at, error)| Some(finding("error", &at, format!("{:#}", error?), PAIR))).collect()
}

fn of_file(setting: &CertificateSetting<'_>, now: i64) -> Vec<Finding> {
    let (at, file) = (&setting.setting, &setting.file.written);
    match ends(&setting.file.path) {
        Err(error) => vec![finding("error", at, error.to_string(), "put a sound PEM file there")],
        Ok(ends) => ends.iter().filter_map(|end| of_one(end.as_ref(), now, setting, file)).collect(),
    }
}

fn of_one(end: Option<&End>, now: i64, setting: &CertificateSetting<'_>, file: &str) -> Option<Finding> {
    let at = &setting.setting;
    let Some(End { subject, at: ends, day }) = end else {
        let reason = format!("{file}: the end of a certificate in it can't be read");
        return Some(finding("warning", at, reason, "look at it with `openssl x509 -noout -enddate`"));
    };
    let left = ends.saturating_sub(now);
    let (severity, said) = match left {
        // Of several authorities one that has ended harms nobody.
        ..0 => (if setting.own { "error" } else { "warning" }, format!("ended on {day}")),
        0..SOON => ("warning", format!("ends on {day}, in {} days", left / DAY)),
        _ => return None,
    };
    Some(finding(severity, at, format!("{file}: the certificate of `{subject}` {said}"), &remedy(setting)))
}

fn remedy(setting: &CertificateSetting<'_>) -> String {
    let what = match setting.own {
        true => "renew it, with its key, and put both in place",
        false => {
            "put the authority's new certificate into the file, and take the old one out once nothing needs it"
        }
    };
    let when = match setting.renewed {
        true => "a running gateway takes it up within seconds",
        false => "it counts from the next start",
    };
    format!("{what}; {when}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
gateway: {id: gw, zone: az1}
cluster: {bootstrap: [k:9092], tls: {ca: bundle}}
listeners:
  - {name: clients, bind: '127.0.0.1:1', brokers: {ports: 2-9}, tls: {cert: own, key: key}}
";
    const NOW: i64 = 1_800_000_000;

    fn certificate(name: &str, until: i64) -> (String, String) {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let until = std::time::Duration::from_secs(until as u64);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
        let key = rcgen::KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    /// Severity, place and reason of what is found with an own certificate that ends `own` seconds from now, and a bundle of these.
    fn found(own: i64, bundle: &[(&str, i64)]) -> Vec<(&'static str, String, String)> {
        let dir = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        let (cert, key) = certificate("gw", NOW + own);
        put("own", &cert);
        put("key", &key);
        put("bundle", &bundle.iter().map(|(name, end)| certificate(name, NOW + end).0).collect::<String>());
        let config = config::parse(FILE, dir.path()).expect("a sound file");
        let found = findings_at(&config, NOW).into_iter();
        found
            .map(|f| {
                assert!(f.remedy.contains("takes it up"), "{}", f.remedy);
                (f.severity, f.at, f.reason)
            })
            .collect()
    }

    #[test]
    fn own_certificates_that_have_ended_are_errors_and_authorities_and_those_that_soon_will_are_warnings() {
        assert_eq!(found(SOON, &[("ca", SOON)]), []);
        let (cert, ca) = ("listeners[0].tls.cert".to_owned(), "cluster.tls.ca".to_owned());
        let ending = "own: the certificate of `CN=gw` ends on 2027-01-29, in 13 days".to_owned();
        assert_eq!(found(SOON - 1, &[("ca", SOON)]), [("warning", cert.clone(), ending)]);
        let last = "own: the certificate of `CN=gw` ends on 2027-01-15, in 0 days".to_owned();
        assert_eq!(found(0, &[("ca", SOON)]), [("warning", cert.clone(), last)]);
        let ended = "bundle: the certificate of `CN=old` ended on 2027-01-15".to_owned();
        assert_eq!(found(SOON, &[("new", SOON), ("old", -1)]), [("warning", ca, ended)]);
        let ended = "own: the certificate of `CN=gw` ended on 2027-01-15".to_owned();
        assert_eq!(found(-1, &[("ca", SOON)]), [("error", cert, ended)]);
    }

    #[test]
    fn a_file_that_holds_no_sound_certificate_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let (cert, key) = certificate("gw", NOW + SOON);
        let cut = "-----BEGIN CERTIFICATE-----\nAA==\n";
        for (name, text) in [("own", &*cert), ("key", &*key), ("bundle", cut)] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let config = config::parse(FILE, dir.path()).expect("nobody looks inside here");
        let found = findings_at(&config, NOW);
        assert_eq!((found.len(), found[0].severity, &*found[0].at), (1, "error", "cluster.tls.ca"));
    }

    #[test]
    fn a_key_of_another_certificate_is_an_error_that_says_so() {
        let dir = tempfile::tempdir().expect("a folder");
        let (own, other) = (certificate("gw", NOW + 2 * SOON), certificate("gw", NOW + 2 * SOON));
        for (name, text) in [("own", &own.0), ("key", &other.1), ("bundle", &other.0)] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let config = config::parse(FILE, dir.path()).expect("nobody looks inside here");
        let found = findings_at(&config, NOW);
        assert_eq!((found.len(), found[0].severity, &*found[0].at), (1, "error", "listeners[0].tls"));
        assert!(found[0].remedy.contains("the key that belongs to it"), "{}", found[0].remedy);
    }
}
