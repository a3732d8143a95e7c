//! OAUTHBEARER: who a signed token says its bearer is, is for the brokers to find out, through the gateway as without
//! it; the gateway's own token may expire as long as somebody renews the file it is in.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_tests::java::Acl;
use tidegate_tests::jwt::Issuer;
use tidegate_tests::{Cluster, Fleet, Java, wait};

const AN_HOUR: Duration = Duration::from_secs(3600);
/// How long the gateway's first token is valid.
const SHORT: Duration = Duration::from_secs(8);
/// How long a client or the cluster may take for what it does at its own pace.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two brokers, of which the first is the controller, that believe what `keys` verifies.
fn cluster(keys: &Path) -> Cluster {
    let url = format!("file://{}", keys.display());
    let package = "org.apache.kafka.common.security.oauthbearer";
    let cluster = Cluster::builder()
        .brokers(2)
        .voters(1)
        .acls()
        .sasl(&["OAUTHBEARER"], &[])
        .jvm_flag(&format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={url}"))
        .property(
            "listener.name.clients.oauthbearer.sasl.server.callback.handler.class",
            &format!("{package}.OAuthBearerValidatorCallbackHandler"),
        )
        .property("sasl.oauthbearer.jwks.endpoint.url", &url)
        .property("sasl.oauthbearer.expected.audience", "kafka")
        .property("sasl.oauthbearer.expected.issuer", "tidegate-test")
        .property("sasl.oauthbearer.clock.skew.seconds", "0")
        // With this, a session ends with its token (KIP-368).
        .property("connections.max.reauth.ms", "3600000");
    cluster.start().unwrap()
}

/// A gateway whose own token is in `token`.
fn fleet(cluster: &Cluster, token: &Path) -> Fleet {
    let upstream = format!(
        "cluster:\n  bootstrap: [{}]\n  auth: {{mechanism: OAUTHBEARER, token: {{file: {}}}}}",
        cluster.bootstrap().replace(',', ", "),
        token.display()
    );
    Fleet::start_with(cluster, &["az1"], &upstream, "", "").unwrap()
}

/// Properties of a Java client with this token.
fn props(bootstrap: &str, token: &str) -> Value {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    json!({
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.login.callback.handler.class": "tidegate.Bearer",
        "sasl.jaas.config": format!("{module} required token=\"{token}\";"),
        "max.block.ms": 5000,
    })
}

/// What a bearer of this token is told who writes a record and reads one.
fn attempt(bootstrap: &str, token: &str, topic: &str) -> String {
    let java = Java::resident().unwrap();
    let written = || {
        let producer = java.producer(props(bootstrap, token))?;
        producer.send(json!({"topic": topic, "partition": 0}))?.remove(0).map_err(anyhow::Error::from)
    };
    let read = || java.assign(props(bootstrap, token), &[(topic, 0)])?.records(1, PATIENCE);
    let told =
        |result: anyhow::Result<()>| result.map_or_else(|error| format!("{error:#}"), |()| "fine".into());
    format!("write: {}; read: {}", told(written().map(drop)), told(read().map(drop)))
}

struct Stage {
    cluster: Cluster,
    fleet: Fleet,
    issuer: Issuer,
    /// When the gateway's own token was, at the latest.
    issued: Instant,
    dir: TempDir,
}

impl Stage {
    /// The gateway's own token is valid for `lifetime`.
    fn new(lifetime: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = Issuer::new().unwrap();
        let (keys, token) = (dir.path().join("keys.json"), dir.path().join("token"));
        issuer.write_keys(&keys).unwrap();
        let cluster = cluster(&keys);
        let admin = Java::resident().unwrap().admin(&cluster.internal_bootstrap());
        for topic in ["mine", "theirs"] {
            admin.create_topic(topic, 1, 1).unwrap();
        }
        for operation in ["READ", "WRITE", "DESCRIBE"] {
            let acl = Acl { principal: "User:alice", operation, resource: "TOPIC", name: "mine" };
            admin.allow(acl).unwrap();
        }
        fs::write(&token, issuer.token("admin", lifetime).unwrap()).unwrap();
        let issued = Instant::now();
        let fleet = fleet(&cluster, &token);
        Self { cluster, fleet, issuer, issued, dir }
    }

    /// As whatever renews tokens should: a reader sees the old one or the new one, whole.
    fn renew(&self) {
        let (beside, token) = (self.dir.path().join("token.new"), self.dir.path().join("token"));
        fs::write(&beside, self.issuer.token("admin", AN_HOUR).unwrap() + "\n").unwrap();
        fs::rename(beside, token).unwrap();
    }

    /// How the gateway sees a broker.
    fn state(&mut self, broker: i64) -> anyhow::Result<String> {
        let status = self.fleet.gateways()[0].status()?;
        let all = status["brokers"].as_array().cloned().unwrap_or_default();
        let of = all.iter().find(|b| b["id"] == broker).map(|b| b["state"].to_string());
        Ok(of.unwrap_or_else(|| status.to_string()))
    }
}

#[test]
fn bearers_of_right_and_wrong_tokens_meet_the_same_answers_directly_and_through_the_gateway() {
    let stage = Stage::new(AN_HOUR);
    let (direct, through) = (stage.cluster.bootstrap(), stage.fleet.sites()[0].address());
    let alice = stage.issuer.token("alice", AN_HOUR).unwrap();
    for bootstrap in [&direct, &through] {
        assert_eq!(attempt(bootstrap, &alice, "mine"), "write: fine; read: fine", "{bootstrap}");
    }
    let stranger = Issuer::new().unwrap().token("alice", AN_HOUR).unwrap();
    let expired = stage.issuer.token("alice", Duration::ZERO).unwrap();
    for (what, token, topic, refusal) in [
        ("another's topic", alice.as_str(), "theirs", "AuthorizationException"),
        ("a token that somebody else signed", &stranger, "mine", "SaslAuthenticationException"),
        ("a token of the past", &expired, "mine", "SaslAuthenticationException"),
        ("no token at all", "nonsense", "mine", "SaslAuthenticationException"),
    ] {
        let told = attempt(&direct, token, topic);
        assert_eq!(told.matches(refusal).count(), 2, "{what}: {told}");
        assert_eq!(attempt(&through, token, topic), told, "{what}");
    }
}

#[test]
fn the_gateway_takes_its_token_anew_from_the_file_when_the_last_one_has_expired() {
    let mut stage = Stage::new(SHORT);
    assert_eq!(stage.state(2).unwrap(), "\"live\"");
    stage.renew();
    wait::until_true("the first token to expire", PATIENCE, || Ok(stage.issued.elapsed() > SHORT)).unwrap();
    // Only who is let in hears that a broker has left.
    stage.cluster.broker(2).unwrap().kill9().unwrap();
    wait::until_true("the gateway to see the cluster without the broker", PATIENCE, || {
        let state = stage.state(2)?;
        anyhow::ensure!(state == "\"absent\"", "{state}");
        Ok(true)
    })
    .unwrap();
    let log = stage.fleet.gateways()[0].log().unwrap();
    assert!(!log.contains("cannot read the cluster's metadata"), "{log}");
}
