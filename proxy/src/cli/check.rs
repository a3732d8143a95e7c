//! `tidegate check`.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::{Output, certificates, connect};

/// One thing found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// `error` or `warning`.
    pub(super) severity: &'static str,
    /// Where: a path in the file, or what was tried.
    pub(super) at: String,
    /// The line in the file, where there is one.
    pub(super) line: Option<u64>,
    /// What is wrong.
    pub(super) reason: String,
    /// What to do about it.
    pub(super) remedy: String,
}

pub(super) fn check(path: &Path, reach: bool, output: Output) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    match config::load(path) {
        Err(errors) => findings.extend(errors.0.into_iter().map(|e| Finding {
            severity: "error",
            at: e.path,
            line: e.line,
            reason: e.reason,
            remedy: e.remedy,
        })),
        Ok(config) => {
            findings.extend(config.warnings.iter().map(|w| Finding {
                severity: "warning",
                at: String::new(),
                line: None,
                reason: w.clone(),
                remedy: String::new(),
            }));
            findings.extend(certificates::findings(&config));
            if reach {
                findings.extend(connect::findings(&config)?);
            }
        }
    }
    let failed = findings.iter().any(|f| f.severity == "error");
    report(path, &findings, failed, output)?;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn report(path: &Path, findings: &[Finding], failed: bool, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        let page = serde_json::json!({"file": path, "ok": !failed, "findings": findings});
        return super::print(&serde_json::to_string_pretty(&page)?);
    }
    for f in findings {
        let line = f.line.map(|l| format!(":{l}")).unwrap_or_default();
        let at = if f.at.is_empty() { String::new() } else { format!(" {}:", f.at) };
        let remedy = if f.remedy.is_empty() { String::new() } else { format!("\n  remedy: {}", f.remedy) };
        super::print(&format!("{}{line}: {}:{at} {}{remedy}", path.display(), f.severity, f.reason))?;
    }
    if !failed {
        super::print(&format!("{}: fine", path.display()))?;
    }
    Ok(())
}
