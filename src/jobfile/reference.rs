//! How jobs, tasks and attempts are named: `12`, `12.3`, `12.3#2`, `12.0-9`.

use std::fmt;
use std::str::FromStr;

use repower_proto::v1;

use super::array::{ArrayError, Indices};

/// One job, one of its tasks, or one attempt of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The job's number.
    pub job: u64,
    /// The task's index, if one was named.
    pub index: Option<u32>,
    /// The attempt's number, if one was named.
    pub attempt: Option<u32>,
}

/// One job, or some of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The job's number.
    pub job: u64,
    /// The tasks; none named means the whole job.
    pub tasks: Option<Indices>,
}

/// Why a text names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The number of the job is not one.
    #[error("`{0}` is not a job: write its number, for example 12")]
    Job(String),
    /// The index of the task is not one.
    #[error("`{0}` is not a task: write job and index, for example 12.3")]
    Task(String),
    /// The number of the attempt is not one.
    #[error("`{0}` is not an attempt: write for example 12.3#2, from 1")]
    Attempt(String),
    /// The ranges after the point are not well formed.
    #[error("`{text}` does not name tasks")]
    Tasks {
        /// What was written.
        text: String,
        /// What is wrong with it.
        source: ArrayError,
    },
}

/// Reads digits only: no sign, no space.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn job(text: &str) -> Result<u64, ReferenceError> {
    digits(text).filter(|job| *job > 0).ok_or_else(|| ReferenceError::Job(text.to_owned()))
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (task, attempt) =
            text.split_once('#').map_or((text, None), |(task, attempt)| (task, Some(attempt)));
        let (number, index) =
            task.split_once('.').map_or((task, None), |(job, index)| (job, Some(index)));
        let job = job(number)?;
        let index = match index {
            Some(index) => {
                Some(digits(index).ok_or_else(|| ReferenceError::Task(text.to_owned()))?)
            }
            None => None,
        };
        let attempt = match attempt {
            Some(number) => {
                let bad = || ReferenceError::Attempt(text.to_owned());
                Some(
                    digits(number)
                        .filter(|number| *number > 0 && index.is_some())
                        .ok_or_else(bad)?,
                )
            }
            None => None,
        };
        Ok(Self { job, index, attempt })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.job)?;
        if let Some(index) = self.index {
            write!(out, ".{index}")?;
        }
        if let Some(attempt) = self.attempt {
            write!(out, "#{attempt}")?;
        }
        Ok(())
    }
}

impl Selection {
    /// Returns the named tasks as the wire has them; empty for the whole job.
    pub fn ranges(&self) -> Vec<v1::IndexRange> {
        self.tasks.clone().map(Indices::into_ranges).unwrap_or_default()
    }
}

impl FromStr for Selection {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (number, tasks) =
            text.split_once('.').map_or((text, None), |(job, tasks)| (job, Some(tasks)));
        let job = job(number)?;
        let tasks = match tasks {
            Some(tasks) => {
                let wrong = |source| ReferenceError::Tasks { text: text.to_owned(), source };
                Some(tasks.parse().map_err(wrong)?)
            }
            None => None,
        };
        Ok(Self { job, tasks })
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tasks {
            Some(tasks) => write!(out, "{}.{tasks}", self.job),
            None => write!(out, "{}", self.job),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(text: &str) -> Result<String, String> {
        text.parse::<Reference>().map(|read| read.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn jobs_tasks_and_attempts_read_as_they_are_printed() {
        for text in ["12", "12.0", "12.3#2"] {
            assert_eq!(reference(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_bad_name_says_which_part_is_wrong() {
        assert_eq!(
            reference("x"),
            Err("`x` is not a job: write its number, for example 12".into())
        );
        assert_eq!(
            reference("0"),
            Err("`0` is not a job: write its number, for example 12".into())
        );
        assert_eq!(
            reference("12."),
            Err("`12.` is not a task: write job and index, for example 12.3".into())
        );
        assert_eq!(
            reference("12#2"),
            Err("`12#2` is not an attempt: write for example 12.3#2, from 1".into())
        );
        assert_eq!(
            reference("12.3#0"),
            Err("`12.3#0` is not an attempt: write for example 12.3#2, from 1".into())
        );
        assert!(reference("+12").is_err());
    }

    #[test]
    fn a_selection_names_a_job_or_ranges_of_its_tasks() {
        let read = |text: &str| text.parse::<Selection>().map(|read| read.to_string());

        assert_eq!(read("12"), Ok("12".into()));
        assert_eq!(read("12.3"), Ok("12.3".into()));
        assert_eq!(read("12.0-9,20"), Ok("12.0-9,20".into()));
        assert!(read("12.9-0").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.#-]{0,30}|.*") {
            drop(reference(&text));
            drop(text.parse::<Selection>());
        }
    }
}
