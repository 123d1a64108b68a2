//! When a request is tried again: exponential backoff with jitter, and `Retry-After` (RFC 9110 section
//! 10.2.3) where the server names a time.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

/// How often and how patiently to try again. Only requests that may be repeated are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles each time.
    pub first_pause: Duration,
    /// Longest pause, also when the server asks for more: then its answer is handed to the caller at once.
    pub longest_pause: Duration,
}

impl RetryPolicy {
    /// Four attempts, pauses from 300 ms, never longer than 20 s.
    pub const fn standard() -> Self {
        Self { attempts: 4, first_pause: Duration::from_millis(300), longest_pause: Duration::from_secs(20) }
    }

    /// One attempt.
    pub const fn none() -> Self {
        Self { attempts: 1, first_pause: Duration::ZERO, longest_pause: Duration::ZERO }
    }

    /// The pause after attempt number `attempt` (from 1), or `None` to give up: attempts are used up, or the
    /// server wants more patience than there is.
    pub fn pause(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        if let Some(asked) = asked {
            return (asked <= self.longest_pause).then_some(asked);
        }
        let doubled = self.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        Some(jitter(doubled.min(self.longest_pause)))
    }
}

/// Between half and all of `pause`, so that clients that failed together do not return together.
fn jitter(pause: Duration) -> Duration {
    // RandomState is seeded by the system: randomness enough for this, without a dependency.
    let random = RandomState::new().build_hasher().finish() % 1024;
    let half = pause / 2;
    half + half.mul_f64(random as f64 / 1023.0)
}

/// Statuses that tell of a passing condition.
pub(crate) const fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The wait that a server asks for, in seconds or as a date; a date that has passed is no wait.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let when = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_second();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(u64::try_from(when).ok()?.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_gives_up() {
        let policy = RetryPolicy {
            attempts: 4,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(250),
        };
        for (attempt, longest) in [(1, 100), (2, 200), (3, 250)] {
            let pause = policy.pause(attempt, None).unwrap().as_millis();
            assert!(pause <= longest && pause >= longest / 2, "{attempt}: {pause}");
        }
        assert_eq!(policy.pause(4, None), None);
        assert_eq!(policy.pause(1, Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(policy.pause(1, Some(Duration::from_secs(9))), None);
        assert_eq!(RetryPolicy::none().pause(1, None), None);
        assert!(policy.pause(3, None).unwrap() > Duration::ZERO);
    }

    fn check(value: &str, expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        assert_eq!(retry_after(&headers).map(|d| d.as_secs()), expected, "{value}");
    }

    #[test]
    fn reads_both_forms() {
        check("0", Some(0));
        check(" 17 ", Some(17));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
        check("soon", None);
        check("-1", None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
