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
        screen.labelled("because:", Tint::Look, &cause);
    }
    if let Some(hint) = failure.hint() {
        screen.labelled("hint:", Tint::Busy, &hint);
    }
}
