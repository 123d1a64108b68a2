//! Images of a registry as the engine reads them.

use std::io::Read;
use std::sync::Arc;

use model::reference::ImageReference;
use tokio::runtime::Handle;

use crate::{
    error::OciError,
    image::{BlobStore, Image},
    manifest::Descriptor,
    open::Network,
    registry::{client::Registry, reader::run},
    resolve::{Root, Wish, resolve},
};

struct RegistryStore {
    registry: Registry,
    repository: String,
    runtime: Handle,
}

impl BlobStore for RegistryStore {
    fn manifest(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        let id = descriptor.digest.to_string();
        run(&self.runtime, "fetch a manifest", async move {
            Ok(registry.fetch_manifest(&repository, &id, limit).await?.bytes)
        })
    }

    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        let digest = descriptor.digest.clone();
        run(&self.runtime, "fetch a configuration", async move {
            registry.fetch_blob(&repository, &digest, limit).await
        })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, OciError> {
        let reader =
            self.registry.blob_reader(&self.runtime, &self.repository, &descriptor.digest, descriptor.size);
        Ok(Box::new(reader))
    }
}

/// Opens an image in a registry.
pub(crate) fn load(reference: &ImageReference, network: &Network, wish: Wish) -> Result<Image, OciError> {
    let registry = network.registries.registry(&reference.registry);
    let (repository, id) = (reference.repository.clone(), reference.manifest_id());
    let limit = wish.limits.document_bytes;
    let fetched = {
        let registry = registry.clone();
        let repository = repository.clone();
        run(&network.runtime, "fetch a manifest", async move {
            registry.fetch_manifest(&repository, &id, limit).await
        })?
    };
    let root = Root::Bytes { bytes: fetched.bytes, media_type: fetched.media_type, digest: fetched.digest };
    let store = RegistryStore { registry, repository, runtime: network.runtime.clone() };
    resolve(Arc::new(store), root, wish)
}
