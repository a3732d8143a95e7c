//! A running S3 server.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use store::s3::{Checksums, Credentials, Patience, Settings};
use tempfile::TempDir;

use super::bucket;
use super::dist::Maker;
use crate::ports::Ports;
use crate::process::Process;
use crate::{http, reaper, wait};

/// The access key id of all servers here.
pub const ACCESS_KEY: &str = "tidegate";
/// And its secret.
pub const SECRET_KEY: &str = "tidegate-secret";

/// How long a server may take to answer.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A server with a folder of its own; killed when dropped, or with this process.
#[derive(Debug)]
pub struct Server {
    maker: Maker,
    process: Process,
    port: u16,
    buckets: AtomicUsize,
    dist: PathBuf,
    dir: TempDir,
    _ports: Ports,
}

impl Server {
    /// Starts one on a free port and waits until it answers.
    pub fn start(maker: Maker) -> Result<Self> {
        let dist = maker.resolve()?;
        let dir = tempfile::Builder::new().prefix("tidegate-s3-").tempdir()?;
        reaper::note_dir(dir.path())?;
        fs::create_dir(dir.path().join("data"))?;
        let mut ports = Ports::lease()?;
        let port = ports.one()?;
        let process = spawn(maker, &dist, &dir, port)?;
        let mut server =
            Self { maker, process, port, buckets: AtomicUsize::new(0), dist, dir, _ports: ports };
        server.wait_ready()?;
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let address = self.address();
        let look = || {
            ensure!(self.process.is_alive(), "the server has died");
            // It refuses whoever doesn't sign; any answer will do.
            http::get(&address, "/").map(|_| true)
        };
        let ready = wait::until_true("the S3 server to be ready", READY_LIMIT, look);
        ready.with_context(|| self.process.log_tail(30))
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL for `store.s3.endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Makes a bucket that nobody else uses.
    pub fn bucket(&self) -> Result<Settings> {
        let name = format!("tide-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        let settings = Settings {
            bucket: name,
            prefix: None,
            region: "us-east-1".into(),
            endpoint: Some(self.endpoint()),
            path_style: true,
            checksums: Checksums::Always,
            kms_key: None,
            credentials: Credentials::Fixed { id: ACCESS_KEY.into(), secret: SECRET_KEY.into() },
            patience: Patience::default(),
        };
        bucket::create(&settings)?;
        Ok(settings)
    }

    /// What a gateway needs in its environment to be let in.
    pub fn env() -> [(&'static str, &'static str); 2] {
        [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]
    }

    /// The section `store` of a gateway's file for a bucket of this server.
    pub fn yaml(settings: &Settings) -> String {
        let endpoint = settings.endpoint.as_deref().unwrap_or_default();
        format!(
            "store: {{s3: {{bucket: {}, region: {}, endpoint: \"{endpoint}\", path_style: {}}}}}\n",
            settings.bucket, settings.region, settings.path_style
        )
    }

    /// The folder with every bucket's objects as files.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The process, to stop it, let it go on, or look at its memory.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again after [`Process::kill9`], with the same data on the same port.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill9()?;
        self.process = spawn(self.maker, &self.dist, &self.dir, self.port)?;
        self.wait_ready()
    }
}

fn spawn(maker: Maker, dist: &std::path::Path, dir: &TempDir, port: u16) -> Result<Process> {
    let mut command = maker.command(dist, dir.path(), &dir.path().join("data"), port)?;
    Process::spawn(&mut command, &dir.path().join("server.log"))
}
