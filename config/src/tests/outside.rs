//! What the file refers to: certificates, keys, secrets, and the file itself.

use std::fs;
use std::path::Path;

use super::{SMALLEST, instead, parse_at};
use crate::check::Surroundings;
use crate::{Auth, CertificateFile, Config, Error, Errors, Identity, Secret, Sha, Token, load, parse_in};

const CERT: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
const LOCKED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";

/// A folder with `ca.pem`, `cert.pem`, `key.pem`, `locked.pem`, `junk.pem`, `password`, `token`, `fleet-key`, `blank`, `folder`, `huge`.
pub(super) fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("ca.pem", CERT);
    put("cert.pem", &format!("comment\n{CERT}{CERT}"));
    put("key.pem", KEY);
    put("locked.pem", LOCKED);
    put("junk.pem", "hello");
    put("password", "hunter2\n");
    put("token", "0123456789abcdef\n");
    put("fleet-key", "0123456789abcdef0123456789abcdef\n");
    put("blank", "\n");
    put("huge", &"x".repeat(4 * 1024 * 1024 + 1));
    fs::create_dir(dir.path().join("folder")).unwrap();
    dir
}

fn cluster(keys: &str) -> String {
    instead("9092]}", &format!("9092], {keys}}}"))
}

fn listener_tls(keys: &str) -> String {
    format!("{SMALLEST}    tls: {{{keys}}}\n")
}

fn right(text: &str, base: &Path) -> Config {
    parse_at(text, base).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn only_mistake(text: &str, base: &Path) -> Error {
    let Err(Errors(mut errors)) = parse_at(text, base) else { panic!("nothing wrong with:\n{text}") };
    assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
    errors.remove(0)
}

#[test]
fn tls_files_are_found_beside_the_file_and_must_hold_what_they_say() {
    let dir = folder();
    let config = right(&listener_tls("cert: cert.pem, key: key.pem, client_ca: ca.pem"), dir.path());
    let tls = config.listeners[0].tls.clone().unwrap();
    let file = |name: &str| CertificateFile { path: dir.path().join(name), written: name.to_owned() };
    assert_eq!(
        (tls.cert, tls.key, tls.client_ca),
        (file("cert.pem"), dir.path().join("key.pem"), Some(file("ca.pem")))
    );
    let tls = |keys: &str| cluster(&format!("tls: {{{keys}}}"));
    let config =
        right(&tls("ca: ca.pem, cert: cert.pem, key: key.pem, server_name: kafka.example.com"), dir.path());
    assert_eq!(config.cluster.tls.unwrap().ca, Some(file("ca.pem")));
    let table = [
        (
            listener_tls("cert: no.pem, key: key.pem"),
            "listeners[0].tls.cert",
            7,
            "No such file",
            "folder of the configuration file",
        ),
        (
            listener_tls("cert: folder, key: key.pem"),
            "listeners[0].tls.cert",
            7,
            "is not a file",
            "check the name",
        ),
        (
            listener_tls("cert: huge, key: key.pem"),
            "listeners[0].tls.cert",
            7,
            "is larger than 4 MiB",
            "check the name",
        ),
        (
            listener_tls("cert: junk.pem, key: key.pem"),
            "listeners[0].tls.cert",
            7,
            "holds no certificate in PEM form",
            "BEGIN CERTIFICATE",
        ),
        (
            listener_tls("cert: cert.pem, key: cert.pem"),
            "listeners[0].tls.key",
            7,
            "holds no unencrypted private key",
            "BEGIN PRIVATE KEY",
        ),
        (
            listener_tls("cert: cert.pem, key: locked.pem"),
            "listeners[0].tls.key",
            7,
            "holds no unencrypted private key",
            "openssl pkey",
        ),
        (
            listener_tls("cert: cert.pem, key: key.pem, client_ca: key.pem"),
            "listeners[0].tls.client_ca",
            7,
            "holds no certificate",
            "PEM",
        ),
        (listener_tls("cert: cert.pem"), "listeners[0].tls.key", 7, "is missing", "key: server.key"),
        (listener_tls("key: key.pem"), "listeners[0].tls.cert", 7, "is missing", "cert: server.pem"),
        (tls(""), "cluster.tls.ca", 2, "is missing", "ca: ca.pem"),
        (tls("ca: no.pem"), "cluster.tls.ca", 2, "No such file", "check the name"),
        (tls("ca: ca.pem, cert: cert.pem"), "cluster.tls.key", 2, "is missing", "`cert` needs it"),
        (tls("ca: ca.pem, key: key.pem"), "cluster.tls.cert", 2, "is missing", "`key` needs it"),
        (
            tls("ca: ca.pem, server_name: 'a:1'"),
            "cluster.tls.server_name",
            2,
            "is not a host name",
            "without a port",
        ),
    ];
    for (text, path, line, reason, remedy) in table {
        let error = only_mistake(&text, dir.path());
        assert_eq!((error.path.as_str(), error.line), (path, Some(line)), "{error}");
        let remedy = if remedy == "PEM" { "BEGIN CERTIFICATE" } else { remedy };
        assert!(error.reason.contains(reason) && error.remedy.contains(remedy), "{error}");
    }
}

/// An identity of a listener's map.
fn identity(subject: &str) -> String {
    format!(
        "{{subject: {subject}, auth: {{mechanism: SCRAM-SHA-512, username: app-a, password: {{file: password}}}}}}"
    )
}

fn mapped(list: &str) -> String {
    listener_tls(&format!("cert: cert.pem, key: key.pem, client_ca: ca.pem, identities: [{list}]"))
}

#[test]
fn certificates_stand_for_principals() {
    let dir = folder();
    let listener = right(&mapped(&identity("'CN=app-a,O=Example'")), dir.path()).listeners.remove(0);
    let auth = Auth::Scram { sha: Sha::Sha512, username: "app-a".into(), password: Secret::new("hunter2") };
    let expected = Identity { subject: "CN=app-a,O=Example".into(), auth };
    assert_eq!(listener.tls.unwrap().identities, Some(vec![expected]));
    let plain = identity("CN=a").replace("SCRAM-SHA-512", "PLAIN");
    let warnings = right(&mapped(&plain), dir.path()).warnings;
    let said =
        "line 7: listeners[0].tls.identities: without cluster.tls the secrets cross the network in clear";
    assert_eq!(warnings, [said]);
}

#[test]
fn a_map_of_certificates_that_cannot_work_is_refused() {
    let dir = folder();
    let at = "listeners[0].tls.identities";
    let table = [
        (
            mapped(&identity("CN=a")).replace("client_ca: ca.pem, ", ""),
            at.to_owned(),
            "none are asked for",
            "client_ca: clients.pem",
        ),
        (mapped(""), at.to_owned(), "every client would be refused", "list subjects"),
        (
            mapped(&identity("'CN=app-a, O=Example'")),
            format!("{at}[0].subject"),
            "is no subject as Java prints it",
            "no blanks after commas",
        ),
        (mapped(&identity("app-a")), format!("{at}[0].subject"), "is no subject", "CN=app-a,O=Example"),
        (
            mapped(&[identity("CN=a"), identity("CN=a")].join(", ")),
            format!("{at}[1].subject"),
            "`CN=a` stands at listeners[0].tls.identities[0] too",
            "one entry",
        ),
        (mapped("{subject: CN=a}"), format!("{at}[0].auth"), "is missing", "mechanism: SCRAM-SHA-512"),
        (
            mapped("{auth: {mechanism: PLAIN, username: a, password: {env: SECRET}}}"),
            format!("{at}[0].subject"),
            "is missing",
            "CN=app-a,O=Example",
        ),
        (
            mapped("{subject: CN=a, auth: {mechanism: PLAIN, username: a, password: {env: UNSET}}}"),
            format!("{at}[0].auth.password.env"),
            "is not set",
            "{file: path}",
        ),
        (
            format!("{SMALLEST}    proxy_protocol: {{}}\n"),
            "listeners[0].proxy_protocol.from".to_owned(),
            "is missing",
            "from: [10.0.0.0/24]",
        ),
        (
            format!("{SMALLEST}    proxy_protocol: {{from: [10.0.0.1/24]}}\n"),
            "listeners[0].proxy_protocol.from[0]".to_owned(),
            "bits set behind its prefix",
            "10.0.0.0/24",
        ),
    ];
    for (text, path, reason, remedy) in table {
        let error = only_mistake(&text, dir.path());
        assert_eq!((&error.path, error.line), (&path, Some(7)), "{error}");
        assert!(error.reason.contains(reason) && error.remedy.contains(remedy), "{error}");
    }
}

#[test]
fn an_admin_port_that_others_reach_needs_a_token_that_nobody_guesses() {
    let dir = folder();
    fs::write(dir.path().join("blanks"), "01234567 89abcdef").unwrap();
    let gateway = |keys: &str| instead("zone: az1", &format!("zone: az1, {keys}"));
    let config = right(&gateway("admin: 10.0.0.1:1, admin_token: {file: token}"), dir.path());
    assert_eq!(config.gateway.admin_token, Some(Secret::new("0123456789abcdef")));
    for loopback in ["127.0.0.1:1", "127.9.9.9:1", "'[::1]:1'"] {
        let config = right(&gateway(&format!("admin: {loopback}")), dir.path());
        assert_eq!((config.gateway.admin_token, config.warnings.len()), (None, 0));
    }
    let table = [
        (
            "admin: 0.0.0.0:9644",
            "admin_token",
            "0.0.0.0:9644 is no loopback address",
            "bind admin to 127.0.0.1",
        ),
        ("admin_token: {file: password}", "admin_token", "less than 16 characters", "openssl rand -hex 32"),
        ("admin_token: {file: blanks}", "admin_token", "other than visible ASCII", "openssl rand"),
        (
            "admin: 0.0.0.0:9644, admin_token: {file: no}",
            "admin_token.file",
            "No such file",
            "check the name",
        ),
        ("admin: 0.0.0.0:9644, admin_token: {env: UNSET}", "admin_token.env", "is not set", "{file: path}"),
    ];
    for (keys, key, reason, remedy) in table {
        let error = only_mistake(&gateway(keys), dir.path());
        assert_eq!((error.path, error.line), (format!("gateway.{key}"), Some(1)));
        assert!(error.reason.contains(reason) && error.remedy.contains(remedy), "{}", error.reason);
        assert!(!error.reason.contains("hunter2"), "{}", error.reason);
    }
}

#[test]
fn sni_works_under_tls_and_tells_the_load_balancers_port() {
    let dir = folder();
    let text = listener_tls("cert: cert.pem, key: key.pem")
        .replace("{ports: 29100-29199}", "{sni: \"b{id}.example.com\"}")
        .replace("    brokers", "    advertise: kafka.example.com:443\n    brokers");
    let listener = right(&text, dir.path()).listeners.remove(0);
    assert_eq!(listener.brokers.host_of(3).as_deref(), Some("b3.example.com"));
    assert_eq!(listener.advertise.port, Some(443));
}

#[test]
fn secrets_are_read_at_load_from_file_or_environment() {
    let dir = folder();
    let auth = |keys: &str| right(&cluster(&format!("auth: {{{keys}}}")), dir.path()).cluster.auth.unwrap();
    let (username, password) = ("u".to_owned(), Secret::new("hunter2"));
    let scram = auth("mechanism: SCRAM-SHA-512, username: u, password: {file: password}");
    assert_eq!(
        scram,
        Auth::Scram { sha: Sha::Sha512, username: username.clone(), password: password.clone() }
    );
    let scram = auth("mechanism: SCRAM-SHA-256, username: u, password: {env: SECRET}");
    assert_eq!(
        scram,
        Auth::Scram { sha: Sha::Sha256, username: username.clone(), password: password.clone() }
    );
    let plain = auth("mechanism: PLAIN, username: u, password: {env: SECRET}");
    assert_eq!(plain, Auth::Plain { username, password: password.clone() });
    assert_eq!(
        auth("mechanism: OAUTHBEARER, token: {file: password}"),
        Auth::OauthBearer { token: Token::File(dir.path().join("password")) }
    );
    assert_eq!(
        auth("mechanism: OAUTHBEARER, token: {env: SECRET}"),
        Auth::OauthBearer { token: Token::Fixed(password) }
    );
}

#[test]
fn authentication_that_cannot_work_is_refused() {
    let dir = folder();
    let table = [
        ("username: u", "cluster.auth.mechanism", "is missing", "mechanism: SCRAM-SHA-512"),
        (
            "mechanism: SCRAM-SHA-215",
            "cluster.auth.mechanism",
            "`SCRAM-SHA-215` is unknown",
            "did you mean `SCRAM-SHA-2",
        ),
        ("mechanism: GSSAPI", "cluster.auth.mechanism", "`GSSAPI` is unknown", "known here: PLAIN"),
        (
            "mechanism: PLAIN, password: {env: SECRET}",
            "cluster.auth.username",
            "is missing",
            "username: tidegate",
        ),
        ("mechanism: PLAIN, username: u", "cluster.auth.password", "is missing", "password: {file"),
        (
            "mechanism: PLAIN, username: u, password: {}",
            "cluster.auth.password",
            "no place to read the secret",
            "{env: NAME}",
        ),
        (
            "mechanism: PLAIN, username: u, password: {env: A, file: b}",
            "cluster.auth.password",
            "both `file` and `env`",
            "keep one",
        ),
        (
            "mechanism: PLAIN, username: u, password: {env: UNSET}",
            "cluster.auth.password.env",
            "is not set",
            "{file: path}",
        ),
        (
            "mechanism: PLAIN, username: u, password: {env: EMPTY}",
            "cluster.auth.password",
            "empty secret",
            "put the secret there",
        ),
        (
            "mechanism: PLAIN, username: u, password: {file: blank}",
            "cluster.auth.password",
            "empty secret",
            "put the secret there",
        ),
        (
            "mechanism: PLAIN, username: u, password: {file: no}",
            "cluster.auth.password.file",
            "No such file",
            "check the name",
        ),
        (
            "mechanism: PLAIN, username: u, password: {env: SECRET}, token: {env: SECRET}",
            "cluster.auth.token",
            "belongs to OAUTHBEARER only",
            "take it out",
        ),
        ("mechanism: OAUTHBEARER", "cluster.auth.token", "is missing", "token: {file"),
        (
            "mechanism: OAUTHBEARER, token: {env: SECRET}, username: u",
            "cluster.auth.username",
            "does not belong",
            "take it out",
        ),
    ];
    for (keys, path, reason, remedy) in table {
        let error = only_mistake(&cluster(&format!("auth: {{{keys}}}")), dir.path());
        assert_eq!((error.path.as_str(), error.line), (path, Some(2)), "{error}");
        assert!(error.reason.contains(reason) && error.remedy.contains(remedy), "{error}");
    }
}

#[test]
fn a_secret_shows_neither_in_the_configuration_nor_in_a_mistake() {
    let dir = folder();
    let text = cluster("auth: {mechanism: PLAIN, username: u, password: {env: SECRET}}");
    let shown = format!("{:?}", right(&text, dir.path()));
    assert!(!shown.contains("hunter2") && shown.contains("<secret>"), "{shown}");
    // A secret typed where the place to find it belongs.
    for keys in ["password: hunter2", "password: [hunter2]", "password: {env: hunter2}", "token: hunter2"] {
        let text = cluster(&format!("auth: {{mechanism: PLAIN, username: u, {keys}}}"));
        let errors = parse_at(&text, dir.path()).unwrap_err();
        assert!(
            !errors.to_string().contains("hunter2") && !format!("{errors:?}").contains("hunter2"),
            "{errors}"
        );
    }
    let headers = format!(
        "{SMALLEST}telemetry: {{otlp: {{endpoint: 'https://c', headers: {{a: {{env: SECRET}}}}}}}}\n"
    );
    let shown = format!("{:?}", right(&headers, dir.path()));
    assert!(!shown.contains("hunter2") && shown.contains("<secret>"), "{shown}");
    let endpoint =
        format!("{SMALLEST}store: {{s3: {{bucket: tide, region: r, endpoint: 'http://u:hunter2@h'}}}}\n");
    let error = only_mistake(&endpoint, dir.path());
    assert!(
        error.reason.contains("user name or password") && !error.to_string().contains("hunter2"),
        "{error}"
    );
}

#[test]
fn directories_may_be_missing_but_must_not_be_files() {
    let dir = folder();
    let tiering =
        "tiering: {topics: [{match: a, hot: {time: 1h}}], cache: {disk: {path: DISK, bytes: 1GiB}}}";
    let file = |store: &str, disk: &str| {
        format!("{SMALLEST}store: {{dir: {store}}}\n{}\n", tiering.replace("DISK", disk))
    };
    right(&file("new", "new2"), dir.path());
    right(&file("folder", "folder"), dir.path());
    for (text, path) in
        [(file("password", "new"), "store.dir"), (file("new", "password"), "tiering.cache.disk.path")]
    {
        let error = only_mistake(&text, dir.path());
        assert_eq!(error.path, path);
        assert!(
            error.reason.contains("is not a directory") && error.remedy.contains("made if missing"),
            "{error}"
        );
    }
}

#[test]
fn every_file_of_certificates_is_listed_with_its_setting_as_it_is_written() {
    let dir = folder();
    let absolute = dir.path().join("ca.pem").display().to_string();
    let text = format!(
        "{}    tls: {{cert: cert.pem, key: key.pem, client_ca: {absolute}}}\n{}",
        cluster("tls: {ca: ./ca.pem, cert: cert.pem, key: key.pem}"),
        "telemetry: {otlp: {endpoint: 'https://c:4318', ca: ca.pem}}\n"
    );
    let config = right(&text, dir.path());
    let all = config.certificates();
    let all: Vec<_> = all.iter().map(|c| (&*c.setting, &*c.file.written, c.own, c.renewed)).collect();
    assert_eq!(
        all,
        [
            ("cluster.tls.ca", "./ca.pem", false, true),
            ("cluster.tls.cert", "cert.pem", true, true),
            ("listeners[0].tls.cert", "cert.pem", true, true),
            ("listeners[0].tls.client_ca", &*absolute, false, true),
            ("telemetry.otlp.ca", "ca.pem", false, false),
        ]
    );
    assert!(right(SMALLEST, dir.path()).certificates().is_empty());
}

#[test]
fn a_file_is_loaded_with_its_folder_as_the_start_of_its_paths() {
    let dir = folder();
    let path = dir.path().join("tidegate.yaml");
    fs::write(&path, listener_tls("cert: cert.pem, key: key.pem").replace("zone: az1", "zone: az1, id: gw"))
        .unwrap();
    assert_eq!(
        load(&path).unwrap().listeners[0].tls.as_ref().unwrap().cert.path,
        dir.path().join("cert.pem")
    );
}

#[test]
fn a_file_that_is_missing_or_not_text_is_a_mistake_with_a_remedy() {
    let dir = folder();
    fs::write(dir.path().join("binary"), [0xff, 0xfe, 0]).unwrap();
    for (name, reason) in [
        ("no.yaml", "No such file"),
        ("folder", "is not a file"),
        ("binary", "is not text (UTF-8)"),
        ("huge", "larger than 4 MiB"),
    ] {
        let errors = load(dir.path().join(name)).unwrap_err().0;
        assert!(errors.len() == 1 && errors[0].reason.contains(reason), "{errors:?}");
        assert!(errors[0].remedy.contains("tidegate config example"), "{errors:?}");
    }
}

#[test]
fn the_gateways_name_is_the_hosts_by_environment_or_file_or_must_be_written() {
    let dir = folder();
    fs::write(dir.path().join("hostname"), "by-file\n").unwrap();
    let id = |env: Option<&str>, file: &str| {
        let env = |name: &str| env.filter(|_| name == "HOSTNAME").map(str::to_owned);
        let surroundings = Surroundings { base: dir.path(), env: &env, host_file: &dir.path().join(file) };
        parse_in(SMALLEST, surroundings).map(|config| config.gateway.id)
    };
    assert_eq!(id(Some("by-env"), "hostname").unwrap(), "by-env");
    assert_eq!(id(Some(""), "hostname").unwrap(), "by-file");
    assert_eq!(id(None, "hostname").unwrap(), "by-file");
    for errors in [id(None, "no").unwrap_err(), id(None, "blank").unwrap_err()] {
        let shown = errors.to_string();
        assert_eq!(shown, "line 1: gateway.id: is missing\n    write id: gw-az1-0");
    }
    let odd = id(Some("my host"), "no").unwrap_err().to_string();
    assert!(odd.starts_with("line 1: gateway.id: `my host` is not a gateway id"), "{odd}");
}
