//! Environment variables of a job: `K=V`, or `K` to take it from here.

use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use repower_proto::v1;

/// A variable, its value given or to be taken from the submitter's own environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; left out: as it is here.
    pub value: Option<String>,
}

/// Why a text is not a variable, or has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// No name.
    #[error("`{0}` has no name before the `=`")]
    Name(String),
    /// A zero byte, which no environment can hold.
    #[error("the variable {0} holds a zero byte")]
    Zero(String),
    /// To be taken from here, but not set.
    #[error("the variable {0} is not set here")]
    Unset(String),
    /// To be taken from here, but not text.
    #[error("the variable {0} is not UTF-8 text here")]
    NotText(String),
}

impl Variable {
    /// Returns it with its value, asking `here` for one that was not given.
    ///
    /// # Errors
    ///
    /// [`VariableError::Unset`] or [`VariableError::NotText`].
    pub fn settle(
        self,
        here: impl Fn(&OsStr) -> Option<OsString>,
    ) -> Result<v1::Variable, VariableError> {
        let value = match self.value {
            Some(value) => value,
            None => here(OsStr::new(&self.name))
                .ok_or_else(|| VariableError::Unset(self.name.clone()))?
                .into_string()
                .map_err(|_| VariableError::NotText(self.name.clone()))?,
        };
        Ok(v1::Variable { name: self.name, value })
    }
}

impl FromStr for Variable {
    type Err = VariableError;

    fn from_str(text: &str) -> Result<Self, VariableError> {
        let (name, value) =
            text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        if name.is_empty() {
            return Err(VariableError::Name(text.to_owned()));
        }
        if text.contains('\0') {
            return Err(VariableError::Zero(name.replace('\0', "\\0")));
        }
        Ok(Self { name: name.to_owned(), value: value.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(text: &str) -> Result<(String, String), VariableError> {
        let here = |name: &OsStr| (name == "HOME").then(|| OsString::from("/home/mia"));
        text.parse::<Variable>()?.settle(here).map(|variable| (variable.name, variable.value))
    }

    #[test]
    fn a_variable_has_its_value_or_takes_the_one_from_here() {
        assert_eq!(settled("K=V=W"), Ok(("K".into(), "V=W".into())));
        assert_eq!(settled("K="), Ok(("K".into(), String::new())));
        assert_eq!(settled("HOME"), Ok(("HOME".into(), "/home/mia".into())));
        assert_eq!(settled("NONE"), Err(VariableError::Unset("NONE".into())));
        assert_eq!(settled("=V"), Err(VariableError::Name("=V".into())));
    }
}
