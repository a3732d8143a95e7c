//! A certificate authority for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};

/// Certificates of this process so far.
static ISSUED: AtomicUsize = AtomicUsize::new(0);

/// Signs certificates; its own is in `ca()`.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

/// Where a certificate's PEM files are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key, PKCS#8.
    pub key: PathBuf,
    /// Both in one file, as Kafka's PEM key stores want it.
    pub keystore: PathBuf,
}

impl Authority {
    /// A new authority that writes its files to `dir`.
    pub fn new(dir: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tidegate test authority");
        let cert = params.self_signed(&key)?;
        let authority = Self { issuer: Issuer::new(params, key), dir: dir.to_owned() };
        fs::write(authority.ca(), cert.pem())?;
        Ok(authority)
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A certificate for `name` (also its common name), valid for these DNS names and IP addresses, as
    /// server and as client.
    pub fn issue(&self, name: &str, hosts: &[String]) -> Result<Identity> {
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, name);
        self.issue_to(name, subject, hosts, None)
    }

    /// The same, valid until then, to the second.
    pub fn issue_until(&self, end: SystemTime, name: &str, hosts: &[String]) -> Result<Identity> {
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, name);
        self.issue_to(name, subject, hosts, Some(end))
    }

    /// A certificate for a client whose subject Java prints as `CN=name,O=organization`.
    pub fn issue_client(&self, name: &str, organization: &str) -> Result<Identity> {
        let mut subject = DistinguishedName::new();
        subject.push(DnType::OrganizationName, organization);
        subject.push(DnType::CommonName, name);
        self.issue_to(name, subject, &[], None)
    }

    fn issue_to(
        &self,
        name: &str,
        subject: DistinguishedName,
        hosts: &[String],
        end: Option<SystemTime>,
    ) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(hosts.to_vec())?;
        params.distinguished_name = subject;
        if let Some(end) = end {
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end.duration_since(UNIX_EPOCH)?;
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, &self.issuer)?;
        // A gateway takes over a file that changes: no certificate is written over another.
        let nth = ISSUED.fetch_add(1, Relaxed);
        let at = |what: &str| self.dir.join(format!("{name}-{nth}.{what}.pem"));
        let identity = Identity { cert: at("cert"), key: at("key"), keystore: at("both") };
        fs::write(&identity.cert, cert.pem())?;
        fs::write(&identity.key, key.serialize_pem())?;
        fs::write(&identity.keystore, key.serialize_pem() + &cert.pem())?;
        Ok(identity)
    }

    /// One certificate for `localhost` and all `hosts`.
    pub fn issue_for_hosts(&self, hosts: &[String]) -> Result<Identity> {
        let mut names = vec!["localhost".to_owned()];
        names.extend(hosts.iter().cloned());
        self.issue("server", &names)
    }
}
