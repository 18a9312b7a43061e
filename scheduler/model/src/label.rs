//! Labels: what an operator says of a node, and what a job asks of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Watts;

/// The longest name or value of a label, in bytes.
const LONGEST: usize = 128;

/// The label that says at which site a node is.
pub const SITE: &str = "site";
/// The label that says which metering account feeds it.
pub const METER: &str = "meter";
/// The label that says what it draws at most, in whole watts: its operator's word, not a reading.
pub const WATTS: &str = "watts";

/// The most that a node can be said to draw, in watts.
const MOST_WATTS: u64 = 1_000_000;

/// A rule about one label of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LabelRule {
    /// The label's name.
    pub name: String,
    /// Any of these will do; empty: any value, if only the label is there.
    pub values: Vec<String>,
    /// Turns the rule round: the node must have no such label.
    pub negated: bool,
}

/// Why a text is no label, or no rule about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A name that cannot be.
    #[error(
        "`{0}` is not the name of a label: letters, digits, `-`, `_`, `.` and `/` make one, at most {LONGEST}"
    )]
    Name(String),
    /// A value that cannot be.
    #[error(
        "`{0}` is not the value of a label: 1 to {LONGEST} bytes without blanks, `,`, `|` and `=`"
    )]
    Value(String),
    /// A power that cannot be.
    #[error("`{0}` is not what a node draws: `watts` is a whole number from 1 to {MOST_WATTS}")]
    Watts(String),
}

impl LabelRule {
    /// The most rules of a job, values of a rule, and labels of a node.
    pub const MOST: usize = 64;

    /// Whether a node with these labels (ascending by name) meets the rule.
    pub fn is_met_by(&self, labels: &[(String, String)]) -> bool {
        let found = labels.binary_search_by(|(name, _)| name.as_str().cmp(&self.name)).ok();
        let matches = found.is_some_and(|at| {
            let (_, value) = &labels[at];
            self.values.is_empty() || self.values.contains(value)
        });
        matches != self.negated
    }

    /// Checks that name and values are such as labels have.
    ///
    /// # Errors
    ///
    /// [`LabelError`], for the first that is not.
    pub fn check(&self) -> Result<(), LabelError> {
        check_name(&self.name)?;
        self.values.iter().try_for_each(|value| check_value(value))
    }
}

/// Checks that a node can have a label of this name and value.
///
/// # Errors
///
/// [`LabelError`], for the part that cannot be.
pub fn check_label(name: &str, value: &str) -> Result<(), LabelError> {
    check_name(name)?;
    check_value(value)?;
    if name == WATTS && watts_in(value).is_none() {
        return Err(LabelError::Watts(value.to_owned()));
    }
    Ok(())
}

/// What a node with these labels (ascending by name) is said to draw at most.
pub fn watts_of(labels: &[(String, String)]) -> Option<Watts> {
    let at = labels.binary_search_by(|(name, _)| name.as_str().cmp(WATTS)).ok()?;
    watts_in(&labels[at].1)
}

fn watts_in(value: &str) -> Option<Watts> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let watts = value.parse().ok().filter(|watts| digits && (1..=MOST_WATTS).contains(watts));
    watts.map(Watts::from_whole)
}

fn check_name(name: &str) -> Result<(), LabelError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if name.is_empty() || name.len() > LONGEST || !name.bytes().all(good) {
        return Err(LabelError::Name(name.to_owned()));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), LabelError> {
    let bad =
        |letter: char| letter.is_whitespace() || letter.is_control() || ",|=".contains(letter);
    if value.is_empty() || value.len() > LONGEST || value.contains(bad) {
        return Err(LabelError::Value(value.to_owned()));
    }
    Ok(())
}

impl fmt::Display for LabelRule {
    /// As options write it: `gpu`, `gpu=v100`, `gpu=v100|p100`, `!gpu=v100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "!" } else { "" };
        write!(f, "{not}{}", self.name)?;
        if self.values.is_empty() { Ok(()) } else { write!(f, "={}", self.values.join("|")) }
    }
}

impl FromStr for LabelRule {
    type Err = LabelError;

    /// Reads what is displayed.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (name, values) = match text.split_once('=') {
            None => (text, Vec::new()),
            Some((name, values)) => (name, values.split('|').map(str::to_owned).collect()),
        };
        let rule = Self { name: name.to_owned(), values, negated };
        rule.check()?;
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> LabelRule {
        text.parse().unwrap()
    }

    #[test]
    fn a_label_rule_asks_for_a_label_a_value_or_its_absence() {
        let labels = [("gpu".to_owned(), "v100".to_owned()), ("site".to_owned(), "a".to_owned())];

        assert!(rule("gpu").is_met_by(&labels));
        assert!(rule("gpu=p100|v100").is_met_by(&labels));
        assert!(!rule("gpu=p100").is_met_by(&labels));
        assert!(rule("!gpu=p100").is_met_by(&labels));
        assert!(rule("!fpga").is_met_by(&labels));
        assert!(!rule("fpga").is_met_by(&labels));
    }

    #[test]
    fn a_rule_is_read_as_it_is_shown() {
        for text in ["gpu", "gpu=v100", "gpu=v100|p100", "!gpu=v100", "!rack/row.3", "a=ö"] {
            assert_eq!(rule(text).to_string(), text);
        }
    }

    #[test]
    fn what_could_not_be_shown_is_no_rule() {
        let read = |text: &str| text.parse::<LabelRule>();

        assert_eq!(read(""), Err(LabelError::Name(String::new())));
        assert_eq!(read("!"), Err(LabelError::Name(String::new())));
        assert_eq!(read("g pu"), Err(LabelError::Name("g pu".into())));
        assert_eq!(read("gpu="), Err(LabelError::Value(String::new())));
        assert_eq!(read("gpu=a|"), Err(LabelError::Value(String::new())));
        assert_eq!(read("gpu=a,b"), Err(LabelError::Value("a,b".into())));
        assert_eq!(read(&"x".repeat(129)), Err(LabelError::Name("x".repeat(129))));
    }

    #[test]
    fn what_a_node_draws_is_a_whole_number_or_no_label_at_all() {
        let labels = |watts: &str| [("a".to_owned(), "b".to_owned()), (WATTS.into(), watts.into())];

        assert_eq!(watts_of(&labels("750")), Some(Watts::from_whole(750)));
        assert_eq!(watts_of(&labels("750")[..1]), None);
        assert_eq!(check_label(WATTS, "750"), Ok(()));
        for bad in ["750W", "0", "-1", "+5", "7.5", "1000001"] {
            assert_eq!(check_label(WATTS, bad), Err(LabelError::Watts(bad.into())));
            assert_eq!(watts_of(&labels(bad)), None);
        }
    }
}
