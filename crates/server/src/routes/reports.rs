//! Reports in the formats that there are, and what differs between two.

use app::history::{DiffFinding, DiffPackage};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use model::Role;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::input;
use crate::{
    auth::Ready,
    etag::tagged_text,
    extract::{Json, Path, Query},
    problem::{self, Problem},
    state::AppState,
    words::{SeverityWord, Word},
};

/// A format of reports.
struct Format {
    name: &'static str,
    media_type: &'static str,
    write: fn(&model::Report, &str) -> String,
}

/// Every format there is; the first one unless another is asked for.
const FORMATS: &[Format] =
    &[Format { name: "json", media_type: "application/json", write: formats::json::write }];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FormatQuery {
    /// Name of the format; wins over `Accept`.
    #[param(example = "json")]
    format: Option<String>,
}

/// By the query, else by `Accept`.
fn choose(query: &FormatQuery, headers: &HeaderMap) -> Result<&'static Format, Problem> {
    let found = match &query.format {
        Some(name) => FORMATS.iter().find(|format| format.name == name),
        None => accepted(headers),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = FORMATS.iter().map(|f| format!("{} ({})", f.name, f.media_type)).collect();
        let detail = format!("reports come as {}", known.join(", "));
        Problem::new(StatusCode::NOT_ACCEPTABLE, "format-not-known", detail, "Ask for one of these formats.")
    })
}

/// The format that a client likes best (RFC 9110 section 12.5.1).
fn accepted(headers: &HeaderMap) -> Option<&'static Format> {
    let lines: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut best: Option<(f32, &'static Format)> = None;
    if lines.is_empty() {
        return FORMATS.first();
    }
    for range in lines.iter().flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let wanted = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
        let fits = |media_type: &str| {
            wanted == "*/*"
                || wanted == media_type
                || wanted
                    .strip_suffix("/*")
                    .is_some_and(|family| media_type.split('/').next() == Some(family))
        };
        let format = FORMATS.iter().find(|format| fits(format.media_type));
        if let Some(format) =
            format.filter(|_| quality > 0.0 && best.is_none_or(|(other, _)| quality > other))
        {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format)
}

/// The report of a completed scan, as it was made.
#[utoipa::path(
    get, path = "/scans/{id}/report", tag = "scans",
    params(("id" = Uuid, Path, description = "The scan"), FormatQuery),
    responses(
        (status = 200, description = "The report, by docs/report.schema.json", body = serde_json::Value),
        (status = 304, description = "It is as the client knows it"),
        (status = 406, description = "There is no such format; the answer lists those there are", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The scan is not completed: `report_not_ready`", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn scan_report(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(query): Query<FormatQuery>,
) -> Result<Response, Problem> {
    let scan = input::scan(&state, &caller, id, Role::Analyst).await?;
    let format = choose(&query, &headers)?;
    let report = state.service.report_of_scan(&scan).await;
    let report =
        report.map_err(|error| Problem::from(error).about(Some(scan.reference.clone()), Some(id)))?;
    Ok(tagged_text(&headers, format.media_type, (format.write)(&report, &state.settings.version)))
}

/// What is wrong with an image now: its newest inventory, by today's advisories.
#[utoipa::path(
    get, path = "/images/{id}/report", tag = "images",
    params(("id" = i64, Path, description = "Number of the record"), FormatQuery),
    responses(
        (status = 200, description = "The report, by docs/report.schema.json", body = serde_json::Value),
        (status = 304, description = "It is as the client knows it"),
        (status = 406, description = "There is no such format; the answer lists those there are", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "No scan of it was completed: `report_not_ready`", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn image_report(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Path(id): Path<i64>,
    Query(query): Query<FormatQuery>,
) -> Result<Response, Problem> {
    let image = input::image(&state, &caller, id, Role::Analyst).await?;
    let format = choose(&query, &headers)?;
    let report = state.service.report_of_image(&image).await;
    let report = report.map_err(|error| Problem::from(error).about(Some(image.reference.clone()), None))?;
    Ok(tagged_text(&headers, format.media_type, (format.write)(&report, &state.settings.version)))
}

/// What differs between two scans.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Diff {
    /// Findings of the second only.
    added: Vec<DiffFindingBody>,
    /// Findings of the first only.
    removed: Vec<DiffFindingBody>,
    /// How many both have.
    same: usize,
    packages_added: Vec<DiffPackageBody>,
    packages_removed: Vec<DiffPackageBody>,
}

/// A finding that only one of them has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiffFinding)]
pub(super) struct DiffFindingBody {
    id: String,
    severity: SeverityWord,
    package: DiffPackageBody,
    /// The least version that fixes it.
    fixed_version: Option<String>,
}

/// A package.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiffPackage)]
pub(super) struct DiffPackageBody {
    /// As in purls: deb, apk, rpm, npm ...
    kind: &'static str,
    name: String,
    version: String,
}

impl From<DiffPackage> for DiffPackageBody {
    fn from((kind, name, version): DiffPackage) -> Self {
        Self { kind: kind.as_str(), name, version }
    }
}

impl From<DiffFinding> for DiffFindingBody {
    fn from(finding: DiffFinding) -> Self {
        let DiffFinding { id, severity, package, fixed_version } = finding;
        Self { id, severity: Word(severity), package: package.into(), fixed_version }
    }
}

/// What differs between two completed scans: from the first to the second.
#[utoipa::path(
    get, path = "/scans/{id}/diff/{other}", tag = "scans",
    params(("id" = Uuid, Path, description = "The first scan"), ("other" = Uuid, Path, description = "The second")),
    responses(
        (status = 200, description = "The difference", body = Diff),
        (status = 409, description = "One of them is not completed: `report_not_ready`", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn diff_scans(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path((id, other)): Path<(Uuid, Uuid)>,
) -> Result<Json<Diff>, Problem> {
    let first = input::scan(&state, &caller, id, Role::Analyst).await?;
    let second = input::scan(&state, &caller, other, Role::Analyst).await?;
    let found = state.service.diff(&first, &second).await?;
    Ok(Json(Diff {
        added: found.added.into_iter().map(Into::into).collect(),
        removed: found.removed.into_iter().map(Into::into).collect(),
        same: found.same,
        packages_added: found.packages_added.into_iter().map(Into::into).collect(),
        packages_removed: found.packages_removed.into_iter().map(Into::into).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_negotiated() {
        for (accept, expected) in [
            (None, Some("json")),
            (Some("*/*"), Some("json")),
            (Some("text/html, application/*;q=0.5"), Some("json")),
            (Some("application/json;q=0"), None),
            (Some("text/html"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepted(&headers).map(|format| format.name), expected, "{accept:?}");
        }
    }
}
