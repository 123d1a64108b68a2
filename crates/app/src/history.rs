//! What changed of an image from report to report, and why; and what differs between two scans. Reads only.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use model::{ChangeReason, Facets, PackageKind, Report};
use store::{Image, ImageFinding, Micros, Report as StoredReport, Scan};
use uuid::Uuid;

use crate::{report::ReportError, service::Service};

/// Findings that one step of a history names; the rest is counted only.
const MAX_NAMED: usize = 200;

/// One report of an image, and what changed since the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The report.
    pub report: i64,
    /// The scan that it answers.
    pub scan: Uuid,
    /// When it was made.
    pub at: Micros,
    /// Digest of what was scanned.
    pub digest: String,
    /// Its findings by severity.
    pub facets: Facets,
    /// Whether something may have gone unseen.
    pub partial: bool,
    /// What changed since the report before it; `None` for the first.
    pub change: Option<Change>,
}

/// What changed between two reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Every reason that anything changed for.
    pub reasons: BTreeSet<ChangeReason>,
    /// How many findings came.
    pub added: usize,
    /// How many went.
    pub removed: usize,
    /// How many say something else than before.
    pub changed: usize,
    /// The findings, some hundred at most.
    pub findings: Vec<ChangedFinding>,
}

/// How a finding changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It says something else: another severity, another fix.
    Changed,
}

/// One finding that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFinding {
    /// How.
    pub direction: Direction,
    /// Why.
    pub reason: ChangeReason,
    /// The finding as it is, or was before it went.
    pub finding: ImageFinding,
}

/// What differs between two scans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Findings of the second only.
    pub added: Vec<DiffFinding>,
    /// Findings of the first only.
    pub removed: Vec<DiffFinding>,
    /// How many both have.
    pub same: usize,
    /// Packages of the second only: kind, name, version.
    pub packages_added: Vec<DiffPackage>,
    /// Packages of the first only.
    pub packages_removed: Vec<DiffPackage>,
}

/// A package as two scans are compared by it.
pub type DiffPackage = (PackageKind, String, String);

/// A finding as two scans are compared by it: what it is and in which package, whatever the package's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffFinding {
    /// The CVE, or an advisory's id.
    pub id: String,
    /// Its severity.
    pub severity: model::Severity,
    /// The package with its version.
    pub package: DiffPackage,
    /// The least version that fixes it.
    pub fixed_version: Option<String>,
}

impl Service {
    /// Reports of an image, the newest first: those before a report, with where the next page begins.
    pub async fn history(
        &self,
        image: &Image,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Step>, Option<i64>), ReportError> {
        let reports = self.store.reports_of(image.id, before, limit.saturating_add(1)).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut origins: BTreeMap<i64, (String, String)> = BTreeMap::new();
        for report in &reports {
            if let Entry::Vacant(place) = origins.entry(report.inventory_id) {
                let inventory = self.store.inventory(report.inventory_id).await?;
                let inventory = inventory.ok_or(ReportError::Damaged("inventory"))?;
                place.insert((inventory.digest, inventory.analyzers));
            }
        }
        let mut steps = Vec::new();
        for (at, report) in reports.iter().take(limit).enumerate() {
            let origin = |report: &StoredReport| origins.get(&report.inventory_id);
            let change = match reports.get(at + 1) {
                None => None,
                Some(earlier) => {
                    let read = match (origin(earlier), origin(report)) {
                        (Some(before), Some(after)) if before.0 != after.0 => {
                            Some(ChangeReason::ImageChanged)
                        }
                        (Some(before), Some(after)) if before.1 != after.1 => {
                            Some(ChangeReason::AnalyzerChanged)
                        }
                        _ => None,
                    };
                    Some(self.change(earlier, report, read).await?)
                }
            };
            steps.push(Step {
                report: report.id,
                scan: report.scan_id,
                at: report.created_at,
                digest: origin(report).map(|(digest, _)| digest.clone()).unwrap_or_default(),
                facets: report.facets,
                partial: report.partial,
                change,
            });
        }
        let next = steps.last().filter(|_| reports.len() > limit).map(|step| step.report);
        Ok((steps, next))
    }

    async fn change(
        &self,
        before: &StoredReport,
        after: &StoredReport,
        read: Option<ChangeReason>,
    ) -> Result<Change, ReportError> {
        let (old, new): (BTreeSet<i64>, BTreeSet<i64>) =
            (before.findings.iter().copied().collect(), after.findings.iter().copied().collect());
        let ids: Vec<i64> = old.symmetric_difference(&new).copied().collect();
        let rows = if ids.is_empty() { Vec::new() } else { self.store.findings_by_id(&ids).await? };
        let (came, went): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| new.contains(&row.id));
        Ok(compare(came, went, (before.created_at, after.created_at), read))
    }

    /// What differs between two completed scans.
    pub async fn diff(&self, a: &Scan, b: &Scan) -> Result<Difference, ReportError> {
        let (a, b) = (self.report_of_scan(a).await?, self.report_of_scan(b).await?);
        Ok(difference(&a, &b))
    }
}

/// Pairs what came with what went: a component that has the same vulnerability in both was not fixed, its advisory
/// says something else. `read` is why the inventory is another one, if it is.
fn compare(
    came: Vec<ImageFinding>,
    went: Vec<ImageFinding>,
    (before, after): (Micros, Micros),
    read: Option<ChangeReason>,
) -> Change {
    let name = |row: &ImageFinding| (row.component_id, row.finding.id.clone());
    let mut gone: BTreeMap<(i64, String), ImageFinding> =
        went.into_iter().map(|row| (name(&row), row)).collect();
    let mut change = Change::default();
    if let Some(read) = read {
        change.reasons.insert(read);
    }
    let mut findings = Vec::new();
    for row in came {
        let (direction, reason) = if gone.remove(&name(&row)).is_some() {
            change.changed += 1;
            (Direction::Changed, ChangeReason::AdvisoryChanged)
        } else {
            change.added += 1;
            // Known to be wrong with the component before: so the component is what came.
            let told = row.opened_at > before && row.opened_for != ChangeReason::ComponentNew;
            (Direction::Added, if told { row.opened_for } else { read.unwrap_or(row.opened_for) })
        };
        findings.push(ChangedFinding { direction, reason, finding: row });
    }
    for row in gone.into_values() {
        change.removed += 1;
        let told = row.closed_for.filter(|_| row.closed_at.is_some_and(|at| at <= after));
        let reason = told.or(read).unwrap_or(ChangeReason::AdvisoryGone);
        findings.push(ChangedFinding { direction: Direction::Removed, reason, finding: row });
    }
    change.reasons.extend(findings.iter().map(|finding| finding.reason));
    findings.sort_by(|a, b| {
        let rank = |f: &ChangedFinding| (f.direction, std::cmp::Reverse(f.finding.finding.severity));
        rank(a).cmp(&rank(b)).then_with(|| a.finding.finding.id.cmp(&b.finding.finding.id))
    });
    findings.truncate(MAX_NAMED);
    change.findings = findings;
    change
}

fn difference(a: &Report, b: &Report) -> Difference {
    let packages = |report: &Report| -> BTreeSet<DiffPackage> {
        report.inventory.packages.iter().map(|p| (p.kind, p.name.clone(), p.version.clone())).collect()
    };
    let findings = |report: &Report| -> BTreeMap<(String, PackageKind, String), DiffFinding> {
        let found = report.findings.iter().filter_map(|finding| {
            let package = report.inventory.packages.get(usize::try_from(finding.package).ok()?)?;
            let found = DiffFinding {
                id: finding.id.clone(),
                severity: finding.severity,
                package: (package.kind, package.name.clone(), package.version.clone()),
                fixed_version: finding.fixed_versions.first().cloned(),
            };
            Some(((finding.id.clone(), package.kind, package.name.clone()), found))
        });
        found.collect()
    };
    let (packages_a, packages_b) = (packages(a), packages(b));
    let (mut found_a, found_b) = (findings(a), findings(b));
    let mut difference = Difference {
        packages_added: packages_b.difference(&packages_a).cloned().collect(),
        packages_removed: packages_a.difference(&packages_b).cloned().collect(),
        ..Difference::default()
    };
    for (key, found) in found_b {
        if found_a.remove(&key).is_some() {
            difference.same += 1;
        } else {
            difference.added.push(found);
        }
    }
    difference.removed = found_a.into_values().collect();
    for list in [&mut difference.added, &mut difference.removed] {
        list.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    }
    difference
}

#[cfg(test)]
mod tests {
    use model::{Finding, Severity, advisory::FixState};

    use super::*;

    fn row(id: i64, component: i64, name: &str, opened: (Micros, ChangeReason)) -> ImageFinding {
        let finding = Finding {
            id: name.into(),
            aliases: Vec::new(),
            package: 0,
            severity: Severity::High,
            score_tenths: None,
            vector: None,
            state: FixState::Unstated,
            fixed_versions: Vec::new(),
            title: String::new(),
            ratings: Vec::new(),
            enrichment: model::Enrichment::default(),
            evidence: Vec::new(),
        };
        ImageFinding {
            id,
            component_id: component,
            component_key: Vec::new(),
            kind: "deb".into(),
            package: "curl".into(),
            version: "1".into(),
            finding,
            opened_at: opened.0,
            opened_for: opened.1,
            closed_at: None,
            closed_for: None,
        }
    }

    #[test]
    fn every_change_has_its_reason() {
        use ChangeReason::{AdvisoryChanged, AdvisoryGone, AdvisoryNew, ComponentNew, ImageChanged};
        let closed =
            |row: ImageFinding, at, why| ImageFinding { closed_at: Some(at), closed_for: Some(why), ..row };
        let check = |came: Vec<ImageFinding>, went: Vec<ImageFinding>, read, expected: &[ChangeReason]| {
            let change = compare(came, went, (10, 20), read);
            let reasons: Vec<ChangeReason> = change.findings.iter().map(|f| f.reason).collect();
            assert_eq!(reasons, expected, "{change:?}");
        };
        // A new advisory on a component that was there.
        check(vec![row(1, 1, "CVE-1", (15, AdvisoryNew))], vec![], None, &[AdvisoryNew]);
        // Wrong before the image had it.
        check(vec![row(1, 1, "CVE-1", (5, AdvisoryNew))], vec![], Some(ImageChanged), &[ImageChanged]);
        check(vec![row(1, 1, "CVE-1", (15, ComponentNew))], vec![], Some(ImageChanged), &[ImageChanged]);
        // Gone with its package, and gone by itself.
        check(vec![], vec![row(1, 1, "CVE-1", (5, ComponentNew))], Some(ImageChanged), &[ImageChanged]);
        let gone = closed(row(1, 1, "CVE-1", (5, ComponentNew)), 15, AdvisoryGone);
        check(vec![], vec![gone.clone()], None, &[AdvisoryGone]);
        // The same vulnerability of the same component, said anew.
        let anew = row(2, 1, "CVE-1", (15, AdvisoryChanged));
        check(vec![anew], vec![gone], None, &[AdvisoryChanged]);
    }
}
