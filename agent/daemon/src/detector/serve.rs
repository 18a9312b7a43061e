//! Between the thread that looks and one executor.

use std::sync::Arc;

use repower_proto::v1::to_executor::Body as Down;
use repower_proto::v1::{TellWatched, Watched};
use tokio::sync::mpsc;

use super::known::Known;
use super::{Detector, Told};

/// Asks one executor what runs, and tells it what was noticed, until it is gone.
pub(crate) async fn serve(
    detector: Arc<Detector>,
    mut watched: mpsc::Receiver<Watched>,
    tell: impl AsyncFn(Down) -> bool,
) {
    if !detector.is_on() {
        return;
    }
    let mut noticed = detector.noticed.lock().await;
    detector.tell(Told::Attached);
    let mut known = Known::default();
    let mut tick = tokio::time::interval(detector.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let is_heard = tokio::select! {
            _ = tick.tick() => {
                tell(Down::TellWatched(TellWatched { known: known.jobs() })).await
            }
            watched = watched.recv() => match watched {
                Some(watched) => {
                    detector.tell(Told::Tasks(known.take(watched)));
                    true
                }
                None => return,
            },
            Some(noticed) = noticed.recv() => tell(Down::Noticed(noticed)).await,
        };
        if !is_heard {
            return;
        }
    }
}
