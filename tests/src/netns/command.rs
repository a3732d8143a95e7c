//! Running something inside a namespace.

use std::process::Command;

/// The command, inside this namespace if there is one. `ip netns exec` becomes the command, so its process id
/// is the command's own; pipes are for the caller to set up afterwards.
pub(crate) fn inside(namespace: Option<&str>, command: Command) -> Command {
    let Some(namespace) = namespace else { return command };
    let mut ip = Command::new("ip");
    ip.args(["netns", "exec", namespace]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => ip.env(name, value),
            None => ip.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        ip.current_dir(dir);
    }
    ip
}
