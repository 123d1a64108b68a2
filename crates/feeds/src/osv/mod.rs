//! OSV (osv.dev): one JSON record for each vulnerability, exported as `<base>/<ecosystem>/all.zip`.
//!
//! Source of the format: ossf.github.io/osv-schema. What sources put into their specific objects was read off
//! their records: Debian's urgency, Ubuntu's priority, GitHub's severity word and last known affected version,
//! Go's imports, RustSec's target systems, SUSE's binaries, the modules of Red Hat's rebuilds.

use std::collections::{BTreeMap, BTreeSet};

use advisory::{
    ecosystem::{Place, lookup_name, place},
    matcher::covers,
    version,
};
use egress::Url;
use model::{
    Advisory, Severity,
    advisory::{Affected, Event, FixState, Qualifiers, Range, RangeKind, Rating, Symbols},
};

mod module;
mod rating;
mod record;
#[cfg(test)]
mod tests;

use crate::feed::{Dropped, Feed, Parsed, RecordError};

/// Longest title made of a description, in characters.
const TITLE_CHARS: usize = 160;

/// Ids of advisories that are no security matter: bug fixes and enhancements.
const NOT_SECURITY: [&str; 6] = ["ALBA-", "ALEA-", "RLBA-", "RLEA-", "RXBA-", "RXEA-"];

/// The feed.
pub(crate) struct Osv;

impl Feed for Osv {
    fn name(&self) -> &'static str {
        "osv"
    }

    fn export_url(&self, base: &Url, export: &str) -> Option<Url> {
        let mut url = base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend([export, "all.zip"]);
        Some(url)
    }

    fn parse(&self, record: &[u8]) -> Result<Parsed, RecordError> {
        // The decoder would take an array for an object, field by field.
        if !record.trim_ascii_start().starts_with(b"{") {
            return Err(RecordError::Form(serde::de::Error::custom("not a JSON object")));
        }
        let record: record::Record = serde_json::from_slice(record).map_err(RecordError::Form)?;
        if record.id.trim().is_empty() {
            return Err(RecordError::Id);
        }
        Ok(convert(record))
    }
}

fn convert(record: record::Record) -> Parsed {
    let mut dropped: BTreeMap<Dropped, u64> = BTreeMap::new();
    let withdrawn = record.withdrawn.filter(|time| !time.is_empty());
    let is_security = !NOT_SECURITY.iter().any(|prefix| record.id.starts_with(prefix));
    let mut affected = Vec::new();
    if !is_security {
        dropped.insert(Dropped::NotSecurity, 1);
    } else if withdrawn.is_some() {
        dropped.insert(Dropped::Withdrawn, 1);
    } else {
        let modules = module::modules(&record.summary);
        for entry in record.affected {
            match convert_affected(entry, &modules) {
                Ok(entries) => affected.extend(entries),
                Err(why) => *dropped.entry(why).or_default() += 1,
            }
        }
    }
    let word =
        rating::word(&record.database_specific.severity).or_else(|| rating::word_of_summary(&record.summary));
    let summary = if record.summary.trim().is_empty() { title(&record.details) } else { record.summary };
    let advisory = Advisory {
        id: record.id,
        aliases: record.aliases,
        upstream: record.upstream,
        related: record.related,
        summary,
        details: record.details,
        references: record.references.into_iter().map(|r| r.url).filter(|url| !url.is_empty()).collect(),
        published: known_time(record.published),
        modified: known_time(record.modified),
        withdrawn,
        severity: rating::rating(&record.severity, word),
        affected,
    };
    Parsed { advisory, dropped }
}

/// Some sources write year 1 for "unknown".
fn known_time(time: String) -> String {
    if time.starts_with("000") { String::new() } else { time }
}

/// The first line of a description, cut at a word.
fn title(details: &str) -> String {
    let line =
        details.lines().map(|line| line.trim().trim_start_matches('#').trim()).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let Some((end, _)) = line.char_indices().nth(TITLE_CHARS) else { return line.to_owned() };
    let head = line.get(..end).unwrap_or(line);
    let head = head.rsplit_once(' ').map_or(head, |(head, _)| head);
    format!("{} ...", head.trim_end_matches([' ', ',', ';', '.']))
}

fn convert_affected(entry: record::Affected, modules: &[String]) -> Result<Vec<Affected>, Dropped> {
    let package = entry.package.filter(|package| !package.name.is_empty()).ok_or(Dropped::NoPackage)?;
    let Some(Place { channel, scheme, export, .. }) = place(&package.ecosystem) else {
        let base = package.ecosystem.split(':').next().unwrap_or_default();
        return Err(Dropped::Ecosystem(base.chars().take(60).collect()));
    };
    let (ecosystem, database) = (&entry.ecosystem_specific, &entry.database_specific);
    let mut ranges: Vec<Range> = entry.ranges.into_iter().filter_map(convert_range).collect();
    bound_open_ranges(&mut ranges, &database.last_known_affected_version_range);
    let fix_state = fix_state(ecosystem);
    let mut versions = entry.versions;
    drop_covered(&mut versions, &ranges, scheme);
    if versions.is_empty()
        && ranges.iter().all(|range| range.events.is_empty())
        && fix_state == FixState::Unstated
    {
        return Err(Dropped::NoVersions);
    }
    let affected = Affected {
        name: lookup_name(scheme, &package.name).into_owned(),
        ecosystem: package.ecosystem,
        ranges,
        versions,
        fix_state,
        severity: own_rating(&entry.severity, ecosystem),
        qualifiers: Qualifiers {
            channel,
            target_os: target_os(ecosystem),
            symbols: symbols(ecosystem),
            ..Qualifiers::default()
        },
    };
    if matches!(export, "SUSE" | "openSUSE") && !ecosystem.binaries.is_empty() {
        return Ok(by_binary(&affected, ecosystem));
    }
    if scheme == "rpm" && !modules.is_empty() && is_module_build(&affected) {
        let of = |module: &String| {
            let mut affected = affected.clone();
            affected.qualifiers.module = Some(module.clone());
            affected
        };
        return Ok(modules.iter().map(of).collect());
    }
    Ok(vec![affected])
}

fn convert_range(range: record::Range) -> Option<Range> {
    let kind = match range.kind.as_str() {
        "ECOSYSTEM" => RangeKind::Ecosystem,
        "SEMVER" => RangeKind::Semver,
        // Commits say nothing of packages.
        _ => return None,
    };
    let mut events = Vec::with_capacity(range.events.len());
    for event in range.events {
        events.extend(event.introduced.map(Event::Introduced));
        events.extend(event.fixed.map(Event::Fixed));
        events.extend(event.last_affected.map(Event::LastAffected));
        events.extend(event.limit.map(Event::Limit));
    }
    Some(Range { kind, events })
}

/// Bounds ranges without an end by GitHub's `last_known_affected_version_range` (`<= 1.2` or `< 1.2`): what
/// comes after is not known to be affected.
fn bound_open_ranges(ranges: &mut [Range], bound: &str) {
    let bound = bound.trim();
    let end = if let Some(version) = bound.strip_prefix("<=") {
        Event::LastAffected(version.trim().to_owned())
    } else if let Some(version) = bound.strip_prefix('<') {
        Event::Limit(version.trim().to_owned())
    } else {
        return;
    };
    for range in ranges {
        if !range.events.is_empty() && range.events.iter().all(|event| matches!(event, Event::Introduced(_)))
        {
            range.events.push(end.clone());
        }
    }
}

/// Listed versions that a range holds anyway are left out: some sources list hundreds for every package.
fn drop_covered(versions: &mut Vec<String>, ranges: &[Range], scheme: &str) {
    let open = |range: &Range| matches!(range.events.as_slice(), [Event::Introduced(from)] if from == "0");
    if ranges.iter().any(open) {
        versions.clear();
    } else if let Some(scheme) = version::scheme(scheme) {
        versions.retain(|version| !ranges.iter().any(|range| covers(range, version, scheme)));
    }
}

fn fix_state(specific: &record::Specific) -> FixState {
    match (specific.urgency.as_str(), specific.uct_status.as_str()) {
        ("end-of-life", _) => FixState::EndOfLife,
        (_, "deferred") => FixState::FixDeferred,
        (_, "ignored") => FixState::WillNotFix,
        (_, "needed" | "pending") => FixState::Affected,
        _ => FixState::Unstated,
    }
}

/// The severity for just this package, when it has one.
fn own_rating(entries: &[record::Severity], specific: &record::Specific) -> Option<Rating> {
    let word = rating::word(&specific.urgency).or_else(|| rating::word(&specific.severity));
    let rating = rating::rating(entries, word);
    (rating.severity != Severity::Unknown || rating.score_tenths.is_some()).then_some(rating)
}

/// Go: when every import is of certain systems only. RustSec: its list.
fn target_os(specific: &record::Specific) -> Vec<String> {
    let names = |systems: &[String]| -> BTreeSet<String> {
        let name = |system: &String| if system == "macos" { "darwin".to_owned() } else { system.clone() };
        systems.iter().map(name).collect()
    };
    let mut systems = names(&specific.affects.os);
    if !specific.imports.is_empty() && specific.imports.iter().all(|import| !import.goos.is_empty()) {
        systems.extend(specific.imports.iter().flat_map(|import| names(&import.goos)));
    }
    systems.into_iter().collect()
}

fn symbols(specific: &record::Specific) -> Vec<Symbols> {
    let imports = specific.imports.iter().filter(|import| !import.path.is_empty());
    imports.map(|import| Symbols { path: import.path.clone(), names: import.symbols.clone() }).collect()
}

/// SUSE names the source package and lists the binaries with their fixed versions; rpm packages are looked up
/// by their own name.
fn by_binary(affected: &Affected, specific: &record::Specific) -> Vec<Affected> {
    let below_a_fix = affected.ranges.iter().all(
        |range| matches!(range.events.as_slice(), [Event::Introduced(from), Event::Fixed(_)] if from == "0"),
    );
    let mut binaries: BTreeMap<&str, &str> = BTreeMap::new();
    for list in &specific.binaries {
        binaries.extend(list.iter().map(|(name, version)| (name.as_str(), version.as_str())));
    }
    let of = |(name, fixed): (&str, &str)| {
        let mut affected = Affected { name: name.to_owned(), ..affected.clone() };
        if below_a_fix {
            let events = vec![Event::Introduced("0".to_owned()), Event::Fixed(fixed.to_owned())];
            affected.ranges = vec![Range { events, ..Range::default() }];
            affected.versions.clear();
        }
        affected
    };
    binaries.into_iter().map(of).collect()
}

fn is_module_build(affected: &Affected) -> bool {
    let mut events = affected.ranges.iter().flat_map(|range| &range.events);
    events.any(|event| matches!(event, Event::Fixed(version) if module::is_build(version)))
}
