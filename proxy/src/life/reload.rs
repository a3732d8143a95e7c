//! SIGHUP: the file is read again. What can change does, all of it at once; what can't is said by name; and a file with
//! a mistake changes nothing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use config::{Changes, Config, Errors};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::app::{Door, Gateway, broker_zones};
use crate::life::renewal::{Certificates, Stamps};

/// How often certificates' files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What became of a file that was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts now, but for what needs a restart.
    Applied,
    /// Nothing that can change has changed.
    Unchanged,
    /// It can't be used; everything is as before.
    Refused,
    /// Certificates were renewed without being asked.
    Renewed,
    /// Certificates have changed and can't be used; those before them stay.
    RenewalRefused,
}

impl Outcome {
    const ALL: [Self; 5] =
        [Self::Applied, Self::Unchanged, Self::Refused, Self::Renewed, Self::RenewalRefused];

    /// The label of `tidegate_reloads_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Renewed => "renewed",
            Self::RenewalRefused => "renewal_refused",
        }
    }
}

/// Counts of what became of changed files.
#[derive(Debug, Default)]
pub struct Reloads {
    counts: [AtomicU64; 5],
    restart: Mutex<Vec<&'static str>>,
    refused: Mutex<Option<String>>,
}

impl Reloads {
    /// How often, by outcome.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.into_iter().map(|o| (o.label(), self.counts[o as usize].load(Relaxed)))
    }

    /// Sections that are otherwise in the file last read than in this process.
    pub fn needs_restart(&self) -> Vec<&'static str> {
        self.restart.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the file last read was refused; none if it wasn't.
    pub fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Relaxed);
    }
}

/// What is to be done with a file that was read again.
#[derive(Debug)]
enum Decision {
    /// Nothing: it has these mistakes.
    Refuse(Errors),
    /// To run by this from now on.
    Take { next: Box<Config>, changes: Changes },
}

fn decide(running: &Config, loaded: Result<Config, Errors>) -> Decision {
    match loaded {
        Err(errors) => Decision::Refuse(errors),
        Ok(new) => Decision::Take {
            next: Box::new(config::taken_over(running, &new)),
            changes: config::diff(running, &new),
        },
    }
}

/// The task that reads files again.
pub struct Reloader {
    file: PathBuf,
    running: Config,
    gateway: Arc<Gateway>,
    doors: Vec<Arc<Door>>,
    /// Of the certificates in use, or of those that were refused last.
    stamps: Stamps,
    /// Of certificates that may still be being written.
    changing: Option<Stamps>,
}

impl Reloader {
    /// For a gateway that runs `running`, read from `file`, with certificates of files that had these stamps before they were read: a change
    /// since then is one that is still to be taken up. `doors` in the file's order.
    pub fn new(
        file: PathBuf,
        (running, stamps): (Config, Stamps),
        gateway: Arc<Gateway>,
        doors: Vec<Arc<Door>>,
    ) -> Self {
        Self { file, running, gateway, doors, stamps, changing: None }
    }

    /// Reads again when `ordered`, and certificates whenever they change, until `stop`.
    pub async fn run(mut self, ordered: Arc<Notify>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = ordered.notified() => self.reload().await,
                () = tokio::time::sleep(LOOK_EVERY) => self.look().await,
            }
        }
    }

    async fn reload(&mut self) {
        let file = self.file.clone();
        let outcome = match spawn_blocking(move || config::load(file)).await {
            Ok(loaded) => self.carry_out(decide(&self.running, loaded)).await,
            Err(e) => Err(anyhow::Error::new(e).context("reading the file")),
        };
        let refused = outcome.as_ref().err().map(|e| format!("{e:#}"));
        *self.gateway.reloads.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        let outcome = outcome.unwrap_or_else(|e| {
            error!(file = %self.file.display(), error = %format_args!("{e:#}"), "SIGHUP: the file is refused, nothing has changed");
            Outcome::Refused
        });
        self.gateway.reloads.note(outcome);
    }

    async fn carry_out(&mut self, decision: Decision) -> anyhow::Result<Outcome> {
        let (next, changes) = match decision {
            Decision::Refuse(errors) => anyhow::bail!("{errors}"),
            Decision::Take { next, changes } => (*next, changes),
        };
        let stamps = stamps_of(&next).await?;
        let renewed = stamps != self.stamps;
        let certificates = read(&next).await?;
        // Nothing can fail from here on.
        certificates.install(&self.doors, &self.gateway);
        apply(&next, &self.gateway);
        for warning in &next.warnings {
            warn!(setting = %warning, "unwise");
        }
        (self.running, self.stamps, self.changing) = (next, stamps, None);
        info!(taken_over = ?changes.live, certificates = renewed, file = %self.file.display(), "SIGHUP: the file was read again");
        if !changes.restart.is_empty() {
            warn!(sections = ?changes.restart, "SIGHUP: changed in the file, and counts from the next start");
        }
        let changed = renewed || !changes.live.is_empty();
        *self.gateway.reloads.restart.lock().unwrap_or_else(PoisonError::into_inner) = changes.restart;
        Ok(if changed { Outcome::Applied } else { Outcome::Unchanged })
    }

    /// Certificates that have changed are read once they have stopped changing: a certificate and its key are two
    /// files, and between the two writes they don't fit.
    async fn look(&mut self) {
        let Ok(now) = stamps_of(&self.running).await else { return };
        if now == self.stamps {
            self.changing = None;
            return;
        }
        if self.changing.replace(now.clone()).as_ref() != Some(&now) {
            return;
        }
        (self.stamps, self.changing) = (now, None);
        let outcome = match read(&self.running).await {
            Ok(certificates) => {
                certificates.install(&self.doors, &self.gateway);
                info!("certificates were renewed");
                Outcome::Renewed
            }
            Err(e) => {
                error!(error = %format_args!("{e:#}"), "changed certificates are refused, those before them stay");
                Outcome::RenewalRefused
            }
        };
        self.gateway.reloads.note(outcome);
    }
}

async fn stamps_of(config: &Config) -> anyhow::Result<Stamps> {
    let config = config.clone();
    spawn_blocking(move || Stamps::of(&config)).await.context("looking at certificates")
}

async fn read(config: &Config) -> anyhow::Result<Certificates> {
    let config = config.clone();
    spawn_blocking(move || Certificates::read(&config)).await.context("reading certificates")?
}

/// Everything but certificates.
fn apply(next: &Config, gateway: &Gateway) {
    let settings = gateway.settings().followed_by(next);
    gateway.connections.bound(next.limits.connections, next.limits.connections_per_ip);
    gateway.pace.bound(next.limits.accept_rate, next.limits.handshakes);
    gateway.held.resize(next.limits.in_flight_bytes.0, settings.frame_max);
    gateway.cluster.rezone(broker_zones(next));
    if let Some(gossip) = &next.fleet.gossip {
        gateway.keyring.change(&gossip.keys);
    }
    gateway.change(settings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;

    const FILE: &str = "\
gateway: {id: gw, zone: az1}
cluster: {bootstrap: [k:9092]}
listeners:
  - {name: clients, bind: '127.0.0.1:29092', brokers: {ports: 29100-29199}}
";

    const TLS_FILE: &str = "\
gateway: {id: gw, zone: az1, admin: '127.0.0.1:0'}
cluster: {bootstrap: ['127.0.0.1:1']}
listeners:
  - {name: clients, bind: '127.0.0.1:0', advertise: gw.test, brokers: {sni: 'b{id}.gw.test'}, tls: {cert: cert, key: key}}
";

    /// Writes another certificate with its key, beside what is there, and renames, as those do who renew certificates.
    fn write_certificate(dir: &std::path::Path, until: u64) {
        let (cert, key) = crate::life::expiry::testing::certificate("gw", until);
        for (name, pem) in [("cert", cert), ("key", key)] {
            std::fs::write(dir.join("new"), pem).expect("written");
            std::fs::rename(dir.join("new"), dir.join(name)).expect("renamed");
        }
    }

    fn count(gateway: &Gateway, outcome: Outcome) -> u64 {
        gateway.reloads.counts[outcome as usize].load(Relaxed)
    }

    fn right(extra: &str) -> Config {
        config::parse(&format!("{FILE}{extra}\n"), ".").expect("a sound file")
    }

    #[test]
    fn a_file_with_a_mistake_is_refused_with_all_its_mistakes() {
        let wrong = config::parse(&format!("{FILE}limits: {{connections: 0, fame: 1}}\n"), ".");
        let Decision::Refuse(errors) = decide(&right(""), wrong) else { panic!("taken") };
        let text = errors.to_string();
        assert!(text.contains("limits.connections") && text.contains("limits.fame"), "{text}");
    }

    #[test]
    fn what_can_change_is_taken_and_what_cannot_is_named_and_left() {
        let running = right("");
        let new = right("limits: {connections: 7}\nstore: {dir: d}");
        let Decision::Take { next, changes } = decide(&running, Ok(new)) else { panic!("refused") };
        assert_eq!((changes.live, changes.restart), (vec!["limits"], vec!["store"]));
        assert_eq!((next.limits.connections, &next.store), (7, &running.store));
    }

    /// The looks of a gateway that was built before its certificate was replaced, and is started after that.
    #[tokio::test]
    async fn a_certificate_that_is_replaced_while_the_gateway_starts_is_taken_up() {
        let dir = tempfile::tempdir().expect("a folder");
        write_certificate(dir.path(), 2_000_000_000);
        let config = config::parse(TLS_FILE, dir.path()).expect("a sound file");
        let app = App::build(config).await.expect("a gateway");
        write_certificate(dir.path(), 2_100_000_000);
        let (gateway, mut reloader) = crate::app::testing::reloader(app);
        let served = || count(&gateway, Outcome::Renewed);
        let ends = || gateway.expiries.all().into_iter().collect::<Vec<_>>();
        assert_eq!((served(), ends()), (0, vec![("cert".to_owned(), 2_000_000_000)]));
        reloader.look().await;
        reloader.look().await;
        assert_eq!(served(), 1, "the new one is read once it has stopped changing");
        assert_eq!(ends(), [("cert".to_owned(), 2_100_000_000)]);
        reloader.look().await;
        assert_eq!(served(), 1, "and not again");
    }

    #[tokio::test]
    async fn a_change_reaches_everything_that_goes_by_it_in_one_step() {
        let gateway = crate::app::testing::gateway(crate::view::View::default());
        let new = right(
            "limits: {connections: 7, connections_per_ip: 5, frame: 1MiB, in_flight_bytes: 2MiB}\nzones: {reads: as_is}",
        );
        apply(&new, &gateway);
        let settings = gateway.settings();
        assert_eq!((settings.generation, settings.frame_max), (1, 1 << 20));
        assert_eq!(settings.zones.reads, config::Reads::AsIs);
        assert_eq!((gateway.connections.max(), gateway.held.used().1), (7, 2 << 20));
    }
}
