//! A build with rules of YARA, by yara-x.
//!
//! It needs a file as a whole, so of each only so much is kept in memory, and what a rule may cost is bounded by time.

use std::fmt;
use std::time::Duration;

use yara_x::errors::{CompileError, ScanError};
use yara_x::{Compiler, Scanner};

use super::{RuleFault, Ruled, RulesError};

/// Rules look at the beginning of a file, so much of it.
const MOST: usize = 32 << 20;

/// The longest that they may look at one file. The time is the processor's as much as the clock's: nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Files that have taken too long; after these the rest of what is packed is not looked at with rules.
const SLOW: u32 = 3;

/// Rules that have been compiled.
pub struct Rules(yara_x::Rules);

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rules").field(&self.0.iter().len()).finish()
    }
}

impl Rules {
    /// Whether this build can compile rules.
    pub const BUILT: bool = true;

    /// Compiles rules. Modules and includes are not there, and patterns and loops that make a look slow are errors.
    ///
    /// # Errors
    ///
    /// [`RulesError::Wrong`] with all that is wrong, by line.
    pub fn compile(text: &str) -> Result<Self, RulesError> {
        let mut compiler = Compiler::new();
        compiler.enable_includes(false);
        compiler.error_on_slow_pattern(true).error_on_slow_loop(true);
        let added = compiler.add_source(text).map(|_| ());
        let mut faults: Vec<RuleFault> =
            compiler.errors().iter().map(|error| fault(text, error)).collect();
        if let Err(error) = added
            && faults.is_empty()
        {
            faults.push(fault(text, &error));
        }
        if faults.is_empty() {
            let rules = compiler.build();
            if rules.iter().len() > 0 {
                return Ok(Self(rules));
            }
            let problem = "there is no rule in them".to_owned();
            faults.push(RuleFault { line: 1, column: 1, problem });
        }
        faults.sort_by_key(|fault| (fault.line, fault.column));
        Err(RulesError::Wrong(faults))
    }
}

fn fault(text: &str, error: &CompileError) -> RuleFault {
    let label = error.labels().next();
    let at = label.as_ref().map_or(0, |label| label.span().start());
    let more = label.map(|label| label.text().to_owned()).filter(|text| !text.is_empty());
    let mut problem = error.title().to_owned();
    if let Some(more) = more {
        problem = format!("{problem}: {more}");
    }
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    RuleFault {
        line: before.matches('\n').count() + 1,
        column: before[start..].chars().count() + 1,
        problem,
    }
}

/// A look with rules, at one file after another.
pub(crate) struct Scan<'a> {
    scanner: Scanner<'a>,
    bytes: Vec<u8>,
    is_cut: bool,
    slow: u32,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        let mut scanner = Scanner::new(&rules.0);
        scanner.set_timeout(PATIENCE);
        scanner.fast_scan(true);
        Self { scanner, bytes: Vec::new(), is_cut: false, slow: 0 }
    }

    /// The next piece of a file.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        let room = MOST - self.bytes.len();
        self.is_cut |= piece.len() > room;
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// The file is over: which rules match. The next piece begins another one.
    pub(crate) fn end(&mut self) -> Ruled {
        let cut = std::mem::take(&mut self.is_cut);
        let gap =
            |text: &str| Some(format!("was not looked at by the rules of the policy: {text}"));
        if self.slow >= SLOW {
            self.bytes.clear();
            let gap = gap("they have taken too long with others before it");
            return Ruled { names: Vec::new(), gap };
        }
        let scanned = self.scanner.scan(&self.bytes);
        let ruled = match scanned {
            Ok(results) => {
                let rules = results.matching_rules();
                let names = rules.map(|rule| rule.identifier().to_owned()).collect();
                let text = "they look at its first 32 MiB, and it is longer";
                Ruled { names, gap: if cut { gap(text) } else { None } }
            }
            Err(ScanError::Timeout) => {
                self.slow += 1;
                Ruled { names: Vec::new(), gap: gap("they took longer than 10 s") }
            }
            Err(error) => Ruled { names: Vec::new(), gap: gap(&error.to_string()) },
        };
        self.bytes.clear();
        ruled
    }
}
