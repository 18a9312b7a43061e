//! Reading the command line: what it asks for, or what is wrong with it.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{ColorChoice, Command, CommandFactory, FromArgMatches, ValueEnum as _};

use super::Arguments;
use crate::failure::{Exit, Explain};
use crate::render::screen::Colour;

/// Values that are numbers or begin with one: with a sign in front they are told as what they are,
/// and not taken for options.
const NUMERIC: [&str; 10] =
    ["NUMBER", "N", "S", "SPAN", "SIZE", "DAY", "DAYS", "INDEX", "WHEN", "MTBF,MTTR"];

/// A command line that makes no sense, for programs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Misread {
    message: String,
    hint: String,
}

impl Explain for Misread {
    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }

    fn exit(&self) -> Exit {
        Exit::USAGE
    }
}

/// Reads the command line. The error is clap's, which also is what `--help` prints.
pub(crate) fn read(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let colour = match asks_for_colour(words) {
        Colour::Auto => ColorChoice::Auto,
        Colour::Always => ColorChoice::Always,
        Colour::Never => ColorChoice::Never,
    };
    let tree = signed(Arguments::command().color(colour));
    parse(words, tree.clone()).map_err(|error| {
        if is_answer(&error) {
            return error;
        }
        // The usage in an error shows what stands in the environment as if it had to be given. Only if
        // what stands there is the error, there is none without it.
        parse(words, apart(tree)).err().unwrap_or(error)
    })
}

fn parse(words: &[OsString], mut tree: Command) -> Result<Arguments, clap::Error> {
    let mut matches = tree.try_get_matches_from_mut(words)?;
    Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut tree))
}

/// The same commands, without what stands in the environment.
fn apart(command: Command) -> Command {
    let command = command.mut_args(|argument| argument.env(Resettable::Reset));
    command.mut_subcommands(apart)
}

/// Whether it is no error, but what was asked for.
fn is_answer(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Lets the numeric options of all commands take values that begin with `-`.
fn signed(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let names = argument.get_value_names().unwrap_or_default();
        let numeric = names.iter().any(|name| NUMERIC.contains(&name.as_str()));
        if numeric && !argument.is_positional() {
            argument.allow_hyphen_values(true)
        } else {
            argument
        }
    });
    command.mut_subcommands(signed)
}

impl Misread {
    /// The error for a program, if the words ask for JSON; `None`: it is for a person, or no error.
    pub(crate) fn for_program(words: &[OsString], error: &clap::Error) -> Option<Self> {
        (!is_answer(error) && asks_for_json(words)).then(|| Self::of(&error.render().to_string()))
    }

    /// What stands in the first paragraph, and the first tip.
    fn of(text: &str) -> Self {
        let paragraph = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
        let message = paragraph.collect::<Vec<_>>().join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
        let hint = tip.unwrap_or("`--help` behind the command lists what it takes").to_owned();
        Self { message, hint }
    }
}

/// What `--color` asks for, as far as words that make no sense together say it; the last one counts.
fn asks_for_colour(words: &[OsString]) -> Colour {
    let mut asked = Colour::default();
    let mut words = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('=').map(|value| value.to_owned().into()),
            None => None,
        };
        if let Some(colour) = value.and_then(|value| Colour::from_str(&value, false).ok()) {
            asked = colour;
        }
    }
    asked
}

/// Whether JSON is asked for, as far as words that make no sense together say it.
fn asks_for_json(words: &[OsString]) -> bool {
    let mut words = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let asks = match &*word {
            "--json" | "-ojson" | "-o=json" | "--output=json" => true,
            "-o" | "--output" => words.next().is_some_and(|form| form == "json"),
            _ => false,
        };
        if asks {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn told(line: &str) -> String {
        read(&words(line)).expect_err("it makes no sense").render().to_string()
    }

    #[test]
    fn a_number_with_a_sign_is_told_as_a_bad_number_and_not_as_an_option() {
        for (line, option) in [
            ("repower submit --class x --time-limit -5m -- true", "--time-limit <SPAN>"),
            ("repower submit --class x --memory -1GiB -- true", "--memory <SIZE>"),
            ("repower submit --class x --cpus -2 -- true", "--cpus"),
            ("repower submit --class x --deadline -2h -- true", "--deadline <WHEN>"),
            ("repower sim --swf x --limit -1", "--limit <NUMBER>"),
            ("repower sim --swf x --faults -1d,2h", "--faults <MTBF,MTTR>"),
        ] {
            let told = told(line);
            assert!(told.contains("invalid value '-") && told.contains(option), "{told}");
            assert!(!told.contains("tip:"), "{told}");
        }
        assert!(told("repower submit --class --wait -- true").contains("--class"));
    }

    #[test]
    fn colours_are_as_asked_for_also_where_the_rest_makes_no_sense() {
        let of = |line: &str| asks_for_colour(&words(line));

        assert_eq!(of("repower jobs --color never --nope"), Colour::Never);
        assert_eq!(of("repower jobs --nope --color=always"), Colour::Always);
        assert_eq!(of("repower jobs --color never --color sometimes"), Colour::Never);
        assert_eq!(of("repower submit --clas x -- tool --color never"), Colour::Auto);
        let coloured = words("repower jobs --color always --nope");
        let error = read(&coloured).expect_err("it makes no sense");
        assert!(error.render().ansi().to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_program_is_told_in_one_message_and_a_hint() {
        let of = |line: &str| {
            let words = words(line);
            let error = read(&words).expect_err("it makes no sense");
            Misread::for_program(&words, &error)
        };

        let typo = of("repower jobs --staet pending -o json").unwrap();
        let missing = of("repower sim -ojson").unwrap();

        assert_eq!(typo.message, "unexpected argument '--staet' found");
        assert_eq!(typo.hint, "a similar argument exists: '--state'");
        assert!(
            missing.message.starts_with("the following required arguments were not provided: <")
        );
        assert_eq!(missing.exit(), Exit::USAGE);
        assert_eq!(of("repower jobs --staet pending"), None, "a person gets clap's own words");
        assert_eq!(of("repower submit --clas x -- tool -o json"), None, "that is the tool's");
        assert_eq!(of("repower jobs --help -o json"), None, "help is no error");
    }
}
