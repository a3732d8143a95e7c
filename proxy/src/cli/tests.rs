//! What is printed to be typed can be typed.

use clap::{Command, CommandFactory, Parser};

use super::Cli;

/// Every command, with the words that lead to it.
fn each(command: &Command, words: &str, f: &mut impl FnMut(&str, &mut Command)) {
    f(words, &mut command.clone());
    for inner in command.get_subcommands().filter(|c| c.get_name() != "help") {
        each(inner, &format!("{words} {}", inner.get_name()), f);
    }
}

#[test]
fn every_command_tells_what_it_does_how_it_is_typed_and_what_its_exit_codes_mean() {
    let mut seen = 0;
    each(&Cli::command(), "tidegate", &mut |words, command| {
        let help = command.render_long_help().to_string();
        for part in
            ["Usage:", "Examples:\n  tidegate ", "Exit codes:\n  0  ", "\n  1  ", "\n  2  wrong usage"]
        {
            assert!(help.contains(part), "`{words} --help` has no `{part}`:\n{help}");
        }
        let named = help.lines().any(|line| line.trim_start().starts_with(words));
        assert!(named, "`{words} --help` has no example of its own:\n{help}");
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{words}: {} is not explained", argument.get_id());
        }
        seen += 1;
    });
    assert!(seen >= 16, "{seen} commands");
}

#[test]
fn every_example_of_a_help_text_parses() {
    let mut examples = Vec::new();
    each(&Cli::command(), "tidegate", &mut |_, command| {
        let help = command.render_long_help().to_string();
        let typed = help.lines().skip_while(|line| *line != "Examples:").skip(1);
        examples.extend(typed.take_while(|line| line.starts_with("  ")).map(str::to_owned));
    });
    assert!(examples.len() > 30, "{examples:#?}");
    examples.iter().for_each(|line| parses(line));
}

#[test]
fn every_command_in_the_documents_parses() {
    let documents = [
        include_str!("../../../README.md"),
        include_str!("../../../docs/configuration.md"),
        include_str!("../../../docs/operations.md"),
        include_str!("../../../docs/tiering.md"),
        include_str!("../../../deploy/README.md"),
    ];
    let shell = documents.iter().flat_map(|text| text.split("```sh\n").skip(1));
    let lines = shell.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    let commands: Vec<_> = lines.filter(|line| line.starts_with("tidegate ")).collect();
    assert!(commands.len() > 8, "{commands:#?}");
    commands.into_iter().for_each(parses);
}

/// Up to a comment, a pipe or a redirection.
fn parses(line: &str) {
    let typed = line.split(['#', '|', '>']).next().unwrap_or_default();
    let words = typed.split_whitespace().map(|word| word.trim_matches('\''));
    if let Err(e) = Cli::try_parse_from(words) {
        panic!("{line}\n{e}");
    }
}
