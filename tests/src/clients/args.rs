//! The command line that all drivers understand; see `tests/clients/README.md`.

use serde_json::Value;

use super::security::Security;

/// A command line in the making.
pub(super) struct Args(pub(super) Vec<String>);

impl Args {
    pub(super) fn of(verb: &str, bootstrap: &str, topic: &str, security: &Security) -> Self {
        let mut args = Self(vec![verb.to_owned()]);
        args.add("--bootstrap", bootstrap);
        args.add("--topic", topic);
        security.write(&mut args);
        args
    }

    /// One word, because a value of its own may look like a flag (`-1`) or be empty.
    pub(super) fn add(&mut self, flag: &str, value: impl std::fmt::Display) {
        self.0.push(format!("{flag}={value}"));
    }

    pub(super) fn add_if(&mut self, flag: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.add(flag, value);
        }
    }

    pub(super) fn switch(&mut self, flag: &str, on: bool) {
        if on {
            self.0.push(flag.to_owned());
        }
    }

    pub(super) fn partitions(&mut self, partitions: &[i32]) {
        let list: Vec<_> = partitions.iter().map(i32::to_string).collect();
        self.add("--partitions", list.join(","));
    }

    pub(super) fn client(&mut self, id: Option<&str>, props: &Value) {
        self.add_if("--client-id", id);
        self.add("--props", props);
    }
}
