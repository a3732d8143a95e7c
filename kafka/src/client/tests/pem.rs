//! Certificates for the tests, made anew for each, and the errors about files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::client::{TlsError, client_config, server_config};

/// A folder with an authority, a server's certificate for `localhost` and 127.0.0.1, and a client's.
pub(super) struct Pki {
    dir: PathBuf,
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Pki {
    /// `test` names the folder, so that tests side by side do not meet.
    pub(super) fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("tidegate-kafka-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let pki = Self { dir };
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        pki.write("ca.pem", &ca.pem());
        for (name, subjects) in [("server", vec!["localhost", "127.0.0.1"]), ("client", vec!["client"])] {
            let subjects: Vec<String> = subjects.into_iter().map(str::to_owned).collect();
            let key = KeyPair::generate().unwrap();
            let cert = CertificateParams::new(subjects).unwrap().signed_by(&key, &ca).unwrap();
            pki.write(&format!("{name}.pem"), &cert.pem());
            pki.write(&format!("{name}.key"), &key.serialize_pem());
        }
        pki
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub(super) fn server(&self, client_ca: bool) -> std::sync::Arc<rustls::ServerConfig> {
        let ca = self.path("ca.pem");
        let ca = client_ca.then_some(ca.as_path());
        server_config(&self.path("server.pem"), &self.path("server.key"), ca).unwrap()
    }

    pub(super) fn client(&self, identity: bool) -> std::sync::Arc<rustls::ClientConfig> {
        let (ca, cert, key) = (self.path("ca.pem"), self.path("client.pem"), self.path("client.key"));
        let (cert, key) = (identity.then_some(cert.as_path()), identity.then_some(key.as_path()));
        client_config(Some(&ca), cert, key).unwrap()
    }
}

fn error_of<T>(result: Result<T, TlsError>) -> String {
    result.err().expect("must be refused").to_string()
}

#[test]
fn a_bad_file_is_named_with_what_is_wrong_and_what_to_do() {
    let pki = Pki::new("bad-files");
    let with_ca = |path: &Path| error_of(client_config(Some(path), None, None));
    let with_key = |path: &Path| error_of(server_config(&pki.path("server.pem"), path, None));
    let cases = [
        (with_ca(&pki.path("absent.pem")), "absent.pem: cannot be read"),
        (with_ca(&pki.path("server.key")), "server.key: holds no certificate (there is a private key in it"),
        (with_key(&pki.path("server.pem")), "server.pem: holds no private key (there is a certificate in it"),
        (with_ca(&pki.write("der.pem", "0\u{1}0")), "der.pem: holds no certificate (it is not PEM at all"),
        (
            with_key(&pki.write(
                "locked.key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            )),
            "locked.key: holds no private key (the key in it is encrypted",
        ),
        (with_ca(&pki.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n")), "cut.pem: not valid PEM"),
        (
            with_ca(
                &pki.write("empty.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ),
            "empty.pem: ",
        ),
        (with_key(&pki.path("client.key")), "server.pem: "),
    ];
    for (message, wanted) in cases {
        assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
    }
}

#[test]
fn half_a_setting_is_refused_by_name() {
    let pki = Pki::new("half");
    let (ca, cert) = (pki.path("ca.pem"), pki.path("client.pem"));
    assert!(error_of(client_config(None, None, None)).contains("name the PEM file"));
    assert!(error_of(client_config(Some(&ca), Some(&cert), None)).contains("only `cert` is given"));
    assert!(error_of(client_config(Some(&ca), None, Some(&cert))).contains("only `key` is given"));
}
