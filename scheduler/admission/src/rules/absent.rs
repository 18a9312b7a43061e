//! A build without rules of YARA: there are none that have been compiled.

use super::{Ruled, RulesError};

/// Rules that have been compiled: in this build nobody has any.
#[derive(Debug)]
pub enum Rules {}

impl Rules {
    /// Whether this build can compile rules.
    pub const BUILT: bool = false;

    /// Compiles rules.
    ///
    /// # Errors
    ///
    /// Always [`RulesError::Absent`].
    pub fn compile(_: &str) -> Result<Self, RulesError> {
        Err(RulesError::Absent)
    }
}

/// A look with rules.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    rules: &'a Rules,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        Self { rules }
    }

    pub(crate) fn feed(&mut self, _: &[u8]) {
        match *self.rules {}
    }

    pub(crate) fn end(&mut self) -> Ruled {
        match *self.rules {}
    }
}
