//! Reports in the formats that there are, and what differs between two.

use std::cmp::Reverse;

use app::history::{DiffFinding, DiffPackage};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use formats::{FORMATS, Format};
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

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FormatQuery {
    /// Name of the format, one of those of `docs/formats.md`; wins over `Accept`.
    #[param(example = "json")]
    format: Option<String>,
}

/// By the query, else by `Accept`.
fn choose(query: &FormatQuery, headers: &HeaderMap) -> Result<&'static Format, Problem> {
    let found = match &query.format {
        Some(name) => formats::find(name),
        None => accepted(headers),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = FORMATS.iter().map(|f| format!("{} ({})", f.name, f.media_type)).collect();
        let detail = format!("reports come as {}", known.join(", "));
        Problem::new(StatusCode::NOT_ACCEPTABLE, "format-not-known", detail, "Ask for one of these formats.")
    })
}

/// The format that a client likes best (RFC 9110 section 12.5.1): of each format, what the most specific range says
/// of it counts. Among those that it likes as well, the one that it names first; then the order of the list.
fn accepted(headers: &HeaderMap) -> Option<&'static Format> {
    let lines: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if lines.is_empty() {
        return FORMATS.first();
    }
    let ranges: Vec<(String, f32)> = lines.iter().flat_map(|line| line.split(',')).map(range).collect();
    let mut best: Option<(f32, Reverse<usize>, &'static Format)> = None;
    for format in FORMATS {
        let fitting = ranges.iter().enumerate().filter_map(|(at, (wanted, quality))| {
            let exactness = exactness(wanted, format.media_type)?;
            Some((exactness, Reverse(at), *quality))
        });
        let Some((_, at, quality)) = fitting.max_by_key(|(exactness, at, _)| (*exactness, *at)) else {
            continue;
        };
        if quality > 0.0 && best.is_none_or(|(other, place, _)| (quality, at) > (other, place)) {
            best = Some((quality, at, format));
        }
    }
    best.map(|(_, _, format)| format)
}

/// A media range in lower case, and how much it is liked.
fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let wanted = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
    (wanted, quality)
}

/// How exactly a media range names a media type; `None` when it does not.
fn exactness(wanted: &str, media_type: &str) -> Option<u8> {
    if wanted == media_type {
        return Some(2);
    }
    if let Some(family) = wanted.strip_suffix("/*").filter(|family| *family != "*") {
        return (media_type.split('/').next() == Some(family)).then_some(1);
    }
    (wanted == "*/*").then_some(0)
}

/// A report in a format. What comes depends on what the client accepts.
fn answer(headers: &HeaderMap, format: &Format, report: &model::Report, version: &str) -> Response {
    let mut response = tagged_text(headers, format.media_type, (format.write)(report, version));
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// The report of a completed scan, as it was made.
#[utoipa::path(
    get, path = "/scans/{id}/report", tag = "scans",
    params(("id" = Uuid, Path, description = "The scan"), FormatQuery),
    responses(
        (status = 200, description = "The report in the format that was asked for; JSON is by docs/report.schema.json", body = serde_json::Value),
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
    Ok(answer(&headers, format, &report, &state.settings.version))
}

/// What is wrong with an image now: its newest inventory, by today's advisories.
#[utoipa::path(
    get, path = "/images/{id}/report", tag = "images",
    params(("id" = i64, Path, description = "Number of the record"), FormatQuery),
    responses(
        (status = 200, description = "The report in the format that was asked for; JSON is by docs/report.schema.json", body = serde_json::Value),
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
    Ok(answer(&headers, format, &report, &state.settings.version))
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
            (Some("application/sarif+json"), Some("sarif")),
            (Some("Application/SARIF+JSON; q=0.3, text/csv;q=0.2"), Some("sarif")),
            (Some("text/*"), Some("csv")),
            (Some("text/csv, */*"), Some("csv")),
            (Some("*/*, text/csv"), Some("json")),
            (Some("*/*;q=0.1, application/json;q=0"), Some("trivy")),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some("json")),
            (Some("application/json;q=x"), Some("json")),
            (Some(";q=, ,/,*"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepted(&headers).map(|format| format.name), expected, "{accept:?}");
        }
    }
}
