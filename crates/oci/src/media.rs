//! Media types of manifests, configurations and layers (OCI image-spec media-types.md; Docker Image Manifest
//! Version 2, Schema 2).

/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI layer, uncompressed; `+gzip` and `+zstd` follow it.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker container configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker layer, gzip.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// What a client that reads images accepts from a registry. Schema 1 is left out: registries that hold only
/// that then say so, or send it, which is told apart by its content.
pub const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json"
);

/// What a manifest document turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestKind {
    /// A list of manifests.
    Index,
    /// One image.
    Image,
    /// Docker schema 1, signed or not.
    Schema1,
}

/// The kind that a media type names; `None` for others. Parameters such as `; charset=utf-8` are ignored.
pub fn manifest_kind(media_type: &str) -> Option<ManifestKind> {
    match essence(media_type) {
        OCI_INDEX | DOCKER_LIST => Some(ManifestKind::Index),
        OCI_MANIFEST | DOCKER_MANIFEST => Some(ManifestKind::Image),
        "application/vnd.docker.distribution.manifest.v1+json"
        | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Some(ManifestKind::Schema1),
        _ => None,
    }
}

/// True for the configuration of a container image.
pub fn is_image_config(media_type: &str) -> bool {
    matches!(essence(media_type), OCI_CONFIG | DOCKER_CONFIG)
}

/// What the media type of a layer says of reading it. Compression is told by the bytes, not by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerType {
    /// An archive of files.
    Archive,
    /// An archive that lies elsewhere when its descriptor has `urls`.
    Foreign,
    /// Encrypted (OCIcrypt).
    Encrypted,
    /// Not known to be a layer.
    Other,
}

/// Sorts the media type of a layer.
pub fn layer_type(media_type: &str) -> LayerType {
    let media_type = essence(media_type);
    if media_type.ends_with("+encrypted") {
        return LayerType::Encrypted;
    }
    if media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar")
    {
        return LayerType::Foreign;
    }
    if media_type.starts_with(OCI_LAYER)
        || media_type.starts_with("application/vnd.docker.image.rootfs.diff.tar")
    {
        return LayerType::Archive;
    }
    LayerType::Other
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_layers_apart() {
        for (media_type, expected) in [
            ("application/vnd.oci.image.layer.v1.tar", LayerType::Archive),
            ("application/vnd.oci.image.layer.v1.tar+zstd", LayerType::Archive),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", LayerType::Archive),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", LayerType::Encrypted),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", LayerType::Foreign),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", LayerType::Foreign),
            ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", LayerType::Other),
            ("", LayerType::Other),
        ] {
            assert_eq!(layer_type(media_type), expected, "{media_type}");
        }
    }

    #[test]
    fn ignores_parameters() {
        assert_eq!(
            manifest_kind("application/vnd.oci.image.index.v1+json; charset=utf-8"),
            Some(ManifestKind::Index)
        );
        assert!(ACCEPT.split(", ").all(|t| manifest_kind(t).is_some()));
    }
}
