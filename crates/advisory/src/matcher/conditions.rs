//! Whether a row speaks of this package in this image: architecture, module, channel, target system.
//!
//! # Module streams
//! AlmaLinux and its kin publish one advisory for a module with several `affected` entries for one package,
//! each with another fixed version: the builds for the minor releases (`1.0-1.module_el8.4.0+2532+b8928c02`).
//! Their release numbers cannot be compared with those of other streams or of packages outside modules. So:
//!
//! 1. a row that names its module (`nodejs:12`) applies to packages that carry that label, and to no others;
//! 2. a row that names none, but whose fixed version is a module's build, applies to module builds only, and
//!    the other way round;
//! 3. of several such rows of one advisory for one package, those for the installed build's own minor release
//!    count where there are any; of those left, the lowest fixed version decides. A build that is as new as
//!    one that its vendor names as fixed is fixed.
//!
//! The last rule also serves rows without modules that differ in a rebuild's suffix (`.alma`, `.alma.plus`).

use model::Package;

use super::range::Order;
use crate::shard::{EventKind, Row, Texts};

/// What an image offers to conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    /// Enabled update channels.
    pub(super) channels: Vec<String>,
}

impl Image {
    /// Reads off the packages which update channels are enabled: who has a package of Ubuntu Pro's extended
    /// maintenance (`+esm1`) gets it from there.
    pub(super) fn of(packages: &[Package]) -> Self {
        let is_pro = |package: &Package| {
            package.kind == model::PackageKind::Deb
                && (package.version.contains("+esm") || package.version.contains("~esm"))
        };
        let channels = if packages.iter().any(is_pro) { vec!["pro".to_owned()] } else { Vec::new() };
        Self { channels }
    }
}

/// True for a Go module that was built from a directory or outside of version control: Go writes `(devel)` for
/// its version (`runtime/debug`, `Module`). It must not be compared, for it would be older than everything.
pub(super) fn has_no_version(package: &Package) -> bool {
    package.kind == model::PackageKind::Golang && package.version == "(devel)"
}

/// True when a row's conditions are met. `version` is the one that will be compared.
pub(super) fn apply(row: &Row<'_>, package: &Package, version: &str, image: &Image) -> bool {
    let any_of = |mut texts: Texts<'_>, wanted: &str| texts.is_empty() || texts.any(|text| text == wanted);
    package.arch.as_deref().is_none_or(|arch| any_of(row.arches, arch))
        && row.channel.is_none_or(|channel| image.channels.iter().any(|enabled| enabled == channel))
        // What does not say what it was built for is taken to run where container images do.
        && any_of(row.target_os, package.os.as_deref().unwrap_or("linux"))
        // Which products (CPEs) an image is of is not known yet: unknown counts as any.
        && applies_to_module(row, package, version)
}

fn applies_to_module(row: &Row<'_>, package: &Package, version: &str) -> bool {
    if let Some(module) = row.module {
        return package.module.as_deref().is_some_and(|label| name_and_stream(label) == module);
    }
    if package.kind != model::PackageKind::Rpm {
        return true;
    }
    match sole_fix(row) {
        Some(fixed) => minor_release(fixed).is_some() == minor_release(version).is_some(),
        None => true,
    }
}

/// True when a row names its module and the package is a module's build that does not say which: rule 1 leaves
/// the row out, and that must be said.
pub(super) fn is_unsure(row: &Row<'_>, package: &Package, version: &str) -> bool {
    row.module.is_some() && package.module.is_none() && minor_release(version).is_some()
}

/// rpm's label may go on with version and context: `nodejs:12:8030020201:229f0a1c`.
fn name_and_stream(label: &str) -> &str {
    let end = label.match_indices(':').nth(1).map_or(label.len(), |(at, _)| at);
    label.get(..end).unwrap_or(label)
}

/// The minor release that a module's build was made for: `el8.4.0` of `1.0-1.module_el8.4.0+2532+b8928c02`,
/// also of Rocky's `.module+el8.4.0+...`.
fn minor_release(version: &str) -> Option<&str> {
    let (_, tail) = version.split_once(".module")?;
    let tail = tail.strip_prefix(['_', '+'])?;
    Some(tail.split('+').next().unwrap_or(tail))
}

/// The fixed version of a row whose only statement is "everything below is affected".
fn sole_fix<'a>(row: &Row<'a>) -> Option<&'a str> {
    let mut ranges = row.ranges();
    let (range, None) = (ranges.next()?, ranges.next()) else { return None };
    let mut events = range.events;
    match (events.next()?, events.next()?, events.next()) {
        ((EventKind::Introduced, "0"), (EventKind::Fixed, fixed), None) => Some(fixed),
        _ => None,
    }
}

/// Keeps of the rows of one advisory for one rpm package those that count (rule 3 above).
pub(super) fn settle_alternatives(rows: &mut Vec<Row<'_>>, version: &str, order: &Order) {
    if rows.len() < 2 || !rows.iter().all(|row| sole_fix(row).is_some()) {
        return;
    }
    if let Some(minor) = minor_release(version) {
        let is_own = |row: &Row<'_>| sole_fix(row).and_then(minor_release) == Some(minor);
        if rows.iter().any(is_own) {
            rows.retain(is_own);
        }
    }
    let lowest = rows
        .iter()
        .copied()
        .min_by(|a, b| order.compare(sole_fix(a).unwrap_or_default(), sole_fix(b).unwrap_or_default()));
    rows.clear();
    rows.extend(lowest);
}
