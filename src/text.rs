//! Where something is in a text that a person wrote, and what they probably meant.

/// Returns line and column of a byte, both from 1; columns count letters.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// Returns the word that a misspelt one most resembles, if any resembles it much (Jaro-Winkler).
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    let scored = known.map(|known| (strsim::jaro_winkler(word, known), known));
    let (score, best) = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (score >= ALIKE).then_some(best)
}

/// What is wrong with a TOML file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TomlError {
    line: usize,
    column: usize,
    message: String,
    meant: Option<String>,
}

impl TomlError {
    /// Takes place and message from what the parser said about `text`.
    pub(crate) fn new(text: &str, error: &toml::de::Error) -> Self {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        let message = error.message().replace('\n', " ");
        // Serde says: unknown field `x`, expected one of `a`, `b`.
        let mut quoted = message.split('`').skip(1).step_by(2);
        let meant = if message.starts_with("unknown field") {
            quoted.next().and_then(|word| nearest(word, quoted)).map(str::to_owned)
        } else {
            None
        };
        Self { line, column, message, meant }
    }

    /// Returns the key that was probably meant.
    pub fn hint(&self) -> Option<String> {
        self.meant.as_ref().map(|meant| format!("did you mean `{meant}`?"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Options {
        #[serde(rename = "lease-ms")]
        _lease_ms: u64,
        #[serde(rename = "listen")]
        _listen: String,
    }

    #[test]
    fn a_misspelt_key_is_told_with_its_place_and_the_nearest_one() {
        let text = "listen = \"a\"\n leese-ms = 3\n";

        let error = TomlError::new(text, &toml::from_str::<Options>(text).expect_err("misspelt"));

        assert!(
            error.to_string().starts_with("line 2, column 2: unknown field `leese-ms`"),
            "{error}"
        );
        assert_eq!(error.hint().as_deref(), Some("did you mean `lease-ms`?"));
    }

    #[test]
    fn another_mistake_has_no_nearest_key() {
        let text = "listen = 3\n";

        let error = TomlError::new(text, &toml::from_str::<Options>(text).expect_err("a number"));

        assert!(error.to_string().starts_with("line 1, column 10: "), "{error}");
        assert_eq!(error.hint(), None);
    }
}
