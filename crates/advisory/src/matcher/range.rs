//! Whether a range holds a version (osv-schema, "Evaluation"), without sorting or allocating.
//!
//! The specification sorts the events and walks them. The same comes out of two scans: the greatest
//! `introduced` that is not above the version opens the interval, and it is still open unless a `fixed` or
//! `last_affected` after it closes it first.

use std::{cmp::Ordering, fmt};

use model::advisory::{Event, Range};

use crate::{
    shard::{EventKind, Row},
    version::Scheme,
};

/// How versions of one look-up are compared.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) scheme: &'static dyn Scheme,
    /// Leaves out what stands before the first colon: rpm source names carry no epoch.
    pub(super) without_epoch: bool,
}

impl Order {
    pub(super) fn compare(&self, a: &str, b: &str) -> Ordering {
        if self.without_epoch {
            return self.scheme.compare(without_epoch(a), without_epoch(b));
        }
        self.scheme.compare(a, b)
    }

    /// Compares two events; `0` is below every version.
    fn compare_events(&self, a: &str, b: &str) -> Ordering {
        match (a == "0", b == "0") {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare(a, b),
        }
    }
}

fn without_epoch(version: &str) -> &str {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => version,
    }
}

/// The part of a range that holds a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// From the first to before the second.
    Below(&'a str, &'a str),
    /// From the first to the second.
    UpTo(&'a str, &'a str),
    /// From the first to before a limit beyond which the advisory does not speak.
    Within(&'a str, &'a str),
    /// From it on.
    From(&'a str),
    /// A listed version.
    Listed(&'a str),
    /// The vendor speaks of the package as a whole.
    All,
}

impl<'a> Held<'a> {
    /// The least version above that is fixed.
    pub(super) const fn fixed(&self) -> Option<&'a str> {
        match self {
            Self::Below(_, fixed) => Some(fixed),
            _ => None,
        }
    }
}

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(from, end) | Self::Within(from, end) => write!(f, ">= {from}, < {end}"),
            Self::UpTo(from, last) => write!(f, ">= {from}, <= {last}"),
            Self::From(from) => write!(f, ">= {from}"),
            Self::Listed(version) => write!(f, "= {version}"),
            Self::All => f.write_str(">= 0"),
        }
    }
}

/// The part of these events that holds `version`.
pub(super) fn hold<'a>(
    events: &(impl Iterator<Item = (EventKind, &'a str)> + Clone),
    version: &str,
    order: &Order,
) -> Option<Held<'a>> {
    let (opened_at, from) = opening(events.clone(), version, order)?;
    // The nearest end above the version; a fix wins over a last affected version at the same place.
    let mut fixed: Option<&str> = None;
    let mut last: Option<&str> = None;
    let mut limit: Option<&str> = None;
    let mut limited = false;
    for (at, (kind, event)) in events.clone().enumerate() {
        match kind {
            EventKind::Introduced => {}
            EventKind::Fixed => {
                // Fixed version 0 is below every version.
                if event != "0" && order.compare(event, version).is_gt() {
                    if fixed.is_none_or(|nearest| order.compare(event, nearest).is_lt()) {
                        fixed = Some(event);
                    }
                    continue;
                }
                match order.compare_events(event, from) {
                    Ordering::Greater => return None,
                    // An empty interval: opened and closed at the same version, in this order.
                    Ordering::Equal if at > opened_at => return None,
                    _ => {}
                }
            }
            EventKind::LastAffected => {
                if order.compare(event, version).is_ge() {
                    if last.is_none_or(|nearest| order.compare(event, nearest).is_lt()) {
                        last = Some(event);
                    }
                } else if order.compare_events(event, from).is_ge() {
                    return None;
                }
            }
            EventKind::Limit => {
                limited = true;
                if event == "*" || order.compare(version, event).is_lt() {
                    limit = Some(event);
                }
            }
        }
    }
    if limited && limit.is_none() {
        return None;
    }
    Some(match (fixed, last, limit) {
        (Some(fixed), Some(last), _) if order.compare(last, fixed).is_lt() => Held::UpTo(from, last),
        (Some(fixed), ..) => Held::Below(from, fixed),
        (None, Some(last), _) => Held::UpTo(from, last),
        (None, None, Some(limit)) if limit != "*" => Held::Within(from, limit),
        (None, None, _) => Held::From(from),
    })
}

/// True when a range that is not in a shard yet holds `version`.
pub fn covers(range: &Range, version: &str, scheme: &'static dyn Scheme) -> bool {
    let events = range.events.iter().map(|event| match event {
        Event::Introduced(version) => (EventKind::Introduced, version.as_str()),
        Event::Fixed(version) => (EventKind::Fixed, version.as_str()),
        Event::LastAffected(version) => (EventKind::LastAffected, version.as_str()),
        Event::Limit(version) => (EventKind::Limit, version.as_str()),
    });
    hold(&events, version, &Order { scheme, without_epoch: false }).is_some()
}

/// The greatest `introduced` that is not above the version, and its place.
fn opening<'a>(
    events: impl Iterator<Item = (EventKind, &'a str)>,
    version: &str,
    order: &Order,
) -> Option<(usize, &'a str)> {
    let mut opening: Option<(usize, &'a str)> = None;
    for (at, (kind, event)) in events.enumerate() {
        if kind != EventKind::Introduced || (event != "0" && order.compare(event, version).is_gt()) {
            continue;
        }
        if opening.is_none_or(|(_, greatest)| order.compare_events(event, greatest).is_ge()) {
            opening = Some((at, event));
        }
    }
    opening
}

/// Why a row holds `version`, if it does: a range, a listed version, or the vendor's word on the package as
/// a whole.
pub(super) fn hold_row<'a>(row: &Row<'a>, version: &str, order: &Order) -> Option<Held<'a>> {
    let mut spoken = false;
    let mut held: Option<Held<'a>> = None;
    for range in row.ranges() {
        spoken = true;
        let found = hold(&range.events, version, order);
        // A range that names the fix tells more.
        if held.is_none_or(|held| held.fixed().is_none()) {
            held = found.filter(|found| found.fixed().is_some()).or(held).or(found);
        }
    }
    if held.is_some() {
        return held;
    }
    for listed in row.versions {
        spoken = true;
        if listed == version || order.compare(listed, version).is_eq() {
            return Some(Held::Listed(listed));
        }
    }
    use model::advisory::FixState::{Fixed, Unstated};
    let whole = !spoken && !matches!(row.fix_state, Unstated | Fixed);
    whole.then_some(Held::All)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::version::semver::Semver;

    /// The specification's own way, on numbers: sort, then walk. Events of one version keep their order.
    fn walk(events: &[(u8, u8)], version: u8) -> bool {
        let mut sorted = events.to_vec();
        // `last_affected` closes after its version, everything else at it.
        sorted.sort_by_key(|(kind, at)| (*at, *kind == 2));
        let mut affected = false;
        for (kind, at) in sorted {
            match kind {
                0 if at <= version => affected = true,
                1 if at <= version => affected = false,
                2 if at < version => affected = false,
                _ => {}
            }
        }
        affected
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn two_scans_are_sorting_and_walking(events in vec((0..3_u8, 0..6_u8), 0..7), version in 0..7_u8) {
            let event = |(kind, at): &(u8, u8)| {
                let text = if *at == 0 { "0".to_owned() } else { format!("{at}.0.0") };
                match kind { 0 => Event::Introduced(text), 1 => Event::Fixed(text), _ => Event::LastAffected(text) }
            };
            // A last affected version 0 is a version, not the bottom: left out here.
            let events: Vec<(u8, u8)> = events.into_iter().filter(|(kind, at)| *kind != 2 || *at > 0).collect();
            let range = Range { events: events.iter().map(event).collect(), ..Range::default() };
            prop_assert_eq!(covers(&range, &format!("{version}.0.0"), &Semver), walk(&events, version), "{:?}", events);
        }
    }
}
