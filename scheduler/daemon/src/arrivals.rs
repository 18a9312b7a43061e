//! Whether anything of a call still comes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

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
        Body::new(Counted { body, arrivals: self.clone() })
    }
}

struct Counted {
    body: Body,
    arrivals: Arrivals,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.arrivals.0.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

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
