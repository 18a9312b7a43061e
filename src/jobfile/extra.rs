//! Named extra resources: `licence=2`.

use std::str::FromStr;

use repower_proto::v1;

/// So many of a named thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The name that an operator has given it on nodes.
    pub name: String,
    /// How many one task needs, at least 1.
    pub amount: u64,
}

/// Why a text is not an extra resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtraError {
    /// No name, or characters that names do not have.
    #[error("`{0}` is not a name: letters, digits, `-`, `_` and `.` make one")]
    Name(String),
    /// The amount is not a whole number.
    #[error("`{0}` is not an amount: write for example licence=2")]
    Amount(String),
    /// Zero of something.
    #[error("`{0}=0` asks for nothing; the least is 1")]
    Zero(String),
}

impl Extra {
    /// Returns it as the wire has it.
    pub fn into_wire(self) -> v1::Extra {
        v1::Extra { name: self.name, amount: self.amount }
    }
}

impl FromStr for Extra {
    type Err = ExtraError;

    fn from_str(text: &str) -> Result<Self, ExtraError> {
        let (name, amount) = text.split_once('=').unwrap_or((text, "1"));
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(letters) {
            return Err(ExtraError::Name(name.to_owned()));
        }
        match amount.parse::<u64>() {
            Err(_) => Err(ExtraError::Amount(amount.to_owned())),
            Ok(0) => Err(ExtraError::Zero(name.to_owned())),
            Ok(amount) => Ok(Self { name: name.to_owned(), amount }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_asks_for_one() {
        let read = |text: &str| text.parse::<Extra>().map(|extra| (extra.name, extra.amount));

        assert_eq!(read("licence=2"), Ok(("licence".into(), 2)));
        assert_eq!(read("licence"), Ok(("licence".into(), 1)));
        assert_eq!(read("licence=0"), Err(ExtraError::Zero("licence".into())));
        assert_eq!(read("=2"), Err(ExtraError::Name(String::new())));
        assert_eq!(read("a b=2"), Err(ExtraError::Name("a b".into())));
        assert_eq!(read("licence=some"), Err(ExtraError::Amount("some".into())));
    }
}
