//! What an image contains, and what is wrong with it, in pages.

use app::clock::rfc3339;
use axum::extract::State;
use model::{Role, advisory::FixState, purl};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input;
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::{ChangeReasonWord, SeverityWord, Word},
};

/// One finding of an image.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingBody {
    /// The CVE, or an advisory's id where there is none.
    #[schema(example = "CVE-2023-38545")]
    id: String,
    aliases: Vec<String>,
    severity: SeverityWord,
    /// CVSS base score.
    score: Option<f64>,
    /// CVSS vector.
    vector: Option<String>,
    /// Kind of the package, as in purls.
    kind: String,
    package: String,
    version: String,
    /// Whether a fix exists, and if not, what the vendor says.
    #[schema(value_type = String, example = "fixed")]
    state: FixState,
    /// In version order; the first is the least upgrade.
    fixed_versions: Vec<String>,
    title: String,
    /// Why it was reported, as sentences.
    reasons: Vec<String>,
    #[schema(format = "date-time")]
    opened_at: String,
    opened_for: ChangeReasonWord,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FindingsQuery {
    /// Of that severity or a higher one.
    severity: Option<SeverityWord>,
    /// Those that a newer version fixes.
    fixable: Option<bool>,
    /// Part of the id or the package's name.
    #[param(max_length = 200)]
    q: Option<String>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// What is wrong with an image now, worst first.
#[utoipa::path(
    get, path = "/images/{id}/findings", tag = "images",
    params(("id" = i64, Path, description = "Number of the record"), FindingsQuery),
    responses(
        (status = 200, description = "A page", body = Page<FindingBody>),
        (status = 409, description = "No scan of it was completed: `report_not_ready`", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn image_findings(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Query(query): Query<FindingsQuery>,
) -> Result<Json<Page<FindingBody>>, Problem> {
    let image = input::image(&state, &caller, id, Role::Analyst).await?;
    let limit = page::limit(query.limit)?;
    let text = input::maybe(query.q, "q", 200)?.map(|text| text.to_lowercase());
    let inventory = image.inventory_id.ok_or(app::report::ReportError::NotReady { status: image.status })?;
    let mut found = state.service.store.findings_of(inventory).await?;
    found.retain(|row| {
        let holds = |text: &str| {
            row.finding.id.to_lowercase().contains(text) || row.package.to_lowercase().contains(text)
        };
        query.severity.is_none_or(|least| row.finding.severity >= least.0)
            && query.fixable.is_none_or(|fixable| fixable != row.finding.fixed_versions.is_empty())
            && text.as_deref().is_none_or(holds)
    });
    let page = page::cut(found, query.cursor.as_deref(), limit)?;
    let items = page.items.into_iter().map(|row| FindingBody {
        id: row.finding.id,
        aliases: row.finding.aliases,
        severity: Word(row.finding.severity),
        score: row.finding.score_tenths.map(|tenths| f64::from(tenths) / 10.0),
        vector: row.finding.vector,
        kind: row.kind,
        package: row.package,
        version: row.version,
        state: row.finding.state,
        fixed_versions: row.finding.fixed_versions,
        title: row.finding.title,
        reasons: row.finding.evidence.iter().map(model::finding::Evidence::reason).collect(),
        opened_at: rfc3339(row.opened_at),
        opened_for: Word(row.opened_for),
    });
    Ok(Json(Page { items: items.collect(), next: page.next }))
}

/// One package of an image.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Package)]
pub(super) struct PackageBody {
    /// As in purls.
    kind: &'static str,
    name: String,
    version: String,
    #[schema(example = "pkg:npm/%40babel/core@7.0.0")]
    purl: String,
    arch: Option<String>,
    licences: Vec<String>,
    /// The file that records it.
    path: String,
    /// Index of the layer that brought it, 0 is the lowest.
    layer: Option<u32>,
    /// The operating system's package that owns its file.
    owner: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PackagesQuery {
    /// Part of the name.
    #[param(max_length = 200)]
    q: Option<String>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// What an image contains.
#[utoipa::path(
    get, path = "/images/{id}/packages", tag = "images",
    params(("id" = i64, Path, description = "Number of the record"), PackagesQuery),
    responses(
        (status = 200, description = "A page", body = Page<PackageBody>),
        (status = 409, description = "No scan of it was completed: `report_not_ready`", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn image_packages(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Query(query): Query<PackagesQuery>,
) -> Result<Json<Page<PackageBody>>, Problem> {
    let image = input::image(&state, &caller, id, Role::Analyst).await?;
    let limit = page::limit(query.limit)?;
    let text = input::maybe(query.q, "q", 200)?;
    let inventory = image.inventory_id.ok_or(app::report::ReportError::NotReady { status: image.status })?;
    let inventory = state.service.inventory_document(inventory).await?.inventory;
    let mut packages = inventory.packages;
    packages.retain(|package| text.as_deref().is_none_or(|text| package.name.contains(text)));
    let page = page::cut(packages, query.cursor.as_deref(), limit)?;
    let items = page.items.into_iter().map(|package| PackageBody {
        purl: purl::build(&package, inventory.distro.as_ref()),
        kind: package.kind.as_str(),
        name: package.name,
        version: package.version,
        arch: package.arch,
        licences: package.licences,
        path: package.path,
        layer: package.layer,
        owner: package.owner,
    });
    Ok(Json(Page { items: items.collect(), next: page.next }))
}
