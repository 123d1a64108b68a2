//! The table that is printed.

use std::time::Duration;

/// How long one kind of page took.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// Ascending.
    pub(crate) times: Vec<Duration>,
}

impl Figure {
    fn at(&self, percent: usize) -> Duration {
        let index = (self.times.len() * percent / 100).min(self.times.len() - 1);
        self.times[index]
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Milliseconds, and what they should be (DESIGN.md, section 10).
pub(crate) fn print(alone: &[Figure], beside: &[Figure]) {
    println!(
        "  {:<34} {:>7} {:>7} {:>7} {:>7}   {:>7} {:>7} {:>7} {:>7}",
        "milliseconds, four clients", "p50", "p99", "max", "target", "beside", "p99", "max", "target"
    );
    for (one, other) in alone.iter().zip(beside) {
        let missed = millis(one.at(99)) > 50.0 || millis(other.at(99)) > 100.0;
        println!(
            "  {:<34} {:>7.1} {:>7.1} {:>7.1} {:>7}   {:>7.1} {:>7.1} {:>7.1} {:>7} {}",
            one.name,
            millis(one.at(50)),
            millis(one.at(99)),
            millis(one.at(100)),
            "p99 50",
            millis(other.at(50)),
            millis(other.at(99)),
            millis(other.at(100)),
            "p99 100",
            if missed { "MISSED" } else { "" }
        );
    }
}
