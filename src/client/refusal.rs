//! What the scheduler says when it does not do as asked.

use tonic::{Code, Status};

use super::is_lost;
use crate::failure::{Exit, Explain};

/// A call that the scheduler refused, or that did not get through.
#[derive(Debug)]
pub struct Refused {
    message: String,
    because: Option<Because>,
    hint: Option<String>,
    code: Option<String>,
    status: Code,
    /// The way failed, and not the scheduler.
    cut: bool,
    address: String,
}

/// Why, in the scheduler's words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Because(String);

impl Refused {
    /// Reads what a status and its metadata say; `address` is where it came from.
    pub fn new(address: &str, status: &Status) -> Self {
        let told = |key: &str| {
            let value = status.metadata().get_bin(key)?.to_bytes().ok()?;
            let text = tame_lines(&String::from_utf8_lossy(&value));
            (!text.is_empty()).then_some(text)
        };
        let code = told("repower-code-bin");
        let cut = code.is_none() && is_lost(status);
        let because = told("repower-because-bin");
        let because = because.or_else(|| cut.then(|| transport_cause(status)).flatten());
        Self {
            message: message(address, status, cut),
            because: because.map(Because),
            hint: told("repower-hint-bin"),
            code,
            status: status.code(),
            cut,
            address: address.to_owned(),
        }
    }

    /// Returns the stable code, if the scheduler has sent one.
    pub fn stable_code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns what went wrong, in one sentence.
    pub fn sentence(&self) -> &str {
        &self.message
    }

    /// Returns the same with another hint, where the caller knows better what to do.
    #[must_use]
    pub fn with_hint(self, hint: String) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// Returns what went wrong; `cut`: on the way, and not at the scheduler.
fn message(address: &str, status: &Status, cut: bool) -> String {
    if cut && status.code() == Code::Unavailable {
        format!("the scheduler at {address} does not answer")
    } else if cut {
        format!("the line to the scheduler at {address} broke")
    } else if !status.message().is_empty() {
        tame_lines(status.message())
    } else if status.code() == Code::Unauthenticated {
        "the scheduler does not know this token".to_owned()
    } else {
        format!("the scheduler says {:?} and no more", status.code())
    }
}

/// What the scheduler wrote, without characters that would move the cursor.
fn tame_lines(text: &str) -> String {
    text.lines().map(crate::render::words::tame).collect::<Vec<_>>().join(" ")
}

/// Returns what the network said, where the call did not get through.
fn transport_cause(status: &Status) -> Option<String> {
    let mut text = tame_lines(status.message());
    let mut next = std::error::Error::source(status);
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    (!text.is_empty()).then_some(text)
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.because.as_ref().map(|because| because as _)
    }
}

impl Explain for Refused {
    fn hint(&self) -> Option<String> {
        let runs = || Some(format!("check that `repower scheduler` runs at {}", self.address));
        let usual = || match self.status {
            _ if self.cut => runs(),
            Code::Unavailable => runs(),
            Code::Unauthenticated => Some(
                "the token may be revoked or of another cell: ask an operator for a new profile"
                    .to_owned(),
            ),
            Code::PermissionDenied => {
                Some("ask an operator to do it, or for a token that may".to_owned())
            }
            Code::Unimplemented => {
                Some("the scheduler may be older than this command line".to_owned())
            }
            Code::OutOfRange => Some("ask for less at once: a message has a limit".to_owned()),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::Internal
            | Code::DataLoss => None,
        };
        self.hint.clone().or_else(usual)
    }

    fn exit(&self) -> Exit {
        match self.status {
            _ if self.cut => Exit::UNREACHABLE,
            Code::Unavailable | Code::DeadlineExceeded => Exit::UNREACHABLE,
            Code::Unauthenticated | Code::PermissionDenied => Exit::DENIED,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Exit::FAILED,
        }
    }

    fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use tonic::metadata::{MetadataMap, MetadataValue};

    use super::*;
    use crate::failure::Failure;

    fn with_metadata(code: Code, message: &str, pairs: &[(&'static str, &str)]) -> Failure {
        let mut metadata = MetadataMap::new();
        for (key, value) in pairs {
            metadata.insert_bin(*key, MetadataValue::from_bytes(value.as_bytes()));
        }
        Refused::new("https://s:1", &Status::with_metadata(code, message, metadata)).into()
    }

    #[test]
    fn code_cause_and_hint_come_from_the_metadata() {
        let failure = with_metadata(
            Code::FailedPrecondition,
            "class `pow-mining` is prohibited",
            &[
                ("repower-code-bin", "class.prohibited"),
                ("repower-because-bin", "虚拟货币“挖矿”活动"),
                ("repower-hint-bin", "this work is not run here"),
            ],
        );

        assert_eq!(failure.message(), "class `pow-mining` is prohibited");
        assert_eq!(failure.code(), Some("class.prohibited"));
        assert_eq!(failure.because(), ["虚拟货币“挖矿”活动"]);
        assert_eq!(failure.hint().as_deref(), Some("this work is not run here"));
        assert_eq!(failure.exit(), Exit::FAILED);
    }

    #[test]
    fn the_exit_code_tells_who_failed() {
        let exit = |code| with_metadata(code, "no", &[]).exit();

        assert_eq!(exit(Code::PermissionDenied), Exit::DENIED);
        assert_eq!(exit(Code::Unauthenticated), Exit::DENIED);
        assert_eq!(exit(Code::Unavailable), Exit::UNREACHABLE);
        assert_eq!(exit(Code::NotFound), Exit::FAILED);
    }

    #[test]
    fn a_line_that_broke_is_told_as_that_and_not_as_a_refusal() {
        let broken = std::io::Error::other("frame with invalid size");
        let mut status = Status::internal("h2 protocol error: http2 error");
        status.set_source(std::sync::Arc::new(broken));
        let failure = Failure::from(Refused::new("https://s:1", &status));

        assert_eq!(failure.message(), "the line to the scheduler at https://s:1 broke");
        assert_eq!(failure.because(), ["frame with invalid size"]);
        assert_eq!(failure.exit(), Exit::UNREACHABLE);
        assert!(failure.hint().is_some());
    }

    #[test]
    fn what_the_scheduler_says_cannot_move_the_cursor() {
        let failure = with_metadata(Code::NotFound, "no job \x1b[2J\nhere", &[]);

        assert_eq!(failure.message(), "no job \u{fffd}[2J here");
    }
}
