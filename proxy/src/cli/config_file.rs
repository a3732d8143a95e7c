//! `tidegate config schema` and `tidegate config example`.

use std::process::ExitCode;

pub(super) fn schema() -> anyhow::Result<ExitCode> {
    super::print(&serde_json::to_string_pretty(&config::schema())?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn example() -> anyhow::Result<ExitCode> {
    super::print(config::EXAMPLE.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
