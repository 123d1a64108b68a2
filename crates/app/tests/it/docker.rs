//! Images pushed to the real registry.

use egress::ClientConfig;
use oci::registry::{BlobContent, CredentialSource, Credentials, Registries, Registry, RegistryOptions};
use testkit::{
    docker_registry::{PASSWORD, USER},
    image::Published,
};

/// The registry at that host, for its only user.
pub(crate) fn remote(host: &str, authority: Option<&str>) -> Registry {
    let mut client = ClientConfig::command_line();
    client.extra_ca.extend(authority.map(|pem| pem.as_bytes().to_vec()));
    let credentials = CredentialSource::Explicit {
        registry: host.to_owned(),
        credentials: Credentials::basic(USER, PASSWORD),
    };
    Registries::new(RegistryOptions { client, credentials, plain_http: Vec::new() }).registry(host)
}

/// Pushes an image.
pub(crate) async fn push(registry: &Registry, repository: &str, tag: &str, image: &Published) {
    for blob in &image.blobs {
        let content = BlobContent::Bytes(blob.bytes.clone());
        registry.push_blob(repository, &blob.digest, content).await.unwrap();
    }
    for manifest in &image.manifests {
        let (id, bytes) = (manifest.digest.to_string(), manifest.bytes.clone());
        registry.push_manifest(repository, &id, &manifest.media_type, bytes).await.unwrap();
    }
    let (media_type, bytes) = (&image.root.media_type, image.root.bytes.clone());
    registry.push_manifest(repository, tag, media_type, bytes).await.unwrap();
}
