//! How fast bytes may go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

/// A bound on the bytes of all transfers that share it; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pace(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Bytes a second.
    rate: u64,
    turn: Mutex<()>,
}

impl Pace {
    /// So many bytes a second; `None`: as fast as they go.
    pub fn new(rate: Option<u64>) -> Self {
        Self(rate.map(|rate| Arc::new(Inner { rate: rate.max(1), turn: Mutex::default() })))
    }

    /// Waits as long as so many bytes take, one transfer after the other: never faster than the rate, and a little
    /// slower by what the network itself needs.
    pub async fn spend(&self, bytes: usize) {
        if let Some(inner) = &self.0 {
            let _turn = inner.turn.lock().await;
            let micros = (bytes as u64).saturating_mul(1_000_000) / inner.rate;
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_transfers_together_are_as_slow_as_the_rate_says() {
        let (pace, start) = (Pace::new(Some(1000)), tokio::time::Instant::now());

        let free = Pace::default();
        tokio::join!(pace.spend(500), pace.spend(1500), free.spend(usize::MAX));

        assert_eq!(start.elapsed().as_secs(), 2);
    }
}
