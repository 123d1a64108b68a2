//! How the reports of an image changed, and why.

use app::{clock::rfc3339, history::Direction};
use axum::extract::State;
use model::Role;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{images::PageQuery, input};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::Problem,
    state::AppState,
    words::{ChangeReasonWord, FacetsBody, SeverityWord, Word},
};

/// One report of an image, and what changed since the one before it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct HistoryStep {
    report: i64,
    scan: Uuid,
    #[schema(format = "date-time")]
    at: String,
    digest: String,
    facets: FacetsBody,
    partial: bool,
    /// What changed since the report before it; null for the first.
    change: Option<HistoryChange>,
}

/// What changed between two reports.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct HistoryChange {
    /// Every reason that anything changed for.
    reasons: Vec<ChangeReasonWord>,
    added: usize,
    removed: usize,
    /// Findings that say something else than before.
    changed: usize,
    /// The findings, two hundred at most; empty for who may see counts only.
    findings: Vec<HistoryFinding>,
}

/// How a finding changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct HistoryFinding {
    /// added, removed or changed.
    change: &'static str,
    reason: ChangeReasonWord,
    id: String,
    severity: SeverityWord,
    package: String,
    version: String,
}

/// Reports of an image, the newest first, with what changed from one to the next and why.
#[utoipa::path(
    get, path = "/images/{id}/history", tag = "images",
    params(("id" = i64, Path, description = "Number of the record"), PageQuery),
    responses((status = 200, description = "A page", body = Page<HistoryStep>))
)]
pub(super) async fn image_history(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<HistoryStep>>, Problem> {
    let image = input::image(&state, &caller, id, Role::Viewer).await?;
    let names = caller.may(Role::Analyst, Some(image.project_id)).is_ok();
    let before = page::decode(query.cursor.as_deref())?;
    let limit = page::limit(query.limit)?.min(50);
    let (steps, next) = state.service.history(&image, before, limit).await?;
    let items = steps.into_iter().map(|step| HistoryStep {
        report: step.report,
        scan: step.scan,
        at: rfc3339(step.at),
        digest: step.digest,
        facets: step.facets.into(),
        partial: step.partial,
        change: step.change.map(|change| HistoryChange {
            reasons: change.reasons.into_iter().map(Word).collect(),
            added: change.added,
            removed: change.removed,
            changed: change.changed,
            findings: change
                .findings
                .into_iter()
                .filter(|_| names)
                .map(|changed| HistoryFinding {
                    change: match changed.direction {
                        Direction::Added => "added",
                        Direction::Removed => "removed",
                        Direction::Changed => "changed",
                    },
                    reason: Word(changed.reason),
                    id: changed.finding.finding.id,
                    severity: Word(changed.finding.finding.severity),
                    package: changed.finding.package,
                    version: changed.finding.version,
                })
                .collect(),
        }),
    });
    Ok(Json(Page { items: items.collect(), next: next.map(|next| page::encode(&next)) }))
}
