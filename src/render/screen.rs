//! Where output goes: results to standard output, all else to standard error.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::table::{Table, tinted};
use super::words::Tint;
use crate::failure::{Exit, Explain};

/// The columns of a screen that does not say how many it has.
const USUAL: usize = 80;

/// What results are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Form {
    /// Lines and tables for people
    #[default]
    Table,
    /// JSON for programs, as docs/json.md describes it
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Colour {
    /// On terminals, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct OutputError {
    source: io::Error,
}

impl Explain for OutputError {
    fn exit(&self) -> Exit {
        if self.is_hang_up() { Exit::OK } else { Exit::FAILED }
    }

    fn is_hang_up(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

/// One side of the screen.
struct Side {
    write: Box<dyn Write + Send>,
    colour: bool,
}

/// The two sides of the screen, and how to write on them.
pub struct Screen {
    out: Side,
    err: Side,
    form: Form,
    quiet: bool,
    width: Option<usize>,
}

impl fmt::Debug for Screen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Screen")
            .field("form", &self.form)
            .field("quiet", &self.quiet)
            .finish_non_exhaustive()
    }
}

impl Screen {
    /// The process's own standard output and error.
    pub fn standard(form: Form, quiet: bool, colour: Colour) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        // An empty NO_COLOR is as good as none: https://no-color.org
        let wanted = |terminal: bool| match colour {
            Colour::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
            Colour::Always => true,
            Colour::Never => false,
        };
        let width = out.is_terminal().then(terminal_width);
        let (out_colour, err_colour) = (wanted(out.is_terminal()), wanted(err.is_terminal()));
        Self {
            out: Side {
                write: Box::new(io::BufWriter::with_capacity(1 << 16, out)),
                colour: out_colour,
            },
            err: Side { write: Box::new(err), colour: err_colour },
            form,
            quiet,
            width,
        }
    }

    /// A screen that writes without colours into the two given places.
    pub fn into(
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
        form: Form,
        width: Option<usize>,
    ) -> Self {
        let side = |write: Box<dyn Write + Send>| Side { write, colour: false };
        Self { out: side(Box::new(out)), err: side(Box::new(err)), form, quiet: false, width }
    }

    /// Whether programs read the output.
    pub fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Whether only the bare result is wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes a line of the result.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), OutputError> {
        writeln!(self.out.write, "{line}").map_err(|source| OutputError { source })
    }

    /// Writes a sentence of the result, broken between words where the screen ends; elsewhere where
    /// a screen of the usual width would. What follows the first line is indented.
    pub fn sentence(&mut self, text: impl fmt::Display) -> Result<(), OutputError> {
        for line in folded(&text.to_string(), self.width.unwrap_or(USUAL)) {
            self.line(line)?;
        }
        Ok(())
    }

    /// Writes a line of the result, coloured where colours are on.
    pub fn tinted(&mut self, line: &str, tint: Option<Tint>) -> Result<(), OutputError> {
        let tint = tint.filter(|_| self.out.colour);
        self.line(tinted(line, tint))
    }

    /// Writes bytes of the result as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.out.write.write_all(bytes).map_err(|source| OutputError { source })
    }

    /// Writes bytes to standard error as they are; there is nobody to tell if that fails.
    pub fn err_bytes(&mut self, bytes: &[u8]) {
        drop(self.err.write.write_all(bytes));
    }

    /// Writes a table as wide as the screen; elsewhere nothing is cut.
    pub fn table(&mut self, table: &Table) -> Result<(), OutputError> {
        for line in table.lines(self.width, self.out.colour) {
            self.line(line)?;
        }
        Ok(())
    }

    /// Writes a value as one JSON document.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), OutputError> {
        serde_json::to_writer_pretty(&mut self.out.write, value)
            .map_err(|error| OutputError { source: error.into() })?;
        self.line("")
    }

    /// How wide lines can be; `None`: as wide as they like.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Writes a value as one line of JSON, for streams of them.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), OutputError> {
        serde_json::to_writer(&mut self.out.write, value)
            .map_err(|error| OutputError { source: error.into() })?;
        self.line("")
    }

    /// Tells the person something beside the result, unless only the result is wanted.
    pub fn note(&mut self, note: impl fmt::Display) {
        if !self.quiet && self.form == Form::Table {
            self.tell(note);
        }
    }

    /// Tells the person something that must be said, on standard error.
    pub fn tell(&mut self, line: impl fmt::Display) {
        // Where standard error is closed there is nobody to tell.
        drop(writeln!(self.err.write, "{line}"));
    }

    /// Writes a line on standard error whose first word is coloured where colours are on.
    pub fn labelled(&mut self, label: &str, tint: Tint, text: &str) {
        let label = tinted(label, Some(tint).filter(|_| self.err.colour));
        self.tell(format_args!("{label} {text}"));
    }

    /// Brings out what is still held back.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.out.write.flush().map_err(|source| OutputError { source })
    }
}

/// Returns a text in lines of at most `width` cells, as far as its words let them.
fn folded(text: &str, width: usize) -> Vec<String> {
    const INDENT: &str = "  ";
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        let room = width.saturating_sub(line.width());
        if line.trim_start().is_empty() {
            line.push_str(word);
        } else if word.width() < room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{INDENT}{word}"));
        }
    }
    lines
}

/// Returns the columns of the terminal on standard output; the usual ones if it does not say.
fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words_and_a_long_word_stays_whole() {
        let lines = folded("job 12: it waits for a-name-that-is-longer-than-that to end", 20);

        assert_eq!(
            lines,
            ["job 12: it waits for", "  a-name-that-is-longer-than-that", "  to end"]
        );
        assert_eq!(folded("short", 20), ["short"]);
    }
}
