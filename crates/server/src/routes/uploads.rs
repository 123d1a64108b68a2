//! An archive that is sent here to be scanned: `docker save` or an OCI layout, streamed to a file, limited in size.

use std::path::{Path as FsPath, PathBuf};

use app::submit::{ScanOrder, Target};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use futures_util::StreamExt as _;
use model::{JobClass, Role};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    input,
    submit::{Submission, accepted, submit},
};
use crate::{
    auth::Ready,
    extract::Query,
    problem::{self, Problem},
    state::AppState,
    words::JobClassWord,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// What to call the image; its record has that reference.
    #[param(min_length = 1, max_length = 300, example = "app-1.0.tar")]
    name: String,
    /// How urgent it is: interactive unless said.
    class: Option<JobClassWord>,
    /// The platform to choose from an index.
    #[param(example = "linux/amd64")]
    platform: Option<String>,
    /// The project of the image record, by name; without it, the default one.
    project: Option<String>,
}

/// A file among the uploads, which goes away unless it is kept.
struct Upload {
    path: PathBuf,
    kept: bool,
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "an upload could not be taken away");
        }
    }
}

/// Scans an archive: the body is a tar of `docker save` or an OCI layout, compressed or not.
#[utoipa::path(
    post, path = "/uploads", tag = "scans", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The archive"),
    responses(
        (status = 202, description = "Accepted", body = Submission),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
        (status = 413, description = "The archive is larger than the service takes", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn upload_archive(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let name = input::text(query.name, "name", 300)?;
    if name.trim().is_empty() {
        return Err(Problem::malformed("query-invalid", "name is empty", "Say what to call the image."));
    }
    let project = input::project(&state, &caller, query.project.as_deref(), Role::Operator).await?;
    let platform = input::platform(query.platform.as_deref())?;
    let limit = state.service.config.max_upload;
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(too_large(limit));
    }
    let file = format!("{}.tar", Uuid::now_v7().simple());
    let mut upload = Upload { path: state.service.uploads().join(&file), kept: false };
    let bytes = receive(body, &upload.path, limit).await?;
    if bytes == 0 {
        return Err(Problem::malformed("upload-empty", "the body is empty", "Send the archive as the body."));
    }
    let order = ScanOrder { target: Target::Upload { name, file }, platform, secret: None };
    let class = query.class.map_or(JobClass::Interactive, |word| word.0);
    let submission = submit(&state, &caller, &[order], (project, class, "upload")).await?;
    upload.kept = true;
    Ok(accepted(&submission))
}

fn too_large(limit: u64) -> Problem {
    let detail = format!("the archive is larger than {limit} bytes");
    let hint = "Push the image to a registry and scan it there, or raise the limit of uploads.";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail, hint)
}

/// Writes a body to a file: how many bytes.
async fn receive(body: Body, path: &FsPath, limit: u64) -> Result<u64, Problem> {
    let disk = |error: std::io::Error| {
        tracing::error!(path = %path.display(), %error, "an upload could not be written");
        let hint = "Look at the service's log: its disk may be full.";
        let detail = "the archive could not be stored";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "upload-not-stored", detail, hint)
    };
    let mut file = tokio::fs::File::create_new(path).await.map_err(disk)?;
    let mut body = body.into_data_stream();
    let mut bytes: u64 = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::malformed("upload-broken", "the body ended before its end", "Send the archive again.")
        })?;
        bytes = bytes.saturating_add(chunk.len() as u64);
        if bytes > limit {
            return Err(too_large(limit));
        }
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.sync_all().await.map_err(disk)?;
    Ok(bytes)
}
