//! What ran the benchmark.

use serde::Serialize;

/// The machine, as the report states it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// CPU model, with what tells apart the ones that a hypervisor leaves nameless.
    pub cpu: String,
    /// Cores online.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// When, in UTC.
    pub date: String,
}

impl Machine {
    /// Reads it off; what can't be read says "unknown".
    pub fn read() -> Self {
        let info = read("/proc/cpuinfo");
        let field = |name: &str| {
            let line = info.lines().find(|l| l.starts_with(name));
            line.and_then(|l| l.split_once(": ")).map_or("unknown", |(_, v)| v).to_owned()
        };
        let memory = read("/proc/meminfo").split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
        Self {
            cpu: format!(
                "{} (family {}, model {})",
                field("model name"),
                field("cpu family"),
                field("model\t")
            ),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: memory.unwrap_or(0) >> 10,
            date: date(),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn date() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output.map_or_else(|_| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}
