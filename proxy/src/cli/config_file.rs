//! `tidegate config`: what a configuration file may hold.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use config::reference;

use super::ConfigCommand;

pub(super) fn config(what: ConfigCommand) -> anyhow::Result<ExitCode> {
    match what {
        ConfigCommand::Schema => super::print(&serde_json::to_string_pretty(&config::schema())?)?,
        ConfigCommand::Example => super::print(config::EXAMPLE.trim_end())?,
        ConfigCommand::Reference { fill: Some(document), .. } => fill(&document)?,
        ConfigCommand::Reference { section: Some(name), .. } => {
            let table =
                reference::table(&name).with_context(|| format!("the file has no section `{name}`"))?;
            super::print(table.trim_end())?;
        }
        ConfigCommand::Reference { .. } => super::print(reference::reference().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn fill(document: &Path) -> anyhow::Result<()> {
    let at = || document.display().to_string();
    let text = std::fs::read_to_string(document).with_context(at)?;
    let filled = reference::fill(&text).with_context(at)?;
    std::fs::write(document, filled).with_context(at)
}
