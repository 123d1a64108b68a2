//! Fetches one export into a temporary file, unless it has not changed.

use std::{path::Path, time::Duration};

use advisory::database::Origin;
use egress::{
    Client, EgressError, Request, StatusCode, Url,
    header::{ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

/// How often a body that breaks off is asked for again; requests that fail are the client's to repeat.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(250);

/// Why an export could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("failed to fetch {0}: the server answered {1}")]
    Status(String, StatusCode),
    #[error("failed to fetch {0}: it is larger than {1} bytes")]
    TooLarge(String, u64),
    #[error("failed to store {0}")]
    Io(String, #[source] std::io::Error),
}

/// What a conditional request came to.
pub(crate) enum Download {
    /// The same as before.
    NotModified,
    /// A new export in a file that vanishes when it is dropped.
    File(NamedTempFile, Origin),
}

/// Asks for an export; `before` makes the request conditional. `received` is told the bytes so far and the
/// announced length.
pub(crate) async fn download(
    client: &Client,
    url: &Url,
    what: &str,
    before: Option<&Origin>,
    dir: &Path,
    limit: u64,
    received: &(dyn Fn(u64, Option<u64>) + Send + Sync),
) -> Result<Download, DownloadError> {
    let mut attempt = 1;
    loop {
        let outcome = try_download(client, url, what, before, dir, limit, received).await;
        match outcome {
            Err(DownloadError::Egress(error)) if error.is_transient() && attempt < ATTEMPTS => {
                tracing::debug!(error = %error, attempt, "asking again");
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn try_download(
    client: &Client,
    url: &Url,
    what: &str,
    before: Option<&Origin>,
    dir: &Path,
    limit: u64,
    received: &(dyn Fn(u64, Option<u64>) + Send + Sync),
) -> Result<Download, DownloadError> {
    let io = |error| DownloadError::Io(what.to_owned(), error);
    let mut request = Request::get(format!("fetch {what}"), url.clone());
    let conditions = [
        (IF_NONE_MATCH, before.and_then(|b| b.etag.as_ref())),
        (IF_MODIFIED_SINCE, before.and_then(|b| b.last_modified.as_ref())),
    ];
    for (name, value) in conditions {
        // What is no header value was never one of the server's.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            request = request.header(name, value);
        }
    }
    let mut response = client.send(request).await?;
    if response.status() == StatusCode::NOT_MODIFIED && before.is_some() {
        return Ok(Download::NotModified);
    }
    if response.status() != StatusCode::OK {
        return Err(DownloadError::Status(what.to_owned(), response.status()));
    }
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(DownloadError::TooLarge(what.to_owned(), limit));
    }
    let text = |name| response.header(name).map(str::to_owned);
    let origin = Origin {
        url: url.to_string(),
        etag: text(ETAG.as_str()),
        last_modified: text(LAST_MODIFIED.as_str()),
        checked: Some(crate::now()),
    };
    let temporary =
        tempfile::Builder::new().prefix(".export-").suffix(".tmp").tempfile_in(dir).map_err(io)?;
    let mut file = tokio::fs::File::from_std(temporary.as_file().try_clone().map_err(io)?);
    let mut total = 0_u64;
    received(0, announced);
    while let Some(chunk) = response.chunk().await? {
        total += chunk.len() as u64;
        if total > limit {
            return Err(DownloadError::TooLarge(what.to_owned(), limit));
        }
        file.write_all(&chunk).await.map_err(io)?;
        received(total, announced);
    }
    file.flush().await.map_err(io)?;
    Ok(Download::File(temporary, origin))
}
