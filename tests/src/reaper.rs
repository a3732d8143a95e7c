//! The last one out: a tiny shell that kills our children and removes our folders when we are gone.
//!
//! A test process can end without running any destructor: SIGKILL, abort, a cluster in a `static`. So one
//! shell per test process holds the reading end of a pipe. It notes every pid and folder we tell it, and
//! when the pipe closes, which the kernel guarantees, it cleans up.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};

/// Lines are `+pid N`, `-pid N`, `mount PATH` or `dir PATH`; at the end of input the noted pids are killed first.
const SCRIPT: &str = r#"
pids=" "; nl='
'; dirs=""; mounts=""
while read -r what value; do
  case $what in
    +pid) pids="$pids$value " ;;
    -pid) pids=$(printf %s "$pids" | sed "s/ $value / /") ;;
    mount) mounts="$mounts$value$nl" ;;
    dir) dirs="$dirs$value$nl" ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
printf %s "$mounts" | while read -r mount; do umount -l "$mount"; done
printf %s "$dirs" | while read -r dir; do rm -rf -- "$dir"; done
"#;

fn pipe() -> Result<&'static Mutex<ChildStdin>> {
    static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    static START: Mutex<()> = Mutex::new(());
    let _one_at_a_time = START.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = PIPE.get() {
        return Ok(pipe);
    }
    // A process group of its own: Ctrl-C on the tests must not take the reaper with them.
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("start the reaper")?;
    let stdin = child.stdin.take().context("the reaper has no pipe")?;
    Ok(PIPE.get_or_init(|| Mutex::new(stdin)))
}

fn tell(line: &str) -> Result<()> {
    let mut pipe = pipe()?.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{line}").context("tell the reaper")
}

/// Notes a child that must not outlive this process.
pub fn note(pid: u32) -> Result<()> {
    tell(&format!("+pid {pid}"))
}

/// Forgets a child that has been waited for, because its pid may be used again.
pub fn forget(pid: u32) -> Result<()> {
    tell(&format!("-pid {pid}"))
}

/// Notes a folder that must not outlive this process.
pub fn note_dir(dir: &Path) -> Result<()> {
    tell(&format!("dir {}", dir.display()))
}

/// Notes a file system that must not stay mounted after this process.
pub fn note_mount(at: &Path) -> Result<()> {
    tell(&format!("mount {}", at.display()))
}
