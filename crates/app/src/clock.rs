//! The one clock of the service. Everything below it takes the time as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::Micros;

/// The time now.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

/// A duration as the store counts it.
pub fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

/// A stored time as RFC 3339 with milliseconds.
pub fn rfc3339(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.3}"))
}

/// A time as RFC 3339 writes it.
pub fn parse(text: &str) -> Option<Micros> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}
