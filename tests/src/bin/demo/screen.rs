//! What the user sees: lines that stay, and on a terminal a block that is painted over.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often a line comes where nothing can be painted over.
const LINE_EVERY: Duration = Duration::from_secs(4);

/// A colour or weight of text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ink {
    /// For what matters.
    Bold,
    /// For what may be passed over.
    Dim,
    /// For bytes that stay in their zone.
    Green,
    /// For bytes that cross.
    Red,
}

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    colours: bool,
    /// Lines of the block that the next one is painted over.
    painted: usize,
    last_line: Option<Instant>,
}

impl Screen {
    /// Colours and painting on a terminal only, and no colours where `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { terminal, colours, painted: 0, last_line: None }
    }

    /// The text in a colour, if there are colours.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Green => "32",
            Ink::Red => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Text that stays.
    pub(crate) fn say(&mut self, text: &str) -> Result<()> {
        self.painted = 0;
        self.last_line = None;
        write(&format!("{text}\n"))
    }

    /// A step of the preparations.
    pub(crate) fn step(&mut self, text: &str) -> Result<()> {
        let mark = self.ink(Ink::Dim, "…");
        self.say(&format!("{mark} {text}"))
    }

    /// How things stand: the block in place of the last one, or now and then the line.
    pub(crate) fn show(&mut self, block: &str, line: &str) -> Result<()> {
        if !self.terminal {
            return self.line(line);
        }
        // Up to where the last block began, and everything below away.
        let back = if self.painted > 0 { format!("\x1b[{}A\x1b[J", self.painted) } else { String::new() };
        self.painted = block.lines().count();
        write(&format!("{back}{block}\n"))
    }

    /// A line that may be left out: on a terminal, where a bar says it, and where the last one is too young.
    pub(crate) fn now_and_then(&mut self, line: &str) -> Result<()> {
        if self.terminal { Ok(()) } else { self.line(line) }
    }

    fn line(&mut self, line: &str) -> Result<()> {
        if self.last_line.is_some_and(|last| last.elapsed() < LINE_EVERY) {
            return Ok(());
        }
        self.last_line = Some(Instant::now());
        write(&format!("{line}\n"))
    }
}

/// A closed pipe (`make demo | head`) is no error.
fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
