//! Pushing, mounting and deleting, on the in-process registry and on a real one.

use egress::BodyStream;
use futures_util::StreamExt;
use oci::{
    OciError,
    registry::{BlobContent, CredentialSource, Credentials, Registry},
};
use testkit::{
    Family,
    docker_registry::{DockerRegistry, PASSWORD, Setup, USER},
    image::Published,
    registry::{Auth, TestRegistry},
};

use crate::fixture::{image, open_with, options, read_all, registries, runtime};

/// Pushes an image by our own means.
pub(crate) async fn push(
    registry: &Registry,
    repository: &str,
    tag: &str,
    image: &Published,
) -> Result<(), OciError> {
    for blob in &image.blobs {
        registry.push_blob(repository, &blob.digest, BlobContent::Bytes(blob.bytes.clone())).await?;
    }
    for manifest in &image.manifests {
        let id = manifest.digest.to_string();
        registry.push_manifest(repository, &id, &manifest.media_type, manifest.bytes.clone()).await?;
    }
    let root = &image.root;
    let digest = registry.push_manifest(repository, tag, &root.media_type, root.bytes.clone()).await?;
    assert_eq!(digest, root.digest);
    Ok(())
}

/// Everything that can be done with a registry that allows all.
fn round_trip(host: &str, credentials: CredentialSource) {
    let runtime = runtime();
    let registries = registries(credentials);
    let registry = registries.registry(host);
    let images = [image(Family::Docker, "amd64"), image(Family::Docker, "arm64")];
    let index = Published::index(Family::Docker, &images);
    runtime.block_on(push(&registry, "team/app", "1.0", &index)).unwrap();
    runtime.block_on(push(&registry, "team/app", "1.0", &index)).unwrap();
    let opened = open_with(&format!("{host}/team/app:1.0"), &options(&runtime, &registries)).unwrap();
    assert_eq!(opened.index_digest.as_ref(), Some(&index.root.digest));
    assert_eq!(opened.digest.as_ref(), Some(&images[0].manifest.digest));
    read_all(&opened).unwrap();

    runtime.block_on(async {
        let digest = &index.blobs[1].digest;
        assert!(registry.mount_blob("team/copy", digest, "team/app").await.unwrap());
        assert!(registry.has_blob("team/copy", digest).await.unwrap());
        let unknown = testkit::digest_of(b"unknown");
        assert!(!registry.mount_blob("team/copy", &unknown, "team/app").await.unwrap());
        assert!(!registry.has_blob("team/copy", &unknown).await.unwrap());

        let content = vec![7u8; 300_000];
        let chunks: Vec<_> = content.chunks(65_536).map(|c| Ok(bytes::Bytes::copy_from_slice(c))).collect();
        let stream: BodyStream = futures_util::stream::iter(chunks).boxed();
        let digest = testkit::digest_of(&content);
        let streamed = BlobContent::Stream { stream, length: content.len() as u64 };
        registry.push_blob("team/app", &digest, streamed).await.unwrap();
        assert_eq!(registry.fetch_blob("team/app", &digest, 1 << 20).await.unwrap(), content);
        assert_eq!(registry.fetch_blob("team/app", &digest, 1000).await.unwrap_err().code(), "too-large");

        let wrong = BlobContent::Bytes(bytes::Bytes::from_static(b"something else"));
        let error = registry.push_blob("team/app", &unknown, wrong).await.unwrap_err();
        assert_eq!(error.code(), "registry-answer", "{error}");

        let found = registry.fetch_digest("team/app", "1.0").await.unwrap();
        assert_eq!(found.as_ref(), Some(&index.root.digest));
        assert_eq!(registry.fetch_digest("team/app", "none").await.unwrap(), None);
        assert_eq!(registry.fetch_tags("team/app").await.unwrap(), ["1.0"]);
        registry.delete_manifest("team/app", &index.root.digest).await.unwrap();
        assert_eq!(registry.fetch_digest("team/app", "1.0").await.unwrap(), None);
        let again = registry.delete_manifest("team/app", &index.root.digest).await.unwrap_err();
        assert_eq!(again.code(), "image-not-found");
    });
}

#[test]
fn in_process() {
    let runtime = runtime();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    round_trip(&registry.host(), CredentialSource::Anonymous);
}

#[test]
fn in_process_with_tokens() {
    let runtime = runtime();
    let auth = Auth::Token { login: Some(("ann".into(), "s3cret".into())), identity_token: None };
    let registry = runtime.block_on(TestRegistry::start(auth)).unwrap();
    let credentials = Credentials::basic("ann", "s3cret");
    round_trip(&registry.host(), CredentialSource::Explicit { registry: registry.host(), credentials });
}

#[test]
fn on_a_real_registry() {
    let Some(registry) = DockerRegistry::start(&Setup::default()).unwrap() else { return };
    round_trip(&registry.host(), CredentialSource::Anonymous);
}

#[test]
fn on_a_real_registry_with_a_password() {
    let setup = Setup { password: true, tls: None };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    let credentials = Credentials::basic(USER, PASSWORD);
    round_trip(&registry.host(), CredentialSource::Explicit { registry: registry.host(), credentials });
}
