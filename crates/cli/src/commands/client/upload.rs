//! Archives of this machine, sent to the service to be scanned.

use std::{io, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use egress::{
    Body, Method, Request,
    header::{CONTENT_TYPE, HeaderValue},
};
use futures_util::{Stream, stream};
use tokio::{fs::File, io::AsyncReadExt as _};

use super::{Answer, Connection};
use crate::exit::Failure;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;
/// How long an upload may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How archives are named, as in `lazaret scan`.
const FORMS: [&str; 2] = ["docker-archive:", "oci-archive:"];

/// The file that is meant, when an image is named by one.
pub(super) fn file_of(image: &str) -> Option<&Path> {
    FORMS.iter().find_map(|form| image.strip_prefix(form)).map(Path::new)
}

/// Sends a file; the record of its image gets the file's name.
pub(super) fn send(connection: &Connection, file: &Path, query: &[(&str, &str)]) -> Result<Answer, Failure> {
    let unreadable = |error: io::Error| {
        let message = format!("failed to read {}: {error}", file.display());
        Failure::usage(
            "archive-unreadable",
            message,
            "Name a file that `docker save` or `skopeo copy` wrote.",
        )
    };
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let query: Vec<(&str, &str)> = [("name", name.as_str())].iter().chain(query).copied().collect();
    let url = connection.url("uploads", &query)?;
    let opened = connection.runtime.block_on(File::open(file)).map_err(unreadable)?;
    connection.answer(Method::POST, url, None, PATIENCE, |request: Request| {
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        connection.signed(request).body(Body::stream(chunks(opened), length))
    })
}

fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (chunk.freeze(), file)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_named_as_everywhere() {
        for (image, file) in [
            ("docker-archive:saved.tar", Some("saved.tar")),
            ("oci-archive:/x/app.tar", Some("/x/app.tar")),
            ("registry.example.com/app:1", None),
            ("app.tar", None),
        ] {
            assert_eq!(file_of(image), file.map(Path::new), "{image}");
        }
    }
}
