//! By vulnerability and by package: which images have it, in which versions. Names are for analysts.

use axum::{extract::State, http::StatusCode};
use model::Role;
use serde::{Deserialize, Serialize};
use store::Scope;
use utoipa::{IntoParams, ToSchema};

use super::{images::PageQuery, input};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::{SeverityWord, Word},
};

/// A vulnerability that an image here has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Vulnerability)]
pub(super) struct VulnerabilityBody {
    /// The CVE, or an advisory's id where there is none.
    #[schema(example = "CVE-2023-38545")]
    id: String,
    title: String,
    /// The highest that any of its findings has.
    severity: SeverityWord,
    /// How many images have it; told for one, to who sees all projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<u64>,
}

impl From<store::VulnerabilityRow> for VulnerabilityBody {
    fn from(row: store::VulnerabilityRow) -> Self {
        Self { id: row.name, title: row.title, severity: Word(row.severity), images: None }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VulnerabilitiesQuery {
    /// Part of the id.
    #[param(max_length = 200)]
    q: Option<String>,
    /// Of that severity or a higher one.
    severity: Option<SeverityWord>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Where the caller may see names; nobody is told any who may see counts only.
fn analyst(caller: &app::accounts::Caller) -> Result<Scope, Problem> {
    let scope = caller.scope_as(Role::Analyst);
    if matches!(&scope, Scope::Projects(projects) if projects.is_empty()) {
        caller.may(Role::Analyst, None)?;
    }
    Ok(scope)
}

/// Vulnerabilities that images have now, the newest name first.
#[utoipa::path(
    get, path = "/vulnerabilities", tag = "vulnerabilities", params(VulnerabilitiesQuery),
    responses((status = 200, description = "A page", body = Page<VulnerabilityBody>))
)]
pub(super) async fn list_vulnerabilities(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<VulnerabilitiesQuery>,
) -> Result<Json<Page<VulnerabilityBody>>, Problem> {
    analyst(&caller)?;
    let limit = page::limit(query.limit)?;
    let text = input::maybe(query.q, "q", 200)?;
    let after: Option<String> = page::decode(query.cursor.as_deref())?;
    let severity = query.severity.map(|word| word.0);
    let store = &state.service.store;
    let found = store.vulnerabilities(text.as_deref(), severity, after.as_deref(), limit + 1).await?;
    Ok(Json(page_of(found, limit, |row| row.name.clone())))
}

/// A page of what was asked for with one more, which tells whether another page follows.
fn page_of<R, T: From<R>>(mut found: Vec<R>, limit: u32, place: impl Fn(&R) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| page::encode(&place(last)));
    Page { items: found.into_iter().map(Into::into).collect(), next }
}

fn not_known(id: &str) -> Problem {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(100).collect();
    let hint = "Check the spelling; one that no image ever had is not known here.";
    Problem::new(StatusCode::NOT_FOUND, "vulnerability_not_known", format!("{shown} is not known here"), hint)
}

async fn find(state: &AppState, id: String) -> Result<store::VulnerabilityRow, Problem> {
    let id = input::text(id, "id", 200)?;
    state.service.store.vulnerability(&id).await?.ok_or_else(|| not_known(&id))
}

/// One vulnerability.
#[utoipa::path(
    get, path = "/vulnerabilities/{id}", tag = "vulnerabilities",
    params(("id" = String, Path, description = "The CVE, or an advisory's id")),
    responses((status = 200, description = "The vulnerability", body = VulnerabilityBody))
)]
pub(super) async fn show_vulnerability(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<String>,
) -> Result<Json<VulnerabilityBody>, Problem> {
    let scope = analyst(&caller)?;
    let row = find(&state, id).await?;
    let images = matches!(scope, Scope::All).then_some(row.images);
    Ok(Json(VulnerabilityBody { images, ..row.into() }))
}

/// An image that has a vulnerability, by one of its packages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AffectedImage)]
pub(super) struct AffectedBody {
    image_id: i64,
    reference: String,
    digest: Option<String>,
    /// Kind of the package, as in purls.
    kind: String,
    package: String,
    version: String,
    severity: SeverityWord,
    /// Whether a newer version fixes it.
    fixable: bool,
}

/// Images that have a vulnerability now, once for each package that brings it.
#[utoipa::path(
    get, path = "/vulnerabilities/{id}/images", tag = "vulnerabilities",
    params(("id" = String, Path, description = "The CVE, or an advisory's id"), PageQuery),
    responses((status = 200, description = "A page", body = Page<AffectedBody>))
)]
pub(super) async fn vulnerability_images(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AffectedBody>>, Problem> {
    let scope = analyst(&caller)?;
    let limit = page::limit(query.limit)?;
    let after = page::decode(query.cursor.as_deref())?;
    let row = find(&state, id).await?;
    let (found, next) = state.service.store.affected_images(&scope, row.id, after, limit).await?;
    let items = found.into_iter().map(|image| AffectedBody {
        image_id: image.image_id,
        reference: image.reference,
        digest: image.digest,
        kind: image.kind,
        package: image.package,
        version: image.version,
        severity: Word(image.severity),
        fixable: image.fixable,
    });
    Ok(Json(Page { items: items.collect(), next: next.map(|next| page::encode(&next)) }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PackageImagesQuery {
    /// Its whole name.
    #[param(min_length = 1, max_length = 300, example = "openssl")]
    name: String,
    /// In exactly that version.
    #[param(max_length = 300)]
    version: Option<String>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// An image that contains a package.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageImage)]
pub(super) struct ContainingBody {
    image_id: i64,
    reference: String,
    digest: Option<String>,
    /// Kind of the package, as in purls.
    kind: String,
    package: String,
    version: String,
}

/// Images that contain a package, of one version or any.
#[utoipa::path(
    get, path = "/packages/images", tag = "vulnerabilities", params(PackageImagesQuery),
    responses((status = 200, description = "A page", body = Page<ContainingBody>))
)]
pub(super) async fn package_images(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PackageImagesQuery>,
) -> Result<Json<Page<ContainingBody>>, Problem> {
    let scope = analyst(&caller)?;
    let limit = page::limit(query.limit)?;
    let after = page::decode(query.cursor.as_deref())?;
    let name = input::text(query.name, "name", 300)?;
    let version = input::maybe(query.version, "version", 300)?;
    let store = &state.service.store;
    let (found, next) = store.images_with_package(&scope, &name, version.as_deref(), after, limit).await?;
    let items = found.into_iter().map(|image| ContainingBody {
        image_id: image.image_id,
        reference: image.reference,
        digest: image.digest,
        kind: image.kind,
        package: image.package,
        version: image.version,
    });
    Ok(Json(Page { items: items.collect(), next: next.map(|next| page::encode(&next)) }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PackagesQuery {
    /// Part of the name.
    #[param(min_length = 1, max_length = 300)]
    q: String,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// A package that is in an image here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PackageName {
    /// As in purls.
    kind: String,
    name: String,
}

/// Names of packages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PackageNames {
    items: Vec<PackageName>,
}

/// Packages whose names hold a text, to choose from.
#[utoipa::path(
    get, path = "/packages", tag = "vulnerabilities", params(PackagesQuery),
    responses((status = 200, description = "The first of them", body = PackageNames),
              (status = 400, description = "The text is empty or too long", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn list_packages(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PackagesQuery>,
) -> Result<Json<PackageNames>, Problem> {
    analyst(&caller)?;
    let limit = page::limit(query.limit)?;
    let text = input::text(query.q, "q", 300)?;
    let found = state.service.store.packages(&text, None, limit).await?;
    Ok(Json(PackageNames {
        items: found.into_iter().map(|(kind, name)| PackageName { kind, name }).collect(),
    }))
}
