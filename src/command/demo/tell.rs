//! What the demo tells, as it goes.

use std::fmt::Display;
use std::path::Path;

use crate::failure::Failure;
use crate::render::words::Tint;
use crate::render::{Screen, Table};

/// Tells the demo's story on a screen.
#[derive(Debug)]
pub(super) struct Teller<'a> {
    screen: &'a mut Screen,
    chapter: u32,
}

impl<'a> Teller<'a> {
    pub(super) fn new(screen: &'a mut Screen) -> Self {
        Self { screen, chapter: 0 }
    }

    pub(super) fn title(&mut self, text: &str) -> Result<(), Failure> {
        self.screen.tinted(text, Some(Tint::Good))?;
        Ok(self.screen.flush()?)
    }

    pub(super) fn chapter(&mut self, text: &str) -> Result<(), Failure> {
        self.chapter += 1;
        self.screen.line("")?;
        self.screen.tinted(&format!("{}. {text}", self.chapter), Some(Tint::Busy))?;
        Ok(self.screen.flush()?)
    }

    pub(super) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.screen.line(format_args!("   {text}"))?;
        Ok(self.screen.flush()?)
    }

    /// A command that somebody types; `who` is empty for whoever has started the scheduler.
    pub(super) fn command(&mut self, who: &str, words: &str) -> Result<(), Failure> {
        let prompt = if who.is_empty() { "$".to_owned() } else { format!("{who} $") };
        self.screen.tinted(&format!("   {prompt} {words}"), Some(Tint::Good))?;
        Ok(self.screen.flush()?)
    }

    /// What a command has printed; long lines are broken.
    pub(super) fn quote(&mut self, text: &str) -> Result<(), Failure> {
        self.broken(text, 4)
    }

    /// The same for lines that begin with the name of a field.
    pub(super) fn fields(&mut self, text: &str) -> Result<(), Failure> {
        /// Where the values stand.
        const VALUES: usize = 12;
        self.broken(text, 2 + VALUES)
    }

    fn broken(&mut self, text: &str, hang: usize) -> Result<(), Failure> {
        const WIDTH: usize = 92;
        for line in text.lines() {
            let (mut rest, mut indent) = (line, 2);
            while rest.chars().count() + indent > WIDTH {
                let most = rest.char_indices().nth(WIDTH - indent).map_or(rest.len(), |at| at.0);
                let cut = rest[..most].rfind(' ').filter(|at| *at > most / 2).unwrap_or(most);
                self.line(format_args!("{:indent$}{}", "", &rest[..cut]))?;
                rest = rest[cut..].trim_start();
                indent = hang;
            }
            self.line(format_args!("{:indent$}{rest}", ""))?;
        }
        Ok(())
    }

    pub(super) fn table(&mut self, table: &Table) -> Result<(), Failure> {
        for line in table.lines(Some(75), false) {
            self.line(line)?;
        }
        Ok(())
    }

    pub(super) fn aside(&mut self, text: &str) {
        self.screen.note(text);
    }

    pub(super) fn end(&mut self, folder: &Path, seconds: f64) -> Result<(), Failure> {
        let folder = folder.display();
        self.screen.line("")?;
        self.screen.tinted(&format!("All of it worked, in {seconds:.0} s."), Some(Tint::Good))?;
        self.line("Everything was left in:")?;
        self.line(format_args!("  {folder}"))?;
        self.line("Look into it, and remove it when you are done:")?;
        self.line("  sqlite3 scheduler/ledger.db 'SELECT * FROM jobs'")?;
        self.line("  repower ledger verify --data scheduler")?;
        self.line("  report.html, in a browser")?;
        self.line("Your own cluster on this machine: repower dev")
    }
}
