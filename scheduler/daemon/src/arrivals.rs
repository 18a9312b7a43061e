//! Whether anything of a call still comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http_body_util::BodyExt as _;

/// How many pieces of a call's body have come so far, however small; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<AtomicU64>);

impl Arrivals {
    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts those of a body, as they are read.
    pub(crate) fn of(&self, body: Body) -> Body {
        let arrivals = self.clone();
        Body::new(body.map_frame(move |frame| {
            arrivals.0.fetch_add(1, Ordering::Relaxed);
            frame
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_read_of_a_body_is_counted_and_nothing_else_happens_to_it() {
        let arrivals = Arrivals::default();
        let mut body = arrivals.of(Body::from("hello"));
        let before = arrivals.count();

        let frame = body.frame().await.unwrap().unwrap();

        assert_eq!((before, arrivals.count()), (0, 1));
        assert_eq!(frame.into_data().unwrap(), "hello");
        assert!(body.frame().await.is_none());
        assert_eq!(arrivals.count(), 1);
    }
}
