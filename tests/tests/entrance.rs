//! What stands between the network and a session: load balancers that say whom they connect, bounds on who comes in, and
//! the admin port's token. Whoever is refused is counted and named, whoever waits gets in.

#![allow(missing_docs, clippy::unwrap_used)]

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kafka::api;
use serde_json::json;
use tidegate_tests::gateway::{Gateway, binary_path};
use tidegate_tests::ports::Ports;
use tidegate_tests::process::Process;
use tidegate_tests::raw::Raw;
use tidegate_tests::{Cluster, Fleet, Java, http, wait};

/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(30);
const BALANCER: &str = "127.0.0.77";

/// One plain broker for all tests: each has a gateway of its own before it.
fn cluster() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(|| Cluster::builder().start().unwrap());
    &SHARED
}

/// A gateway before it; `listener` and `sections` as in [`Fleet::start_with`].
fn gateway(cluster: &Cluster, listener: &str, sections: &str) -> Fleet {
    let upstream = format!("cluster:\n  bootstrap: [{}]", cluster.bootstrap());
    Fleet::start_with(cluster, &["az1"], &upstream, listener, sections).unwrap()
}

/// A PROXY protocol header: command, family, and what follows the lengths.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length, rest].concat()
}

/// The header for a client at this address, with a TLV (the connection's name) behind the addresses.
fn client(ip: &str) -> Vec<u8> {
    let ports_and_tlv = [0x80, 0, 0x23, 0x84, 5, 0, 4, b'l', b'b', b'-', b'7'];
    match ip.parse().unwrap() {
        IpAddr::V4(ip) => header(0x21, 0x11, &[&ip.octets()[..], &[127, 0, 0, 1], &ports_and_tlv].concat()),
        IpAddr::V6(ip) => header(0x21, 0x21, &[&ip.octets()[..], &[0; 16], &ports_and_tlv].concat()),
    }
}

/// Whether an ApiVersions request on the connection is answered.
fn is_answered(raw: &mut Raw) -> bool {
    raw.call(1, api::API_VERSIONS, 0, &[]).is_ok()
}

struct Door {
    fleet: Fleet,
    address: String,
}

impl Door {
    fn new(fleet: Fleet) -> Self {
        let address = fleet.sites()[0].address();
        Self { fleet, address }
    }

    /// A connection of a load balancer that begins with these bytes.
    fn balanced(&self, header: &[u8]) -> Raw {
        let mut raw = Raw::connect_from(BALANCER.parse().unwrap(), &self.address).unwrap();
        raw.write(header).unwrap();
        raw
    }

    fn metric(&mut self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.fleet.metric(name, labels).unwrap()
    }

    fn rejected(&mut self, reason: &str) -> f64 {
        self.metric("tidegate_rejected_total", &[("reason", reason)])
    }

    /// The connection is closed, and that is counted under this reason once.
    fn refuses(&mut self, mut raw: Raw, reason: &str) {
        assert!(raw.closes_within(PATIENCE).unwrap(), "{reason}: still open");
        wait::until_true(&format!("a refusal for {reason}"), PATIENCE, || Ok(self.rejected(reason) >= 1.0))
            .unwrap();
        assert_eq!(self.rejected(reason), 1.0, "{reason}");
    }

    fn log(&mut self) -> String {
        self.fleet.gateways()[0].log().unwrap()
    }
}

/// The load balancers are those at [`BALANCER`]; clients' zones go by their addresses.
fn behind_balancers(cluster: &Cluster, limits: &str) -> Door {
    let listener = format!("proxy_protocol: {{from: [{BALANCER}/32]}}");
    let sections = format!(
        "zones:\n  clients:\n    - cidr: {{by-v4: [10.9.8.0/24], by-v6: ['fd00::/8'], balancer: [{BALANCER}/32], \
         direct: [127.0.0.1/32]}}\n    - gateway\nlimits: {{{limits}}}\n"
    );
    Door::new(gateway(cluster, &listener, &sections))
}

#[test]
fn behind_a_load_balancer_a_client_has_its_own_address_in_zones_limits_and_the_log() {
    let cluster = cluster();
    let mut door = behind_balancers(cluster, "connections_per_ip: 2");
    let mut held = Vec::new();
    let direct = Raw::connect(&door.address).unwrap();
    for (mut raw, zone) in [
        (door.balanced(&client("10.9.8.7")), "by-v4"),
        (door.balanced(&client("fd00::7")), "by-v6"),
        (door.balanced(&client("::ffff:10.9.8.9")), "by-v4"),
        // A health check, and a load balancer that can't say.
        (door.balanced(&header(0x20, 0, &[])), "balancer"),
        (door.balanced(&header(0x21, 0, &[1, 2, 3])), "balancer"),
        (direct, "direct"),
    ] {
        let there = |door: &mut Door| door.metric("tidegate_clients", &[("zone", zone), ("how", "cidr")]);
        let before = there(&mut door);
        assert!(is_answered(&mut raw), "{zone}");
        assert_eq!(there(&mut door), before + 1.0, "{zone}");
        held.push(raw);
    }
    // The bound is each client's own: two at 10.9.8.7, and its neighbour isn't counted with them.
    let mut second = door.balanced(&client("10.9.8.7"));
    assert!(is_answered(&mut second));
    let third = door.balanced(&client("10.9.8.7"));
    door.refuses(third, "too_many_connections_per_ip");
    let mut neighbour = door.balanced(&client("10.9.8.6"));
    assert!(is_answered(&mut neighbour));
    let log = door.log();
    let line = log.lines().find(|line| line.contains("too_many_connections_per_ip"));
    assert!(line.is_some_and(|line| line.contains("10.9.8.7")), "{log}");
}

#[test]
fn what_a_load_balancer_sends_without_a_sound_header_is_refused_and_so_is_a_header_from_anybody_else() {
    let cluster = cluster();
    let mut door = behind_balancers(cluster, "handshake: 1s");
    let request = [0, 0, 0, 12, 0, 18, 0, 0, 0, 0, 0, 1, 0, 2, b'm', b'e'];
    let missing = door.balanced(&request);
    door.refuses(missing, "proxy_header_missing");
    let text = door.balanced(b"PROXY TCP4 10.9.8.7 127.0.0.1 32768 9092\r\n");
    door.refuses(text, "proxy_header_version1");
    let malformed = door.balanced(&header(0x21, 0x11, &[10, 9, 8, 7]));
    door.refuses(malformed, "proxy_header_malformed");
    let cut = &client("10.9.8.7")[..20];
    let late = door.balanced(cut);
    door.refuses(late, "proxy_header_timeout");
    let mut stranger = Raw::connect(&door.address).unwrap();
    stranger.write(&client("10.9.8.7")).unwrap();
    door.refuses(stranger, "proxy_header_untrusted");
    let log = door.log();
    assert!(log.contains("send-proxy-v2") && log.contains("only version 2 is read"), "{log}");
    let mut sound = door.balanced(&client("10.9.8.7"));
    assert!(is_answered(&mut sound), "others are unharmed");
}

/// HAProxy before the ports of a gateway, as `host`, sending version 2 of the header from [`BALANCER`].
fn haproxy(dir: &std::path::Path, host: &str, gateway: &str, ports: &[u16]) -> Option<Process> {
    let installed =
        Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !installed {
        return None;
    }
    let mut text =
        "global\n  maxconn 200\ndefaults\n  mode tcp\n  timeout connect 10s\n  timeout client 10m\n  \
                    timeout server 10m\n"
            .to_owned();
    for port in ports {
        text += &format!(
            "listen p{port}\n  bind {host}:{port}\n  server gw {gateway}:{port} send-proxy-v2 source {BALANCER}\n"
        );
    }
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let mut run = Command::new("haproxy");
    Some(Process::spawn(run.arg("-f").arg(&file).stdin(Stdio::null()), &dir.join("haproxy.log")).unwrap())
}

#[test]
fn a_java_client_behind_haproxy_is_known_by_its_own_address() {
    let cluster = cluster();
    let mut ports = Ports::lease().unwrap();
    let [bootstrap, admin, broker] = [(); 3].map(|()| ports.one().unwrap());
    let (front, back) = ("127.0.0.50", "127.0.0.1");
    let dir = tempfile::tempdir().unwrap();
    let Some(_haproxy) = haproxy(dir.path(), front, back, &[bootstrap, broker]) else {
        println!("SKIPPED: haproxy is not installed, so no Java client goes through one here");
        return;
    };
    let gateway = Gateway::start(&format!(
        "gateway: {{id: gw, zone: az1, admin: {back}:{admin}}}\ncluster: {{bootstrap: [{}]}}\nlisteners:\n  \
         - name: clients\n    bind: {back}:{bootstrap}\n    advertise: {front}\n    \
         brokers: {{ids: [1], ports: {broker}-{broker}}}\n    proxy_protocol: {{from: [{BALANCER}/32]}}\n\
         zones:\n  clients:\n    - cidr: {{mine: [127.0.0.1/32], balancer: [{BALANCER}/32]}}\n    - gateway\n",
        cluster.bootstrap(),
    ))
    .unwrap();
    let java = Java::resident().unwrap();
    java.admin(&cluster.internal_bootstrap()).create_topic("t", 1, 1).unwrap();
    let props = json!({"bootstrap.servers": format!("{front}:{bootstrap}")});
    let producer = java.producer(props.clone()).unwrap();
    assert_eq!(
        producer.send(json!({"topic": "t", "count": 3})).unwrap(),
        [Ok((0, 0)), Ok((0, 1)), Ok((0, 2))]
    );
    let reader = java.assign(props, &[("t", 0)]).unwrap();
    assert_eq!(reader.records(3, PATIENCE).unwrap().len(), 3);
    let metrics = gateway.metrics().unwrap();
    assert!(metrics.sum("tidegate_clients", &[("zone", "mine"), ("how", "cidr")]) >= 2.0);
    assert_eq!(metrics.sum("tidegate_clients", &[("zone", "balancer")]), 0.0);
}

#[test]
fn connections_that_come_faster_than_the_accept_rate_wait_for_their_turn_and_none_is_dropped() {
    let cluster = cluster();
    let mut door = Door::new(gateway(cluster, "", "limits: {accept_rate: 5}\n"));
    let started = Instant::now();
    let mut all: Vec<Raw> = (0..15).map(|_| Raw::connect(&door.address).unwrap()).collect();
    for (n, raw) in all.iter_mut().enumerate() {
        assert!(is_answered(raw), "connection {n} is dropped");
    }
    // Five at once, and ten more at five a second.
    assert!(started.elapsed() >= Duration::from_millis(1_900), "all in {:?}", started.elapsed());
    assert!(door.rejected("accept_rate") >= 1.0);
    assert!(door.log().contains("bound=\"limits.accept_rate\""));
}

#[test]
fn handshakes_beyond_the_bound_wait_until_the_dawdlers_are_given_up() {
    let cluster = cluster();
    let mut door = behind_balancers(cluster, "handshakes: 2, handshake: 2s");
    let dawdlers = [door.balanced(b""), door.balanced(b"")];
    // A direct client on the same port: the two before it were accepted first.
    let mut third = Raw::connect(&door.address).unwrap();
    assert!(is_answered(&mut third));
    assert!(door.rejected("proxy_header_timeout") >= 1.0, "the third did not wait for the two before it");
    assert!(door.rejected("handshakes") >= 1.0);
    assert!(door.log().contains("bound=\"limits.handshakes\""));
    drop(dawdlers);
}

fn prlimit(pid: u32, files: u32) {
    let set = Command::new("prlimit").args([format!("--pid={pid}"), format!("--nofile={files}")]).status();
    assert!(set.unwrap().success(), "prlimit");
}

#[test]
fn clients_never_take_the_last_file_descriptors() {
    let cluster = cluster();
    let mut door = Door::new(gateway(cluster, "", ""));
    let pid = door.fleet.gateways()[0].process().pid();
    prlimit(pid, 160);
    let mut held = Vec::new();
    // Each client takes two, 64 are kept, and the gateway has some of its own.
    let refused = (0..80).find(|n| {
        let mut raw = Raw::connect(&door.address).unwrap();
        let answered = is_answered(&mut raw);
        held.push(raw);
        assert!(answered || *n > 10, "refused after {n} clients");
        !answered
    });
    assert!(refused.is_some(), "80 clients with 160 descriptors");
    assert!(door.rejected("descriptors") >= 1.0, "the admin port has none left");
    assert!(door.log().contains("of 160 file descriptors are open"), "{}", door.log());
    let last = held.len() - 2;
    assert!(is_answered(&mut held[last]), "who is in goes on");
    drop(held);
    wait::until_true("room for new clients", PATIENCE, || Ok(is_answered(&mut Raw::connect(&door.address)?)))
        .unwrap();
}

/// `tidegate status` of a gateway, with these arguments and this environment: exit code, stdout, stderr.
fn status(admin: &str, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut run = Command::new(binary_path().unwrap());
    run.args(["status", "-o", "json", "--admin", admin]).args(args).envs(env.iter().copied());
    let ran = run.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

#[test]
fn an_admin_port_that_others_reach_tells_them_only_whether_it_lives() {
    let cluster = cluster();
    let mut ports = Ports::lease().unwrap();
    let [bootstrap, admin, broker] = [(); 3].map(|()| ports.one().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, format!("{}\n", http::ADMIN_TOKEN)).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let yaml = |token: &str| {
        format!(
            "gateway: {{id: gw, zone: az1, admin: 0.0.0.0:{admin}{token}}}\ncluster: {{bootstrap: [{}]}}\n\
             listeners:\n  - name: clients\n    bind: 127.0.0.1:{bootstrap}\n    \
             brokers: {{ids: [1], ports: {broker}-{broker}}}\n",
            cluster.bootstrap(),
        )
    };
    let open = dir.path().join("open.yaml");
    std::fs::write(&open, yaml("")).unwrap();
    let checked = Command::new(binary_path().unwrap()).args(["check", "-c"]).arg(&open).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.code() == Some(1) && said.contains("gateway.admin_token"), "{said}");

    let gateway = Gateway::start(&yaml(&format!(", admin_token: {{file: {}}}", token.display()))).unwrap();
    let address = format!("127.0.0.1:{admin}");
    let asked = |path: &str, token: Option<&str>| http::get_as(&address, path, token).unwrap();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(asked(path, None).status, 200, "{path}: other gateways ask for it");
    }
    for path in ["/status", "/metrics", "/", "/nothing", "/healthz/../status"] {
        for wrong in [None, Some(""), Some("a-token-of-the-test"), Some("a-token-of-the-testsx")] {
            let said = asked(path, wrong);
            assert_eq!(said.status, 401, "{path} with {wrong:?}");
            assert!(!said.body.contains("az1") && !said.body.contains(http::ADMIN_TOKEN), "{}", said.body);
        }
    }
    for path in ["/status", "/metrics"] {
        assert_eq!(asked(path, Some(http::ADMIN_TOKEN)).status, 200, "{path}");
    }
    assert!(gateway.metrics().unwrap().sum("tidegate_rejected_total", &[("reason", "admin_token")]) >= 20.0);

    let (code, out, error) = status(&address, &[], &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("--token-file") && error.contains("TIDEGATE_ADMIN_TOKEN"), "{error}");
    let by_file = status(&address, &["--token-file", token.to_str().unwrap()], &[]);
    let by_env = status(&address, &[], &[("TIDEGATE_ADMIN_TOKEN", http::ADMIN_TOKEN)]);
    for (code, out, error) in [by_file, by_env] {
        assert!(code == Some(0) && out.contains("\"gateway\": \"gw\""), "{out}{error}");
        assert!(!out.contains(http::ADMIN_TOKEN), "{out}");
    }
    let log = gateway.log().unwrap();
    assert!(log.contains("admin page refused") && !log.contains(http::ADMIN_TOKEN), "{log}");
}
