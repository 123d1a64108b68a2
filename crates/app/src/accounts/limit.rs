//! How often something may be tried: counted in memory, by key, with the time as an argument.
//!
//! Two kinds: [`RateLimiter`] lets a key do so much in a time, and [`Backoff`] makes a key wait longer with every
//! failure in a row. Both are bounded: a stranger who comes under a thousand names cannot fill the memory.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use store::Micros;

/// Keys that are remembered.
const MAX_KEYS: usize = 20_000;

/// A token bucket for every key.
#[derive(Debug)]
pub struct RateLimiter<K> {
    burst: u32,
    /// Time after which one more is allowed.
    every: Micros,
    max_keys: usize,
    /// When the bucket of a key will be full again; those that are full are not in it.
    full_at: Mutex<HashMap<K, Micros>>,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// `burst` at once, and one more after every `every`.
    pub fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst: burst.max(1),
            every: Micros::try_from(every.as_micros()).unwrap_or(Micros::MAX / 1024).max(1),
            max_keys: MAX_KEYS,
            full_at: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one; when there is none left, how long until there is.
    ///
    /// # Errors
    /// The time to wait.
    pub fn take(&self, key: &K, now: Micros) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let until = full_at.get(key).copied().unwrap_or(now).max(now);
        // The bucket holds one when it will be full within all but one of its refills.
        let room = self.every.saturating_mul(i64::from(self.burst) - 1);
        let wait = until.saturating_sub(now).saturating_sub(room);
        if wait > 0 {
            return Err(Duration::from_micros(u64::try_from(wait).unwrap_or(0)));
        }
        if full_at.len() >= self.max_keys && !full_at.contains_key(key) {
            full_at.retain(|_, until| *until > now);
            // Nobody is forgotten who has used up something: who is new then waits.
            if full_at.len() >= self.max_keys {
                return Err(Duration::from_micros(self.every.unsigned_abs()));
            }
        }
        full_at.insert(key.clone(), until.saturating_add(self.every));
        Ok(())
    }

    /// Gives one back: what was taken came to good use.
    pub fn give_back(&self, key: &K, now: Micros) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = full_at.get_mut(key) {
            *until = until.saturating_sub(self.every);
            if *until <= now {
                full_at.remove(key);
            }
        }
    }
}

/// How long a key waits after failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Failures in a row that cost nothing.
    pub free: u32,
    /// The wait after one more; it doubles from one to the next.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { free: 4, first: Duration::from_secs(5), longest: Duration::from_secs(900) }
    }
}

impl Backoff {
    /// Until when a key waits after so many failures in a row, the last of them now.
    pub fn until(&self, failures: u32, now: Micros) -> Option<Micros> {
        let over = failures.checked_sub(self.free)?.checked_sub(1)?;
        let wait = self.first.saturating_mul(2u32.saturating_pow(over.min(31))).min(self.longest);
        Some(now.saturating_add(Micros::try_from(wait.as_micros()).unwrap_or(Micros::MAX)))
    }
}

/// Failures in a row, the time of the last one, and until when the key waits.
type Failures = (u32, Micros, Option<Micros>);

/// Failures of names that no account has, so that those are answered like the others.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    /// By hash of the name.
    failures: Mutex<HashMap<[u8; 32], Failures>>,
}

impl Strangers {
    /// Counts a failure; until when the name waits already, if it does.
    pub(crate) fn fail(
        &self,
        key: [u8; 32],
        backoff: &Backoff,
        now: Micros,
    ) -> Result<Option<Micros>, Micros> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, _, until) = failures.get(&key).copied().unwrap_or((0, now, None));
        if let Some(until) = until.filter(|until| *until > now) {
            return Err(until);
        }
        if failures.len() >= MAX_KEYS && !failures.contains_key(&key) {
            let old = now.saturating_sub(3_600_000_000);
            failures.retain(|_, (_, last, _)| *last > old);
            if failures.len() >= MAX_KEYS {
                // A crowd of invented names: the addresses are limited, and nothing is learnt of one name.
                return Ok(None);
            }
        }
        let until = backoff.until(count.saturating_add(1), now);
        failures.insert(key, (count.saturating_add(1), now, until));
        Ok(until)
    }
}

/// What is counted of an address: of IPv6 the network that one customer gets (RFC 6177).
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn a_bucket_empties_and_fills() {
        let limiter = RateLimiter::new(3, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(limiter.take(&"a", 0), Ok(()));
        }
        assert_eq!(limiter.take(&"a", 0), Err(Duration::from_secs(10)));
        assert_eq!(limiter.take(&"b", 0), Ok(()), "keys do not share");
        assert_eq!(limiter.take(&"a", 9 * SECOND), Err(Duration::from_secs(1)));
        assert_eq!(limiter.take(&"a", 10 * SECOND), Ok(()));
        assert_eq!(limiter.take(&"a", 10 * SECOND), Err(Duration::from_secs(10)));
        limiter.give_back(&"a", 10 * SECOND);
        assert_eq!(limiter.take(&"a", 10 * SECOND), Ok(()));
        // Long afterwards there is the burst, and no more.
        for _ in 0..3 {
            assert_eq!(limiter.take(&"a", 1000 * SECOND), Ok(()));
        }
        assert!(limiter.take(&"a", 1000 * SECOND).is_err());
        // A clock that is set back locks nobody out for longer than the bucket takes to fill.
        assert!(limiter.take(&"a", 999 * SECOND).is_err_and(|wait| wait <= Duration::from_secs(11)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut limiter = RateLimiter::new(1, Duration::from_secs(10));
        limiter.max_keys = 100;
        for key in 0..100 {
            assert_eq!(limiter.take(&key, 0), Ok(()));
        }
        assert!(limiter.take(&100, 0).is_err());
        assert_eq!(limiter.full_at.lock().unwrap().len(), 100);
        assert_eq!(limiter.take(&100, 10 * SECOND), Ok(()));
        assert_eq!(limiter.full_at.lock().unwrap().len(), 1);
    }

    #[test]
    fn waits_double() {
        let backoff = Backoff::default();
        let waits: Vec<Option<i64>> =
            (0..16).map(|failures| backoff.until(failures, SECOND).map(|until| until / SECOND - 1)).collect();
        let expected: Vec<Option<i64>> = [None; 5]
            .into_iter()
            .chain([5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900].map(Some))
            .collect();
        assert_eq!(waits, expected);
        assert_eq!(backoff.until(u32::MAX, 0), Some(900 * SECOND));
    }

    #[test]
    fn strangers_wait_like_accounts() {
        let (strangers, backoff) = (Strangers::default(), Backoff::default());
        for _ in 0..4 {
            assert_eq!(strangers.fail([1; 32], &backoff, 0), Ok(None));
        }
        assert_eq!(strangers.fail([1; 32], &backoff, 0), Ok(Some(5 * SECOND)));
        assert_eq!(strangers.fail([1; 32], &backoff, 4 * SECOND), Err(5 * SECOND));
        assert_eq!(strangers.fail([2; 32], &backoff, 4 * SECOND), Ok(None));
        assert_eq!(strangers.fail([1; 32], &backoff, 5 * SECOND), Ok(Some(15 * SECOND)));
    }

    #[test]
    fn addresses_are_counted_by_network() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()).to_string(), network);
        }
    }
}
