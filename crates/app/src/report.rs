//! Reports out of the store: from an inventory and the numbers of findings to the same report that a scan on the
//! command line gives. Reads only; the shape that others see is the business of `formats`.

use std::collections::HashMap;

use advisory::{component::components, enrichment::EnrichmentSet};
use model::{Finding, Report, ScanStatus};
use store::{Image, ImageFinding, Scan, StoreError};

use crate::{
    jobs::{InventoryDocument, ReportBody},
    service::Service,
};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The scan, or no scan of the image, is completed.
    #[error("there is no report yet: the scan is {}", status.as_str())]
    NotReady {
        /// Where it stands.
        status: ScanStatus,
    },
    /// What is stored cannot be read.
    #[error("the stored {0} cannot be read")]
    Damaged(&'static str),
    /// The store.
    #[error("the store could not be asked")]
    Store(#[from] StoreError),
}

impl ReportError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "report_not_ready",
            Self::Damaged(_) => "store-error",
            Self::Store(error) => error.code(),
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "Wait for the end of the scan, and look at its status.",
            Self::Damaged(_) | Self::Store(_) => "Look at the service's log under the request's id.",
        }
    }
}

impl Service {
    /// The report of a completed scan, as it was made.
    pub async fn report_of_scan(&self, scan: &Scan) -> Result<Report, ReportError> {
        let Some(report) = scan.report_id else { return Err(ReportError::NotReady { status: scan.status }) };
        let report = self.store.report(report).await?.ok_or(ReportError::Damaged("report"))?;
        let findings = self.store.findings_by_id(&report.findings).await?;
        self.rebuild(&scan.reference, report.inventory_id, &report.body, findings).await
    }

    /// What is wrong with an image now: its newest inventory with today's advisories.
    pub async fn report_of_image(&self, image: &Image) -> Result<Report, ReportError> {
        let (Some(report), Some(inventory)) = (image.report_id, image.inventory_id) else {
            return Err(ReportError::NotReady { status: image.status });
        };
        let report = self.store.report(report).await?.ok_or(ReportError::Damaged("report"))?;
        let findings = self.store.findings_of(inventory).await?;
        self.rebuild(&image.reference, inventory, &report.body, findings).await
    }

    /// What a stored inventory holds.
    pub async fn inventory_document(&self, inventory: i64) -> Result<InventoryDocument, ReportError> {
        let stored = self.store.inventory(inventory).await?.ok_or(ReportError::Damaged("inventory"))?;
        serde_json::from_slice(&stored.body).map_err(|_| ReportError::Damaged("inventory"))
    }

    async fn rebuild(
        &self,
        reference: &str,
        inventory: i64,
        body: &str,
        findings: Vec<ImageFinding>,
    ) -> Result<Report, ReportError> {
        let document = self.inventory_document(inventory).await?;
        let body: ReportBody = serde_json::from_str(body).map_err(|_| ReportError::Damaged("report"))?;
        let mut report = assemble(reference, document, body, findings);
        // As of today: none of it is stored, since it changes daily and decides nothing.
        EnrichmentSet::open(&self.advisories.database).enrich(&mut report);
        Ok(report)
    }
}

/// Puts the parts together: a finding of a component is one of every package that is this component.
fn assemble(
    reference: &str,
    document: InventoryDocument,
    body: ReportBody,
    stored: Vec<ImageFinding>,
) -> Report {
    let InventoryDocument { mut image, inventory } = document;
    // The inventory is shared by all who have the same bytes, under whatever name.
    reference.clone_into(&mut image.reference);
    let parts = components(&inventory);
    let mut packages: HashMap<&[u8], Vec<u32>> = HashMap::new();
    for (package, component) in parts.of_package.iter().enumerate() {
        if let (Some(component), Ok(package)) = (parts.components.get(*component), u32::try_from(package)) {
            packages.entry(component.key.as_slice()).or_default().push(package);
        }
    }
    let mut findings: Vec<Finding> = Vec::new();
    for found in stored {
        for package in packages.get(found.component_key.as_slice()).into_iter().flatten() {
            findings.push(Finding { package: *package, ..found.finding.clone() });
        }
    }
    // The order of a fresh match.
    findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| a.package.cmp(&b.package)).then_with(|| a.id.cmp(&b.id))
    });
    let mut types = inventory.looked_for.clone();
    types.extend([model::ScanType::Sbom, model::ScanType::Vulnerability]);
    Report {
        image,
        types,
        inventory,
        findings,
        coverage: body.coverage,
        enrichment: Vec::new(),
        problems: body.problems,
    }
}
