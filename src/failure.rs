//! How a command ends: with an exit code, and if it failed with what, why and what to do.

use std::error::Error;
use std::fmt;

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Done.
    pub const OK: Self = Self(0);
    /// Refused, or failed.
    pub const FAILED: Self = Self(1);
    /// The command line makes no sense; clap uses the same code.
    pub const USAGE: Self = Self(2);
    /// The scheduler cannot be reached, or is not the one that the profile trusts.
    pub const UNREACHABLE: Self = Self(3);
    /// The scheduler does not let this person do it.
    pub const DENIED: Self = Self(4);
    /// Ended by Ctrl-C: 128 + SIGINT.
    pub const INTERRUPTED: Self = Self(130);

    /// Returns the code that a waited-for job gives on.
    ///
    /// A job that did not succeed never gives 0, and a code that no process can have becomes 1.
    pub fn of_job(succeeded: bool, code: i32) -> Self {
        match (succeeded, u8::try_from(code)) {
            (true, _) => Self::OK,
            (false, Ok(0) | Err(_)) => Self::FAILED,
            (false, Ok(code)) => Self(code),
        }
    }

    /// Returns the number.
    pub fn as_u8(self) -> u8 {
        self.0
    }
}

/// An error that knows what to do about it.
pub trait Explain: Error + Send + Sync + 'static {
    /// Returns what to do, as an imperative.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Returns what the process exits with.
    fn exit(&self) -> Exit {
        Exit::FAILED
    }

    /// Returns the stable code, if the scheduler gave one.
    fn code(&self) -> Option<&str> {
        None
    }

    /// Whether nobody reads what is written any more, so that there is nobody to tell.
    fn is_hang_up(&self) -> bool {
        false
    }
}

/// Any error, on its way to the person.
pub struct Failure {
    error: Box<dyn Explain>,
}

impl Failure {
    /// Returns what went wrong.
    pub fn message(&self) -> String {
        self.error.to_string()
    }

    /// Returns why, from the near cause to the far one; what only repeats is left out.
    pub fn because(&self) -> Vec<String> {
        let mut told = vec![self.message()];
        let mut next = self.error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if told.iter().all(|before| !before.contains(&text)) {
                told.push(text);
            }
            next = cause.source();
        }
        told.split_off(1)
    }

    /// Returns what to do.
    pub fn hint(&self) -> Option<String> {
        self.error.hint()
    }

    /// Returns what the process exits with.
    pub fn exit(&self) -> Exit {
        self.error.exit()
    }

    /// Returns the stable code, if there is one.
    pub fn code(&self) -> Option<&str> {
        self.error.code()
    }

    /// Whether nobody reads what is written any more.
    pub fn is_hang_up(&self) -> bool {
        self.error.is_hang_up()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, out)
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_gives_its_own_code_but_never_success_when_it_failed() {
        assert_eq!(Exit::of_job(true, 0).as_u8(), 0);
        assert_eq!(Exit::of_job(false, 3).as_u8(), 3);
        assert_eq!(Exit::of_job(false, 137).as_u8(), 137);
        assert_eq!(Exit::of_job(false, 0).as_u8(), 1);
        assert_eq!(Exit::of_job(false, -1).as_u8(), 1);
        assert_eq!(Exit::of_job(false, 300).as_u8(), 1);
    }
}
