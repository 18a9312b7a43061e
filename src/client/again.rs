//! Trying again after the line broke.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

/// How long to go on trying: each wait is twice the one before, up to a longest one.
#[derive(Debug, Clone)]
pub struct Patience {
    next: Duration,
    left: Duration,
}

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(5);

impl Patience {
    /// Tries again for so long altogether, not counting the tries themselves.
    pub fn of(total: Duration) -> Self {
        Self { next: Duration::from_millis(50), left: total }
    }

    /// Waits before the next try; false once there is no patience left.
    pub async fn wait(&mut self) -> bool {
        if self.left.is_zero() {
            return false;
        }
        let wait = self.next.min(self.left);
        self.left -= wait;
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(wait).await;
        true
    }
}

/// Whether a call failed on the way, so that nobody knows if the scheduler has heard it.
///
/// A status that the scheduler itself has sent has no source; `Unavailable` may come from either.
pub fn is_lost(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown | Code::Internal | Code::Cancelled => status.source().is_some(),
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_ends_after_its_time_and_not_before() {
        let mut patience = Patience::of(Duration::from_secs(10));
        let mut tries = 0;

        while patience.wait().await {
            tries += 1;
        }

        // 0.05 + 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + the 3.65 that are left.
        assert_eq!(tries, 8);
    }

    #[test]
    fn what_the_scheduler_refused_is_not_tried_again() {
        assert!(!is_lost(&Status::internal("a fault in the scheduler")));
        assert!(!is_lost(&Status::failed_precondition("refused")));
        assert!(is_lost(&Status::unavailable("shutting down")));
    }
}
