//! `#REPOWER` lines of a script: options of `repower submit`, written where the work is.
//!
//! Only whole lines in the first 32 KiB count, from their first column. The command line wins over
//! them, and options that may be repeated are joined.

use clap::{CommandFactory, FromArgMatches, Parser};

use super::draft::Draft;

/// How much of a script is looked at, in bytes.
pub const WITHIN: usize = 32 * 1024;
/// What such a line begins with.
const MARK: &[u8] = b"#REPOWER";

/// Why a line does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// An option that a job does not have, or a bad value.
    #[error("line {line} of {script} has a bad `#REPOWER` line")]
    Option {
        /// From 1.
        line: usize,
        /// What the script is called.
        script: String,
        /// What is wrong with it.
        source: Wrong,
    },
    /// Quotes that do not end.
    #[error("line {line} of {script} has a quote that does not end")]
    Quote {
        /// From 1.
        line: usize,
        /// What the script is called.
        script: String,
    },
    /// Bytes that are not text.
    #[error("line {line} of {script} is not UTF-8 text")]
    NotText {
        /// From 1.
        line: usize,
        /// What the script is called.
        script: String,
    },
    /// An option that may be said once was said by two lines.
    #[error("the `#REPOWER` lines of {script} contradict each other")]
    Twice {
        /// What the script is called.
        script: String,
        /// Which option.
        source: Wrong,
    },
    /// A line beyond what is looked at.
    #[error(
        "line {line} of {script} has a `#REPOWER` line beyond the first {WITHIN} bytes, where none is read"
    )]
    Late {
        /// From 1.
        line: usize,
        /// What the script is called.
        script: String,
    },
}

/// What the parser of options said, and what it proposes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    message: String,
    hint: Option<String>,
}

impl Wrong {
    /// Takes message and tip from what clap would have printed.
    pub(crate) fn from_clap(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first).split_whitespace();
        let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
        Self { message: message.collect::<Vec<_>>().join(" "), hint: tip.map(str::to_owned) }
    }

    /// Returns what the parser proposes.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl DirectiveError {
    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Option { source, .. } | Self::Twice { source, .. } => source.hint().map_or_else(
                || "`repower submit --help` lists the options of a job; --directives off skips these lines".to_owned(),
                str::to_owned,
            ),
            Self::Quote { .. } => "close it on the same line".to_owned(),
            Self::NotText { .. } => "save the script as UTF-8".to_owned(),
            Self::Late { .. } => "move it to the top, or skip all such lines with --directives off".to_owned(),
        }
    }
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    draft: Draft,
}

/// Returns what the `#REPOWER` lines of a script say about its job.
///
/// # Errors
///
/// Any [`DirectiveError`], with the number of the line.
pub fn read(script: &str, text: &[u8]) -> Result<Draft, DirectiveError> {
    let mut draft = Draft::default();
    let mut all = Vec::new();
    let mut parser: Option<clap::Command> = None;
    for (line, start, words) in lines(text) {
        let script = || script.to_owned();
        if start + words.len() > WITHIN {
            return Err(DirectiveError::Late { line, script: script() });
        }
        let words = std::str::from_utf8(words)
            .map_err(|_| DirectiveError::NotText { line, script: script() })?;
        let words =
            shlex::split(words).ok_or_else(|| DirectiveError::Quote { line, script: script() })?;
        let parser = parser.get_or_insert_with(Line::command);
        let option = |error: &clap::Error| DirectiveError::Option {
            line,
            script: script(),
            source: Wrong::from_clap(error),
        };
        parser.try_get_matches_from_mut(&words).map_err(|error| option(&error))?;
        all.extend(words);
    }
    if let Some(parser) = &mut parser {
        // Each line is good by itself; only together can they say a thing twice.
        let twice = |error: &clap::Error| DirectiveError::Twice {
            script: script.to_owned(),
            source: Wrong::from_clap(error),
        };
        let matches = parser.try_get_matches_from_mut(&all).map_err(|error| twice(&error))?;
        draft = Line::from_arg_matches(&matches).map_err(|error| twice(&error))?.draft;
    }
    Ok(draft)
}

/// Returns number, place and words of each line that begins with the mark.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let mut start = 0;
    text.split(|byte| *byte == b'\n').enumerate().filter_map(move |(number, line)| {
        let at = start;
        start += line.len() + 1;
        let words = line.strip_prefix(MARK)?;
        let blank = words.first().is_none_or(u8::is_ascii_whitespace);
        blank.then_some((number + 1, at, words))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_text(text: &str) -> Result<Draft, DirectiveError> {
        read("run.sh", text.as_bytes())
    }

    #[test]
    fn lines_are_options_of_the_job() {
        let draft = read_text(
            "#!/bin/sh\n#REPOWER --name 'two words' --cpus=2\n# a remark\n#REPOWER\t--env A=1\n#REPOWER --env B=2\necho\n",
        )
        .expect("good lines");

        assert_eq!(draft.name.as_deref(), Some("two words"));
        assert_eq!(draft.cpus.map(super::super::number::Cpus::as_milli), Some(2000));
        assert_eq!(draft.env.len(), 2);
    }

    #[test]
    fn a_script_without_such_lines_says_nothing() {
        let text = "#!/bin/sh\necho '#REPOWER --cpus 9'\n #REPOWER --cpus 9\n#REPOWERED --cpus 9\n";

        assert_eq!(read_text(text), Ok(Draft::default()));
    }

    #[test]
    fn a_misspelt_option_is_named_with_its_line_and_the_nearest_one() {
        let error = read_text("#!/bin/sh\n\n#REPOWER --cpu 2\n").expect_err("misspelt");

        assert_eq!(error.to_string(), "line 3 of run.sh has a bad `#REPOWER` line");
        assert_eq!(error.hint(), "a similar argument exists: '--cpus'");
        let DirectiveError::Option { source, .. } = error else { panic!("an option") };
        assert_eq!(source.to_string(), "unexpected argument '--cpu' found");
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        let error = read_text("#!/bin/sh\n#REPOWER --memory 4X\n").expect_err("a bad value");

        let DirectiveError::Option { line: 2, source, .. } = error else { panic!("an option") };
        assert_eq!(
            source.to_string(),
            "invalid value '4X' for '--memory <SIZE>': `X` is not a unit of size: write 4MiB, 4G or 4GB"
        );
    }

    #[test]
    fn a_thing_said_twice_is_refused() {
        let error =
            read_text("#!/bin/sh\n#REPOWER --cpus 1\n#REPOWER --cpus 2\n").expect_err("twice");

        assert_eq!(error.to_string(), "the `#REPOWER` lines of run.sh contradict each other");
    }

    #[test]
    fn what_only_a_command_line_can_say_is_refused() {
        for option in ["--wait", "--help", "--json", "-- true", "word"] {
            let error = read_text(&format!("#REPOWER {option}\n"));
            assert!(
                matches!(error, Err(DirectiveError::Option { line: 1, .. })),
                "{option}: {error:?}"
            );
        }
    }

    #[test]
    fn a_line_beyond_32_kib_is_refused_rather_than_overlooked() {
        let text = format!("#!/bin/sh\n{}\n#REPOWER --cpus 2\n", "x".repeat(WITHIN));

        assert!(matches!(read_text(&text), Err(DirectiveError::Late { line: 3, .. })));
    }

    proptest! {
        #[test]
        fn no_script_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200), line in "[ -~]{0,60}") {
            drop(read("run.sh", &text));
            drop(read("run.sh", format!("#REPOWER {line}\n").as_bytes()));
        }
    }
}
