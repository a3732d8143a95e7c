//! Commands. Results go to stdout, logs to stderr. Exit codes: 0 fine, 1 the thing asked failed, 2 wrong usage.

mod certificates;
mod check;
mod config_file;
mod connect;
mod explain;
mod help;
mod rights;
mod run;
mod status;
mod tier;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use comfy_table::{Table, presets};

/// A zone-aware gateway in front of the Kafka you already run.
///
/// Clients change bootstrap.servers to a gateway and nothing else: they talk to gateways in their own availability
/// zone and read from in-sync replicas in their own zone.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true, after_long_help = help::TOP)]
pub(crate) struct Cli {
    /// How log lines look on stderr: for people, or one JSON object a line.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table for people.
    Table,
    /// JSON for scripts.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one gateway until SIGTERM or SIGINT.
    ///
    /// The first of them drains: connections end one by one over `gateway.drain`. A second one stops at once. SIGHUP reads
    /// the file again.
    ///
    /// Set RUST_LOG (for example RUST_LOG=tidegate_proxy=debug) for more log lines.
    #[command(after_long_help = help::RUN)]
    Run {
        /// The configuration file.
        #[arg(short, long)]
        config: PathBuf,
    },
    /// Validate a configuration file: every error with its path, line, reason and remedy.
    #[command(after_long_help = help::CHECK)]
    Check {
        /// The configuration file.
        #[arg(short, long)]
        config: PathBuf,
        /// Also try every bootstrap server, broker and the bucket, and look at racks, rights and endpoints.
        #[arg(long)]
        connect: bool,
        /// How the findings are printed.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Print what a configuration file may hold.
    #[command(after_long_help = help::CONFIG)]
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Show what a running gateway sees and does: brokers, clients by zone, where reads are served, bytes by zone.
    #[command(after_long_help = help::STATUS)]
    Status {
        /// The gateway's admin address (`gateway.admin` in its file).
        #[arg(long, default_value = "http://127.0.0.1:9644")]
        admin: String,
        /// A file with the gateway's `gateway.admin_token`; default: what TIDEGATE_ADMIN_TOKEN holds, if it is set.
        #[arg(long)]
        token_file: Option<PathBuf>,
        /// Only ask whether the gateway lives (`/healthz`): prints nothing, wants no token; exit code 1 if it doesn't.
        #[arg(long, conflicts_with_all = ["token_file", "output", "readyz"])]
        healthz: bool,
        /// Only ask whether the gateway is ready (`/readyz`): wants no token; if it isn't, says what is missing and exits with code 1.
        #[arg(long, conflicts_with_all = ["token_file", "output"])]
        readyz: bool,
        /// How it is printed.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Look at, verify, clean, restore or pause what is in the bucket.
    #[command(after_long_help = help::TIER)]
    Tier {
        #[command(subcommand)]
        what: tier::TierCommand,
    },
    /// Questions about availability zones.
    #[command(after_long_help = help::ZONES)]
    Zones {
        #[command(subcommand)]
        what: ZonesCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// The file's JSON Schema (draft 2020-12), for editors and validators.
    #[command(after_long_help = help::CONFIG)]
    Schema,
    /// A commented example of the file, right as it stands.
    #[command(after_long_help = help::CONFIG)]
    Example,
    /// A table of every key: what to write, what holds if nothing is written, what it means. In Markdown.
    #[command(after_long_help = help::CONFIG)]
    Reference {
        /// One section (limits) or definition (Brokers, ClientRule); default: all sections.
        section: Option<String>,
        /// Write the tables into a document of ours instead, between its marks.
        #[arg(long, hide = true, conflicts_with = "section")]
        fill: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ZonesCommand {
    /// Say which zone a client is in, and which rule of `zones.clients` says so.
    #[command(after_long_help = help::ZONES)]
    Explain {
        /// The client's client.id.
        #[arg(long)]
        client_id: Option<String>,
        /// The address it connects from.
        #[arg(long)]
        ip: std::net::IpAddr,
        /// Its client.rack.
        #[arg(long)]
        rack: Option<String>,
        /// The listener it comes in by; default: the first in the file.
        #[arg(long)]
        listener: Option<String>,
        /// The configuration file.
        #[arg(short, long)]
        config: PathBuf,
        /// How it is printed.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, for the person at the terminal.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run { config } => run::run(&config, self.log_format == LogFormat::Json),
            Command::Check { config, connect, output } => check::check(&config, connect, output),
            Command::Config { what } => config_file::config(what),
            Command::Status { admin, healthz: true, .. } => status::healthz(&admin),
            Command::Status { admin, readyz: true, .. } => status::readyz(&admin),
            Command::Status { admin, token_file, output, .. } => {
                status::status(&admin, token_file.as_deref(), output)
            }
            Command::Tier { what } => tier::tier(what),
            Command::Zones { what } => explain::explain(what),
        }
    }
}

/// Loads a file, with every error in it as one message.
fn load(path: &Path) -> anyhow::Result<config::Config> {
    config::load(path).map_err(|errors| anyhow::anyhow!("{}:\n{errors}", path.display()))
}

/// Prints to stdout; a closed pipe (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// A table for people.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table.add_rows(rows);
    table.to_string()
}

#[cfg(test)]
mod tests;
