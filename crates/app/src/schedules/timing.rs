//! When a schedule runs next.

use store::{Micros, Timing};

/// Microseconds of a day.
const DAY: Micros = 24 * 3600 * 1_000_000;
/// The shortest interval: five minutes.
pub const LEAST_INTERVAL: Micros = 300 * 1_000_000;
/// The longest: a year.
pub(crate) const LONGEST_INTERVAL: Micros = 366 * DAY;

/// The next time after `now`. `last` is when an interval is counted from: the time that was due, however long ago, so
/// that runs do not wander; those that were missed in between are left out.
pub fn next_time(timing: Timing, last: Micros, now: Micros) -> Micros {
    match timing {
        Timing::Every(every) => {
            let every = every.clamp(LEAST_INTERVAL, LONGEST_INTERVAL);
            let missed = now.saturating_sub(last).max(0) / every;
            last.saturating_add(every.saturating_mul(missed.saturating_add(1)))
        }
        Timing::Daily(at) => {
            let today = now.div_euclid(DAY).saturating_mul(DAY).saturating_add(at.rem_euclid(DAY));
            if today > now { today } else { today.saturating_add(DAY) }
        }
    }
}

/// Whether a timing makes sense.
pub(crate) fn is_sound(timing: Timing) -> bool {
    match timing {
        Timing::Every(every) => (LEAST_INTERVAL..=LONGEST_INTERVAL).contains(&every),
        Timing::Daily(at) => (0..DAY).contains(&at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3600 * 1_000_000;

    #[test]
    fn the_next_time_lies_ahead_and_runs_do_not_wander() {
        for (timing, last, now, expected) in [
            (Timing::Every(HOUR), 0, 0, HOUR),
            (Timing::Every(HOUR), 0, HOUR - 1, HOUR),
            (Timing::Every(HOUR), HOUR, HOUR + 7, 2 * HOUR),
            // Three hours were missed: the next is the next whole one.
            (Timing::Every(HOUR), HOUR, 4 * HOUR + 7, 5 * HOUR),
            // The clock went back.
            (Timing::Every(HOUR), 5 * HOUR, HOUR, 6 * HOUR),
            (Timing::Daily(3 * HOUR), 0, 0, 3 * HOUR),
            (Timing::Daily(3 * HOUR), 0, 3 * HOUR, DAY + 3 * HOUR),
            (Timing::Daily(3 * HOUR), 0, 9 * DAY + 5 * HOUR, 10 * DAY + 3 * HOUR),
            (Timing::Daily(0), 0, 5 * DAY - 1, 5 * DAY),
        ] {
            assert_eq!(next_time(timing, last, now), expected, "{timing:?} {last} {now}");
        }
        assert!(next_time(Timing::Every(0), 0, HOUR) > HOUR);
        assert!(next_time(Timing::Every(i64::MAX), i64::MAX, i64::MAX) == i64::MAX);
        assert!(next_time(Timing::Daily(i64::MIN), i64::MIN, i64::MAX) > 0);
    }

    #[test]
    fn timings_that_make_no_sense_are_told() {
        for (timing, sound) in [
            (Timing::Every(LEAST_INTERVAL), true),
            (Timing::Every(LEAST_INTERVAL - 1), false),
            (Timing::Every(LONGEST_INTERVAL + 1), false),
            (Timing::Daily(0), true),
            (Timing::Daily(DAY), false),
            (Timing::Daily(-1), false),
        ] {
            assert_eq!(is_sound(timing), sound, "{timing:?}");
        }
    }
}
