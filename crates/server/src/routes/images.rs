//! Image records: list, show, change, forget.

use app::{clock, clock::rfc3339};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use model::{
    Role, ScanStatus,
    scan::{StatusFacts, status_text},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Image, ImageChange, ImageFilter, ImageOrder, Labels, ScanFilter};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{input, status::StatusBody};
use crate::{
    auth::Ready,
    etag::tagged,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::Problem,
    state::AppState,
    words::{FacetsBody, ScanStatusWord, SeverityWord, Word},
};

/// Labels of a record at most.
const MAX_LABELS: usize = 64;
/// Environments of a record at most.
const MAX_ENVIRONMENTS: usize = 20;
/// Characters of a name at most.
const MAX_TEXT: usize = 200;

/// An image record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Image)]
pub(super) struct ImageBody {
    id: i64,
    #[schema(example = "registry.example.com/team/app:1.0")]
    reference: String,
    registry: String,
    repository: String,
    tag: Option<String>,
    /// Digest of the platform's manifest, as last seen.
    digest: Option<String>,
    /// Empty for the default.
    platform: String,
    project_id: i64,
    owner: Option<String>,
    labels: Labels,
    /// Names of its environments; told for one image, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    environments: Option<Vec<String>>,
    /// Where the record comes from: submit, upload, watch, bucket, cluster.
    source: String,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    changed_at: String,
    /// Status of the newest scan.
    status: ScanStatusWord,
    /// The same for people; the status route tells more.
    text: String,
    /// The newest scan.
    scan: Option<Uuid>,
    /// The newest report.
    report: Option<i64>,
    /// When the newest report was made.
    #[schema(format = "date-time")]
    scanned_at: Option<String>,
    /// Open findings.
    facets: FacetsBody,
    /// Whether the newest report may have gaps.
    partial: bool,
}

impl From<Image> for ImageBody {
    fn from(image: Image) -> Self {
        // A list knows neither the reason nor the attempt.
        let text = match image.status {
            ScanStatus::Failed => "Image failed to be scanned".to_owned(),
            ScanStatus::Retrying => "Aborted, retrying".to_owned(),
            status => status_text(status, &StatusFacts::default()),
        };
        Self {
            id: image.id,
            reference: image.reference,
            registry: image.registry,
            repository: image.repository,
            tag: image.tag,
            digest: image.digest,
            platform: image.platform,
            project_id: image.project_id,
            owner: image.owner,
            labels: image.labels,
            environments: None,
            source: image.source,
            created_at: rfc3339(image.created_at),
            changed_at: rfc3339(image.changed_at),
            status: Word(image.status),
            text,
            scan: image.scan_id,
            report: image.report_id,
            scanned_at: image.scanned_at.map(rfc3339),
            facets: image.facets.into(),
            partial: image.partial,
        }
    }
}

/// A page of images.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ImagePage {
    items: Vec<ImageBody>,
    /// What to give as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// How many there are, when asked for; 1001 stands for more than a thousand.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// By reference.
    #[default]
    Name,
    /// The worst first.
    Risk,
    /// The one that was scanned last first.
    Scanned,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImagesQuery {
    /// Part of the reference.
    #[param(max_length = 300)]
    q: Option<String>,
    /// In one environment.
    #[param(max_length = 200)]
    environment: Option<String>,
    /// In one status.
    status: Option<ScanStatusWord>,
    /// With a finding of that severity or a higher one.
    severity: Option<SeverityWord>,
    /// With a finding that a newer version fixes.
    fixable: Option<bool>,
    /// With that label: `name=value`.
    #[param(pattern = "^[^=]{1,200}=.{0,200}$", example = "team=payments")]
    label: Option<String>,
    /// Of one project, by name.
    project: Option<String>,
    /// Of one registry, as it stands in references.
    #[param(max_length = 300)]
    registry: Option<String>,
    /// By reference, the worst first, or the one that was scanned last first.
    #[param(inline)]
    order: Option<Order>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Whether to count them.
    count: Option<bool>,
}

/// Image records that the caller sees.
#[utoipa::path(
    get, path = "/images", tag = "images", params(ImagesQuery),
    responses(
        (status = 200, description = "A page", body = ImagePage),
        (status = 404, description = "There is no such project", body = crate::problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_images(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<ImagesQuery>,
) -> Result<Json<ImagePage>, Problem> {
    let limit = page::limit(query.limit)?;
    let label = input::maybe(query.label, "label", 401)?;
    let label = match &label {
        None => None,
        Some(label) => {
            Some(label.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).ok_or_else(|| {
                Problem::malformed("query-invalid", "label is not name=value", "Write it like team=payments.")
            })?)
        }
    };
    let project = match &query.project {
        Some(name) => Some(input::project(&state, &caller, Some(name), Role::Viewer).await?),
        None => None,
    };
    let order = match query.order.unwrap_or_default() {
        Order::Name => ImageOrder::Name,
        Order::Risk => ImageOrder::Risk,
        Order::Scanned => ImageOrder::Scanned,
    };
    let filter = ImageFilter {
        text: input::maybe(query.q, "q", 300)?,
        environment: input::maybe(query.environment, "environment", MAX_TEXT)?,
        status: query.status.map(|word| word.0),
        min_severity: query.severity.map(|word| word.0),
        fixable: query.fixable.unwrap_or(false),
        label,
        project,
        registry: input::maybe(query.registry, "registry", 300)?,
        order,
        after: page::decode(query.cursor.as_deref())?,
        limit,
        ..ImageFilter::default()
    };
    let scope = caller.scope();
    let store = &state.service.store;
    let found = store.images(&scope, &filter).await?;
    let count = match query.count {
        Some(true) => Some(store.count_images(&scope, &filter).await?),
        _ => None,
    };
    let next = found.next.as_ref().map(page::encode);
    Ok(Json(ImagePage { items: found.items.into_iter().map(ImageBody::from).collect(), next, count }))
}

/// One image record.
#[utoipa::path(
    get, path = "/images/{id}", tag = "images", params(("id" = i64, Path, description = "Number of the record")),
    responses(
        (status = 200, description = "The record", body = ImageBody),
        (status = 304, description = "It is as the client knows it"),
    )
)]
pub(super) async fn show_image(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let image = input::image(&state, &caller, id, Role::Viewer).await?;
    let body = with_environments(&state, image).await?;
    Ok(tagged(&headers, &body, &body))
}

async fn with_environments(state: &AppState, image: Image) -> Result<ImageBody, Problem> {
    let environments = Some(state.service.store.environments_of(image.id).await?);
    Ok(ImageBody { environments, ..image.into() })
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImagePatch {
    /// Whose it is; null takes the owner away.
    #[serde(default, deserialize_with = "input::present")]
    #[schema(value_type = Option<String>, max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    owner: Option<Option<String>>,
    /// All labels.
    labels: Option<Labels>,
    /// Names of all environments.
    environments: Option<Vec<String>>,
}

/// Changes owner, labels or environments.
#[utoipa::path(
    patch, path = "/images/{id}", tag = "images", params(("id" = i64, Path, description = "Number of the record")),
    request_body = ImagePatch,
    responses((status = 200, description = "The record as it is now", body = ImageBody))
)]
pub(super) async fn change_image(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Json(patch): Json<ImagePatch>,
) -> Result<Json<ImageBody>, Problem> {
    let image = input::image(&state, &caller, id, Role::Operator).await?;
    let plain = |text: &str| {
        let fits =
            !text.is_empty() && text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
        let detail =
            format!("a name is empty, longer than {MAX_TEXT} characters, or holds control characters");
        if fits { Ok(()) } else { Err(Problem::invalid("text-invalid", detail, "Write short plain text.")) }
    };
    let many = |what: &str, most: usize| {
        Problem::invalid("too-many", format!("there are more than {most} {what}"), "Use fewer.")
    };
    if let Some(Some(owner)) = &patch.owner {
        plain(owner)?;
    }
    if let Some(labels) = &patch.labels {
        if labels.len() > MAX_LABELS {
            return Err(many("labels", MAX_LABELS));
        }
        labels.iter().try_for_each(|(name, value)| plain(name).and_then(|()| plain(value)))?;
    }
    if let Some(environments) = &patch.environments {
        if environments.len() > MAX_ENVIRONMENTS {
            return Err(many("environments", MAX_ENVIRONMENTS));
        }
        environments.iter().try_for_each(|name| plain(name))?;
    }
    let detail = json!({ "owner": patch.owner, "labels": patch.labels, "environments": patch.environments });
    let change = ImageChange { owner: patch.owner, labels: patch.labels, environments: patch.environments };
    let store = &state.service.store;
    store.change_image(id, &change, clock::now()).await?;
    let note =
        caller.note("image.changed", format!("image:{}", image.reference), Some(image.project_id), detail);
    store.record(&note.event(), clock::now()).await?;
    let changed = input::image(&state, &caller, id, Role::Viewer).await?;
    Ok(Json(with_environments(&state, changed).await?))
}

/// Forgets an image record with its scans and reports.
#[utoipa::path(
    delete, path = "/images/{id}", tag = "images", params(("id" = i64, Path, description = "Number of the record")),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete_image(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let image = input::image(&state, &caller, id, Role::Operator).await?;
    let store = &state.service.store;
    store.delete_image(id).await?;
    let detail = json!({ "id": id, "digest": image.digest });
    let note =
        caller.note("image.deleted", format!("image:{}", image.reference), Some(image.project_id), detail);
    store.record(&note.event(), clock::now()).await?;
    state.service.touch();
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Where the page begins: what `next` of the one before said.
    pub(super) cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
}

/// Scans of an image, the newest first.
#[utoipa::path(
    get, path = "/images/{id}/scans", tag = "images",
    params(("id" = i64, Path, description = "Number of the record"), PageQuery),
    responses((status = 200, description = "A page", body = Page<StatusBody>))
)]
pub(super) async fn image_scans(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<StatusBody>>, Problem> {
    let image = input::image(&state, &caller, id, Role::Viewer).await?;
    let filter = ScanFilter {
        image: Some(image.id),
        before: page::decode(query.cursor.as_deref())?,
        limit: page::limit(query.limit)?,
        ..ScanFilter::default()
    };
    super::scans::page_of(&state, &caller.scope(), filter).await.map(Json)
}
