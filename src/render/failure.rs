//! How failures look: `error:`, `because:`, `hint:`; or one JSON document, also on standard error.

use serde::Serialize;

use super::screen::Screen;
use super::words::Tint;
use crate::failure::Failure;

#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: String,
    code: Option<&'a str>,
    because: Vec<String>,
    hint: Option<String>,
    exit_code: u8,
}

/// Tells the person, or the program, what went wrong.
pub(crate) fn tell(screen: &mut Screen, failure: &Failure) {
    if screen.is_json() {
        let error = Body {
            message: failure.message(),
            code: failure.code(),
            because: failure.because(),
            hint: failure.hint(),
            exit_code: failure.exit().as_u8(),
        };
        let text = serde_json::to_string_pretty(&Document { error })
            .expect("texts and a number are always JSON");
        screen.tell(text);
        return;
    }
    let message = match failure.code() {
        Some(code) => format!("{} [{code}]", failure.message()),
        None => failure.message(),
    };
    screen.labelled("error:", Tint::Bad, &message);
    for cause in failure.because() {
        // What others wrote may have lines of its own: they go below each other.
        screen.labelled("because:", Tint::Look, &cause.trim_end().replace('\n', "\n  "));
    }
    if let Some(hint) = failure.hint() {
        screen.labelled("hint:", Tint::Busy, &hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Exit, Explain};
    use crate::render::screen::Form;
    use crate::render::testing::pages;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Full;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the page")]
    struct NotWritten(#[source] Full);

    impl Explain for NotWritten {
        fn hint(&self) -> Option<String> {
            Some("free some space".to_owned())
        }

        fn code(&self) -> Option<&str> {
            Some("store.full")
        }

        fn exit(&self) -> Exit {
            Exit::FAILED
        }
    }

    fn told(form: Form) -> String {
        let (out, err, ()) = pages(form, |screen| tell(screen, &NotWritten(Full).into()));
        assert_eq!(out, "");
        err
    }

    #[test]
    fn a_person_is_told_what_why_and_what_to_do() {
        assert_eq!(
            told(Form::Table),
            "\
error: cannot write the page [store.full]
because: the disk is full
hint: free some space
"
        );
    }

    #[test]
    fn a_program_is_told_the_same_as_json() {
        let told: serde_json::Value = serde_json::from_str(&told(Form::Json)).expect("JSON");

        let expected = serde_json::json!({ "error": {
            "message": "cannot write the page",
            "code": "store.full",
            "because": ["the disk is full"],
            "hint": "free some space",
            "exit_code": 1,
        }});
        assert_eq!(told, expected);
    }
}
