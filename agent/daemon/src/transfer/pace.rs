//! How fast bytes may go.

use std::sync::Arc;
use std::time::Duration;

use repower_artefacts::PIECE;
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

    /// How many bytes should be sent at once: at a low rate what takes a second, so that those at the other end see
    /// that something moves, however many transfers share the rate.
    pub(crate) fn piece(&self) -> usize {
        let rate = self.0.as_ref().map_or(u64::MAX, |inner| inner.rate);
        usize::try_from(rate).map_or(PIECE, |rate| rate.clamp(1 << 10, PIECE))
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

    #[test]
    fn what_is_sent_at_once_takes_a_second_at_most() {
        let pieces = [None, Some(1 << 30), Some(64 << 10), Some(1)];

        let sizes = pieces.map(|rate| Pace::new(rate).piece());

        assert_eq!(sizes, [PIECE, PIECE, 64 << 10, 1 << 10]);
    }
}
