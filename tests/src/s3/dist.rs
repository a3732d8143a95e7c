//! S3 servers as published, kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::server::{ACCESS_KEY, SECRET_KEY};
use crate::{cache, maven};

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    /// S3Proxy 4.1.0, Java: it needs nothing that Kafka doesn't.
    S3Proxy,
    /// versitygw 1.8.0, Go: compiled the first time, which takes minutes.
    VersityGw,
}

impl Maker {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3Proxy => "s3proxy-4.1.0",
            Self::VersityGw => "versitygw-1.8.0",
        }
    }

    /// Finds it in the cache, or gets it (S3Proxy half a minute, versitygw five).
    pub(super) fn resolve(self) -> Result<PathBuf> {
        let dir = cache::dir().join(self.name());
        let fill = |dir: &Path| match self {
            Self::S3Proxy => fill_s3proxy(dir),
            Self::VersityGw => fill_versitygw(dir),
        };
        cache::fill_once(&dir, fill).with_context(|| format!("get {}", self.name()))?;
        Ok(dir)
    }

    /// The command that serves `data` on a port of this machine; `dir` is for its configuration.
    pub(super) fn command(self, dist: &Path, dir: &Path, data: &Path, port: u16) -> Result<Command> {
        match self {
            Self::S3Proxy => s3proxy(dist, dir, data, port),
            Self::VersityGw => Ok(versitygw(dist, data, port)),
        }
    }
}

fn fill_s3proxy(dir: &Path) -> Result<()> {
    fs::write(dir.join("logback.xml"), LOGBACK)?;
    let jars = [
        ("org.gaul", "s3proxy", "4.1.0"),
        // What Maven would choose lacks a class that another jar needs.
        ("com.fasterxml.jackson.core", "jackson-annotations", "2.21"),
    ];
    maven::fetch(dir, &jars).map(|_| ())
}

fn fill_versitygw(dir: &Path) -> Result<()> {
    let mut go = Command::new("go");
    go.args(["install", "github.com/versity/versitygw/cmd/versitygw@v1.8.0"]).env("GOBIN", dir);
    let out = go.output().context("run go: Go is needed for versitygw")?;
    ensure!(out.status.success(), "go install: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

fn s3proxy(dist: &Path, dir: &Path, data: &Path, port: u16) -> Result<Command> {
    let conf = dir.join("s3proxy.conf");
    // Unknown headers: session tokens, which S3Proxy would refuse.
    let text = format!(
        "s3proxy.authorization=aws-v2-or-v4\ns3proxy.endpoint=http://127.0.0.1:{port}\n\
         s3proxy.ignore-unknown-headers=true\ns3proxy.identity={ACCESS_KEY}\ns3proxy.credential={SECRET_KEY}\n\
         jclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={}\n",
        data.display()
    );
    fs::write(&conf, text)?;
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-Xmx512m"])
        .arg(format!("-Dlogback.configurationFile={}", dist.join("logback.xml").display()))
        .args(["-cp", &format!("{}/*", dist.join("lib").display()), "org.gaul.s3proxy.Main", "--properties"])
        .arg(conf);
    Ok(java)
}

fn versitygw(dist: &Path, data: &Path, port: u16) -> Command {
    let mut server = Command::new(dist.join("versitygw"));
    server
        .env("ROOT_ACCESS_KEY", ACCESS_KEY)
        .env("ROOT_SECRET_KEY", SECRET_KEY)
        // Without this it closes each connection after one answer.
        .args(["--keep-alive", "-q", "--port", &format!("127.0.0.1:{port}"), "posix"])
        .arg(data);
    server
}

/// Without one S3Proxy logs every step.
const LOGBACK: &str = "\
<configuration><appender name=\"out\" class=\"ch.qos.logback.core.ConsoleAppender\">
<encoder><pattern>%d %p %m %logger%n</pattern></encoder></appender>
<root level=\"WARN\"><appender-ref ref=\"out\"/></root></configuration>
";
