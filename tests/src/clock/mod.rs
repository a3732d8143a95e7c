//! A process whose clock is wrong.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cache, files};

/// The environment of a process whose time of day is off by `seconds`.
///
/// # Errors
/// No C compiler.
pub fn apart(seconds: i64) -> Result<[(&'static str, String); 2]> {
    let library = library()?.to_str().context("the cache's path is not UTF-8")?.to_owned();
    Ok([("LD_PRELOAD", library), ("CLOCK_APART_SECONDS", seconds.to_string())])
}

fn library() -> Result<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/clock/apart.c");
    let dir = cache::dir().join(format!("clock-{}", files::fingerprint(std::slice::from_ref(&source))?));
    cache::fill_once(&dir, |dir| {
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(dir.join("apart.so")).arg(&source).arg("-ldl");
        let out = cc.output().context("run cc: a C compiler is needed (Debian: build-essential)")?;
        ensure!(out.status.success(), "cc: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    })?;
    Ok(dir.join("apart.so"))
}
