//! Room for what goes on at one time, of which no client can have all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So much goes on at one time, and of one client at most a share of it. Cheap to clone.
///
/// Whoever has its share already waits for itself only: it stands in nobody else's way while it does.
#[derive(Debug, Clone)]
pub struct Pool<K: Ord>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K: Ord> {
    all: Arc<Semaphore>,
    share: usize,
    clients: Mutex<BTreeMap<K, Client>>,
}

/// A client that is in the pool or waits for it.
#[derive(Debug)]
struct Client {
    own: Arc<Semaphore>,
    /// How often it is here.
    count: usize,
}

/// A place in a pool, given back when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Permit<K: Ord> {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _member: Member<K>,
}

/// Keeps a client known for as long as it is in the pool or waits for it.
#[derive(Debug)]
struct Member<K: Ord> {
    pool: Arc<Inner<K>>,
    who: K,
    own: Arc<Semaphore>,
}

impl<K: Ord + Clone> Pool<K> {
    /// Room for `all` at one time, of which one client has at most `share`.
    pub fn new(all: usize, share: usize) -> Self {
        let all = Arc::new(Semaphore::new(all));
        Self(Arc::new(Inner { all, share, clients: Mutex::default() }))
    }

    /// Waits for a place: clients one after the other, in the order in which they came.
    #[expect(clippy::missing_panics_doc, reason = "no semaphore of a pool is ever closed")]
    pub async fn enter(&self, who: &K) -> Permit<K> {
        let member = self.member(who);
        let own = Arc::clone(&member.own).acquire_owned().await;
        let all = Arc::clone(&self.0.all).acquire_owned().await;
        Permit {
            _all: all.expect("no pool is ever closed"),
            _own: own.expect("no share of a pool is ever closed"),
            _member: member,
        }
    }

    /// A place at once; `None`: there is none, or the client has its share already.
    pub fn try_enter(&self, who: &K) -> Option<Permit<K>> {
        let member = self.member(who);
        let own = Arc::clone(&member.own).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.0.all).try_acquire_owned().ok()?;
        Some(Permit { _all: all, _own: own, _member: member })
    }

    fn member(&self, who: &K) -> Member<K> {
        let share = self.0.share;
        let mut clients = self.0.clients();
        let client = clients
            .entry(who.clone())
            .or_insert_with(|| Client { own: Arc::new(Semaphore::new(share)), count: 0 });
        client.count += 1;
        Member { pool: Arc::clone(&self.0), who: who.clone(), own: Arc::clone(&client.own) }
    }
}

impl<K: Ord> Inner<K> {
    fn clients(&self) -> MutexGuard<'_, BTreeMap<K, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Drop for Member<K> {
    fn drop(&mut self) {
        let mut clients = self.pool.clients();
        let Some(client) = clients.get_mut(&self.who) else { return };
        client.count -= 1;
        if client.count == 0 {
            clients.remove(&self.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;

    async fn waits<F: Future>(mut future: Pin<&mut F>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn a_client_with_its_share_waits_for_itself_and_in_nobodys_way() {
        let pool = Pool::new(3, 2);
        let (first, _second) = (pool.enter(&"a").await, pool.enter(&"a").await);
        let mut third = pin!(pool.enter(&"a"));

        assert!(waits(third.as_mut()).await, "it has its share");
        assert!(pool.try_enter(&"a").is_none());
        let other = pool.enter(&"b").await;
        drop(first);
        let _third = third.await;

        assert!(pool.try_enter(&"c").is_none(), "all is taken");
        drop(other);
        assert!(pool.try_enter(&"c").is_some());
    }

    #[tokio::test]
    async fn nobody_is_remembered_who_has_left_or_given_up() {
        let pool = Pool::new(1, 1);
        let permit = pool.enter(&"a").await;
        {
            let mut other = pin!(pool.enter(&"b"));
            assert!(waits(other.as_mut()).await);
            assert_eq!(pool.0.clients().len(), 2);
        }
        assert!(pool.try_enter(&"c").is_none());

        assert_eq!(pool.0.clients().keys().copied().collect::<Vec<_>>(), ["a"]);
        drop(permit);
        assert!(pool.0.clients().is_empty());
    }
}
