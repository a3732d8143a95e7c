//! Somebody else's words, made fit for our own logs and errors.

/// The most that is repeated of what a server says, in characters.
const CHARS_MAX: usize = 400;

/// What is printable of `bytes`: no control characters (they could forge log lines), and not endless.
pub(super) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
