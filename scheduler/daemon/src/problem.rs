//! What a caller is told when something is not done.

use repower_core::refusal::Refusal;
use repower_proto::convert::ConvertError;
use repower_store::journal::{AppendError, ReadError};
use tonic::metadata::{BinaryMetadataKey, MetadataValue};
use tonic::{Code, Status};

/// The longest text of one part, in bytes.
const LONGEST: usize = 2048;

/// What a caller is told: a code for programs, a sentence, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The code of gRPC.
    pub(crate) status: Code,
    /// The stable code of Repower.
    pub(crate) code: &'static str,
    /// What went wrong.
    pub(crate) text: String,
    /// Why.
    pub(crate) because: Option<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// A problem without a cause or a hint.
    pub(crate) fn new(status: Code, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), because: None, hint: None }
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the causes of an error.
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut words = Vec::new();
        let mut next = Some(error);
        while let Some(cause) = next {
            let word = cause.to_string();
            if words.last() != Some(&word) {
                words.push(word);
            }
            next = cause.source();
        }
        self.because = Some(words.join(": "));
        self
    }

    /// There is no such thing.
    pub(crate) fn not_found(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(Code::NotFound, code, text)
    }

    /// The request makes no sense.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, "request.bad", text)
    }

    /// The scheduler is ending.
    pub(crate) fn ending() -> Self {
        Self::new(Code::Unavailable, "scheduler.ending", "the scheduler is ending")
            .hint("try again when it is back; nothing that was acknowledged is lost")
    }

    /// A caller has too many calls open.
    pub(crate) fn too_many_calls(most: usize) -> Self {
        let text = format!("{most} calls of yours are open, and more cannot be at one time");
        Self::new(Code::ResourceExhausted, "calls.too-many", text)
            .hint("end some of them: each `wait`, `logs -f` and `top` is one, and so is what hangs")
    }

    /// A caller has too many connections.
    pub(crate) fn too_many_connections(most: usize) -> Self {
        let text = format!("{most} connections are yours, and more cannot be at one time");
        Self::new(Code::ResourceExhausted, "connections.too-many", text)
            .hint("close some of them, or make more calls on each")
    }

    /// A reader of artefacts has too many answers open.
    pub(crate) fn too_many_answers() -> Self {
        let text = "too many artefacts are open that you do not read any more";
        Self::new(Code::ResourceExhausted, "artefact.too-many", text)
            .hint("read or close those that are open, then ask again")
    }

    /// History cannot be read.
    pub(crate) fn unreadable(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(Code::Internal, "store.unreadable", "the data folder cannot be read")
            .because(error)
            .hint("look at the log of the scheduler, and run `repower ledger verify`")
    }
}

impl From<&AppendError> for Problem {
    fn from(error: &AppendError) -> Self {
        let full = matches!(error, AppendError::Fault(repower_store::Fault::Full { .. }));
        let (status, code) = if full {
            (Code::ResourceExhausted, "store.full")
        } else {
            (Code::Unavailable, "store.failed")
        };
        let hint = match error {
            AppendError::Fault(fault) => fault.hint(),
            AppendError::OutOfOrder { .. } | AppendError::Head(_) => {
                "look at the log of the scheduler"
            }
        };
        let text = "the scheduler cannot write its ledger, so nothing was done";
        Self::new(status, code, text).because(error).hint(hint)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Proof(_) | ReadError::TooShort { .. } => {
                Self::new(Code::OutOfRange, "ledger.out-of-range", error.to_string())
                    .hint("`repower ledger heads` has the sizes that there are")
            }
            ReadError::Fault(_)
            | ReadError::Missing { .. }
            | ReadError::Head(_)
            | ReadError::Snapshot(_) => Self::unreadable(&error),
        }
    }
}

impl From<repower_store::Fault> for Problem {
    fn from(fault: repower_store::Fault) -> Self {
        let hint = fault.hint();
        match &fault {
            repower_store::Fault::Full { .. } => {
                let text = "the disk of the scheduler's data folder is full";
                Self::new(Code::ResourceExhausted, "store.full", text).because(&fault).hint(hint)
            }
            repower_store::Fault::Io { .. }
            | repower_store::Fault::ReadOnly { .. }
            | repower_store::Fault::Damaged { .. }
            | repower_store::Fault::Busy { .. }
            | repower_store::Fault::Refused { .. } => Self::unreadable(&fault).hint(hint),
        }
    }
}

impl From<ConvertError> for Problem {
    fn from(error: ConvertError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::ClassUndeclared { .. }
            | Refusal::ClassUnknown { .. }
            | Refusal::NothingToRun
            | Refusal::KeyTaken { .. }
            | Refusal::BadText { .. }
            | Refusal::BadImage { .. }
            | Refusal::BadArray(_)
            | Refusal::OutOfBounds { .. }
            | Refusal::TaskTooLarge { .. }
            | Refusal::GangTooWide { .. }
            | Refusal::GangShareTooLarge { .. }
            | Refusal::GangTooLarge { .. }
            | Refusal::JobTooLarge { .. }
            | Refusal::DependencyMismatch { .. }
            | Refusal::DeadlinePassed { .. }
            | Refusal::ReservationOver { .. }
            | Refusal::ReservationBackwards { .. }
            | Refusal::DeadlineTooSoon { .. }
            | Refusal::ReasonMissing
            | Refusal::ApprovalNotNeeded { .. }
            | Refusal::ApprovalOver { .. }
            | Refusal::ApprovalTooLong { .. }
            | Refusal::BadPolicy { .. } => Code::InvalidArgument,
            Refusal::ClassProhibited { .. }
            | Refusal::Content { .. }
            | Refusal::NotYours { .. }
            | Refusal::OperatorsOnly { .. }
            | Refusal::OwnWork { .. }
            | Refusal::DigestForbidden { .. } => Code::PermissionDenied,
            Refusal::PolicyChanged { .. } => Code::Aborted,
            Refusal::DependencyUnknown { .. }
            | Refusal::JobUnknown { .. }
            | Refusal::TaskUnknown { .. }
            | Refusal::NodeUnknown { .. }
            | Refusal::ReservationUnknown { .. }
            | Refusal::ApprovalUnknown { .. }
            | Refusal::FindingUnknown { .. }
            | Refusal::NotQuarantined { .. }
            | Refusal::TokenUnknown { .. } => Code::NotFound,
            Refusal::DependencyFailed { .. }
            | Refusal::JobHasEnded { .. }
            | Refusal::NotRunning { .. }
            | Refusal::OutOfTouch { .. }
            | Refusal::StandsStill { .. }
            | Refusal::ReservationOverlaps { .. }
            | Refusal::NodeIsUp { .. }
            | Refusal::PolicyReplaced { .. }
            | Refusal::FindingSettled { .. }
            | Refusal::FindingElsewhere { .. }
            | Refusal::NotUnderReview { .. } => Code::FailedPrecondition,
            Refusal::NodeNameTaken { .. } => Code::AlreadyExists,
            Refusal::TokenWrong
            | Refusal::TokenUsed { .. }
            | Refusal::TokenExpired { .. }
            | Refusal::TokenForAnother { .. } => Code::Unauthenticated,
        };
        let mut problem = Self::new(status, refusal.code(), refusal.to_string());
        problem.hint = refusal.hint();
        match std::error::Error::source(&refusal) {
            Some(source) => problem.because(source),
            None => problem,
        }
    }
}

/// A text that goes into the head of an answer, where there is little room.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str(" ...");
    }
    text
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let mut status = Self::new(problem.status, cut(problem.text));
        let parts = [
            ("repower-code-bin", Some(problem.code.to_owned())),
            ("repower-because-bin", problem.because.map(cut)),
            ("repower-hint-bin", problem.hint.map(cut)),
        ];
        for (key, value) in parts {
            if let Some(value) = value {
                let key = BinaryMetadataKey::from_static(key);
                status.metadata_mut().insert_bin(key, MetadataValue::from_bytes(value.as_bytes()));
            }
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_so_that_the_head_of_an_answer_takes_it() {
        let text = "\u{20ac}".repeat(100_000);

        let status = Status::from(Problem::bad_request(text.clone()).hint(text));

        assert!(status.message().len() <= LONGEST + 4, "{}", status.message().len());
        assert!(status.message().ends_with(" ..."));
    }
}
