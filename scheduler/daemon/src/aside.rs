//! What may take its time: away from the threads that serve, and of one caller so much that others have their turn.

use repower_artefacts::Pool;

use crate::calls::{self, By};
use crate::problem::Problem;

/// How much goes on at one time. Each takes a thread, of which the transfers of files need some too, and most of them a
/// connection to the database.
const ALL: usize = 32;
/// How much of that is one caller's.
const SHARE: usize = 8;

/// Who takes their time.
#[derive(Debug)]
pub(crate) struct Aside(Pool<By>);

impl Default for Aside {
    fn default() -> Self {
        Self(Pool::new(ALL, SHARE))
    }
}

impl Aside {
    /// Does it on a thread that may wait, when it is the caller's turn. It keeps its turn to its end, also when nobody
    /// waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.0.enter(&calls::current()).await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Problem::unreadable(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use tokio::task::JoinSet;

    use super::*;
    use crate::calls::on_behalf;

    #[tokio::test]
    async fn whoever_asks_what_takes_long_keeps_nobody_else_waiting_not_even_by_going_away() {
        let aside = Arc::new(Aside::default());
        let slow = By::Person("slow".into());
        let mut asked = JoinSet::new();
        let (begun, has_begun) = sync_channel(ALL);
        let mut ends = Vec::new();
        for _ in 0..ALL {
            let (end, ended) = sync_channel::<()>(1);
            ends.push(end);
            let (aside, begun) = (Arc::clone(&aside), begun.clone());
            asked.spawn(on_behalf(slow.clone(), async move {
                let work = move || {
                    begun.send(()).unwrap();
                    ended.recv().unwrap_err();
                };
                aside.run(work).await
            }));
        }
        let first = tokio::task::spawn_blocking(move || {
            for _ in 0..SHARE {
                has_begun.recv().unwrap();
            }
            has_begun
        });
        let has_begun = first.await.unwrap();

        let answer = on_behalf(By::Person("quick".into()), aside.run(|| 42)).await;
        asked.shutdown().await;

        assert_eq!(answer, Ok(42));
        assert!(aside.0.try_enter(&slow).is_none(), "what has begun goes on");
        assert!(has_begun.try_recv().is_err(), "and no more than its share has");
        drop(ends);
        drop(aside.0.enter(&slow).await);
    }
}
