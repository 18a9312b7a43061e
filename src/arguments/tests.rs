//! `docs/cli.md` holds the help of every command, as it is printed on 80 columns.

use clap::{Command, CommandFactory};

use super::Arguments;
use crate::render::testing::hold_page;

/// Returns name and help of a command and of all below it.
fn helps(command: &mut Command, path: &str, found: &mut Vec<(String, String)>) {
    let name = format!("{path}{}", command.get_name());
    let help = command.clone().term_width(80).render_help().to_string();
    let lines = help.lines().map(|line| format!("{}\n", line.trim_end()));
    found.push((name.clone(), lines.collect()));
    let below: Vec<String> =
        command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for below in below {
        let below = command.find_subcommand_mut(&below).expect("it was listed");
        if below.get_name() != "help" {
            helps(below, &format!("{name} "), found);
        }
    }
}

fn all() -> Vec<(String, String)> {
    let mut command = Arguments::command();
    command.build();
    let mut found = Vec::new();
    helps(&mut command, "", &mut found);
    found
}

#[test]
fn the_tree_of_commands_is_well_formed() {
    Arguments::command().debug_assert();
}

#[test]
fn the_page_about_the_command_line_has_the_help_of_every_command() {
    hold_page("cli.md", "help", &all());
}

/// Calls `look` with the name of each command and the text behind its options.
fn texts(command: &Command, path: &str, look: &mut impl FnMut(&str, &str)) {
    let name = format!("{path}{}", command.get_name());
    if let Some(text) = command.get_after_help() {
        look(&name, &text.to_string());
    }
    for below in command.get_subcommands() {
        texts(below, &format!("{name} "), look);
    }
}

#[test]
fn no_line_that_was_broken_by_hand_is_broken_again_on_eighty_columns() {
    let mut wide = Vec::new();
    texts(&Arguments::command(), "", &mut |name, text| {
        let lines = text.lines().filter(|line| line.chars().count() > 80);
        wide.extend(lines.map(|line| format!("{name}: {line}")));
    });

    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn no_help_is_wider_than_eighty_columns() {
    for (name, help) in all() {
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{name} is {widest:?} wide");
    }
}
