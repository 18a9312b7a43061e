//! Whose a call is, and how many of one caller are open at one time.
//!
//! A call costs something until its answer is over, also one that nobody reads. Followers, watchers and whoever sends half
//! of a request are bounded here, all together.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use repower_artefacts::{Permit, Pool};
use repower_model::NodeId;

use crate::problem::Problem;

/// The most open calls of an agent: its link, its transfers, and commands in the boxes of its tasks.
const NODE: usize = 1024;
/// The most on a connection of somebody who has not said who they are: for enrolment, reflection and health.
const STRANGER: usize = 16;
/// The most of all people, of all agents, and of all strangers.
const ALL: usize = 1 << 20;

/// Whose something is of which nobody may have all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// The scheduler's own.
    Own,
    /// Of whoever is at the other end of a connection.
    Stranger(u64),
    /// A person's.
    Person(String),
    /// An agent's.
    Node(NodeId),
}

tokio::task_local! {
    static BY: By;
}

/// Whose call this is a part of.
pub(crate) fn current() -> By {
    BY.try_with(Clone::clone).unwrap_or(By::Own)
}

/// Does something as a part of somebody's call.
pub(crate) async fn on_behalf<T>(by: By, work: impl Future<Output = T>) -> T {
    BY.scope(by, work).await
}

/// The calls that are open.
#[derive(Debug)]
pub(crate) struct Calls {
    people: Pool<By>,
    nodes: Pool<By>,
    strangers: Pool<By>,
    /// The most of one person.
    share: usize,
}

impl Calls {
    /// None yet; of one person there will be at most `share`.
    pub(crate) fn new(share: usize) -> Self {
        Self {
            people: Pool::new(ALL, share),
            nodes: Pool::new(ALL, NODE),
            strangers: Pool::new(ALL, STRANGER),
            share,
        }
    }

    /// One more; it is open until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// If so many of the caller's are open that this one may not be.
    pub(crate) fn open(&self, by: &By) -> Result<Permit<By>, Problem> {
        let (pool, share) = match by {
            By::Person(_) => (&self.people, self.share),
            By::Own | By::Node(_) => (&self.nodes, NODE),
            By::Stranger(_) => (&self.strangers, STRANGER),
        };
        pool.try_enter(by).ok_or_else(|| Problem::too_many_calls(share))
    }
}

/// An answer with which its call stays open, until it is over or its reader has gone.
pub(crate) fn hold(answer: Body, call: Permit<By>) -> Body {
    Body::new(Held { answer, _call: call })
}

/// Passes all on, also how long the answer is, which clients of `/healthz` are told.
struct Held {
    answer: Body,
    _call: Permit<By>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.answer).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_open_until_its_answer_is_over_and_whose_it_is_is_known_meanwhile() {
        let calls = Calls::new(1);
        let mia = By::Person("mia".into());
        let answer = hold(Body::from("hello"), calls.open(&mia).unwrap());

        let refused = calls.open(&mia).unwrap_err();
        let other = calls.open(&By::Person("noa".into()));
        let known = on_behalf(mia.clone(), async { current() }).await;
        drop(answer);

        assert_eq!(refused.code, "calls.too-many");
        assert_eq!(answered(&calls, &mia), Some(()));
        assert!(other.is_ok());
        assert_eq!((known, current()), (mia, By::Own));
    }

    fn answered(calls: &Calls, by: &By) -> Option<()> {
        calls.open(by).ok().map(drop)
    }
}
