//! Certificates that expire while everybody works: a client's, and the gateway's own.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use kafka::client::metadata::{self, Topics};
use kafka::client::{ClientTls, Connection, Dialer, Security, client_config};
use tokio::runtime::{Builder, Runtime};

use super::Inflicted;
use crate::certs::Identity;
use crate::chaos::stage::{SERVER_NAME, Stage};
use crate::wait;

/// How long the short ones last: the gateway looks for new ones every two seconds.
const LIFE: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(90);

/// A gateway and a client with certificates that are about to expire, a client whose own is good, and a
/// connection that was opened in time.
pub(super) struct CertificateExpired {
    zone: usize,
    runtime: Runtime,
    good: Identity,
    short: Identity,
    open: Connection,
}

impl CertificateExpired {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let good = stage.authority.issue("good", &[])?;
        let before = renewals(stage, zone)?;
        let end = SystemTime::now() + LIFE;
        let short = stage.authority.issue_until(end, "short", &[])?;
        replace(stage, zone, &stage.authority.issue_until(end, "gateway", &[SERVER_NAME.to_owned()])?)?;
        let renewed = || Ok(renewals(stage, zone)? > before);
        wait::until_true("the gateway to take its short certificate over", LIMIT, renewed)?;
        let open = runtime.block_on(connect(stage, zone, &short)).context("while all is well")?;
        Ok(Self { zone, runtime, good, short, open })
    }

    /// So often that the connection isn't idle.
    fn ask_over_open(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(metadata::fetch(&mut self.open, Topics::None)).map(|_| ())?)
    }

    fn connect(&self, stage: &Stage, identity: &Identity) -> Result<Connection> {
        self.runtime.block_on(connect(stage, self.zone, identity))
    }
}

/// A connection over which something was asked and answered: with TLS 1.3 a client learns only then that it was refused.
async fn connect(stage: &Stage, zone: usize, identity: &Identity) -> Result<Connection> {
    let (ca, cert, key) = (stage.authority.ca(), &identity.cert, &identity.key);
    let config = client_config(Some(&ca), Some(cert), Some(key))?;
    let tls = ClientTls::new(config, Some(SERVER_NAME))?;
    let dialer = Dialer {
        security: Security { tls: Some(tls), sasl: None },
        client_id: "mtls".to_owned(),
        connect_timeout: Duration::from_secs(10),
        call_timeout: Duration::from_secs(20),
    };
    let mut connection = Connection::connect(&dialer, &stage.sites[zone].host, stage.mtls_port).await?;
    metadata::fetch(&mut connection, Topics::None).await?;
    Ok(connection)
}

/// Puts another certificate and key where the gateway's are, by renaming, as those do who renew certificates.
fn replace(stage: &Stage, zone: usize, by: &Identity) -> Result<()> {
    let to = &stage.identities[zone];
    fs::rename(&by.cert, &to.cert)?;
    Ok(fs::rename(&by.key, &to.key)?)
}

fn renewals(stage: &Stage, zone: usize) -> Result<f64> {
    stage.metric(zone, "tidegate_reloads_total", &[("outcome", "renewed")])
}

/// Whether whoever shows this certificate is refused, by whomever, because something expired.
fn is_expired(fault: &CertificateExpired, stage: &Stage, identity: &Identity) -> Result<bool> {
    match fault.connect(stage, identity) {
        Ok(_) => Ok(false),
        Err(error) if format!("{error:#}").to_lowercase().contains("expired") => Ok(true),
        Err(error) => Err(error),
    }
}

impl Inflicted for CertificateExpired {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        let before = stage.rejected(self.zone, "tls")?;
        let refused = || {
            self.ask_over_open().context("a connection that was open before")?;
            is_expired(self, stage, &self.good)
        };
        wait::until_true("the gateway's certificate to have expired", LIMIT, refused)?;
        let counted = || Ok(stage.rejected(self.zone, "tls")? > before);
        wait::until_true("the refused handshake to be counted", LIMIT, counted)?;
        self.ask_over_open().context("a connection that was open before it expired")
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        let renewed = stage.authority.issue("gateway", &[SERVER_NAME.to_owned()])?;
        replace(stage, self.zone, &renewed)?;
        let works = || self.connect(stage, &self.good).map(|_| true);
        wait::until_true("the renewed certificate to let clients in", LIMIT, works)?;
        // And now it is the client whose certificate is of yesterday.
        let refused = || is_expired(&self, stage, &self.short);
        wait::until_true("the client's certificate to be refused", LIMIT, refused)?;
        let log = stage.gateways[self.zone].log()?;
        let said = log.lines().any(|l| l.contains("TLS handshake") && l.to_lowercase().contains("expired"));
        ensure!(said, "the gateway's log doesn't say that a certificate has expired");
        Ok(())
    }
}
