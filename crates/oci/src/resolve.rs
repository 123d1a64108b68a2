//! From a manifest document to an [`Image`]: platform choice, verification, limits. Knows no source.

use std::sync::Arc;

use model::{digest::Digest, inventory, limits::Limits, platform::Platform};

use crate::{
    error::OciError,
    image::{BlobStore, Expected, Image, Layer, Stage},
    manifest::{Descriptor, Manifest, parse_config, parse_manifest, shorten},
    media::{self, LayerType},
    verify::verify,
};

/// Indexes inside indexes that are followed.
const INDEX_DEPTH: usize = 3;

/// What a caller wants of an image.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The reference or path as the user wrote it.
    pub(crate) reference: String,
    /// The platform, when the user named one.
    pub(crate) platform: Option<Platform>,
    pub(crate) limits: Limits,
}

/// The document to begin with.
pub(crate) enum Root {
    /// To be loaded from the store.
    Descriptor(Descriptor),
    /// At hand, and verified by whoever got it.
    Bytes { bytes: Vec<u8>, media_type: Option<String>, digest: Digest },
    /// Manifests of a layout, to choose from by platform; not a document of its own.
    Choice(Vec<Descriptor>),
}

/// Follows `root` to one image and reads its configuration.
pub(crate) fn resolve(store: Arc<dyn BlobStore>, root: Root, wish: Wish) -> Result<Image, OciError> {
    let mut index_digest = None;
    let mut named_platform = None;
    let mut next = match root {
        Root::Bytes { bytes, media_type, digest } => {
            let what = format!("manifest of {}", wish.reference);
            Step::Parsed(digest, parse_manifest(&bytes, media_type.as_deref(), &what)?)
        }
        Root::Descriptor(descriptor) => Step::Load(descriptor),
        Root::Choice(manifests) => Step::Choose(manifests),
    };
    // Three steps for each index (load, parse, choose), two for the image.
    for _ in 0..3 * INDEX_DEPTH + 2 {
        next = match next {
            Step::Load(descriptor) => {
                let what = format!("manifest {} of {}", descriptor.digest, wish.reference);
                let bytes = load(&*store, &descriptor, &what, &wish.limits, true)?;
                let manifest = parse_manifest(&bytes, Some(descriptor.media_type.as_str()), &what)?;
                named_platform = descriptor.platform.or(named_platform);
                Step::Parsed(descriptor.digest, manifest)
            }
            Step::Choose(manifests) => Step::Load(choose(manifests, &wish)?),
            Step::Parsed(digest, Manifest::Index(manifests)) => {
                // The outermost index is the one that people know.
                index_digest.get_or_insert(digest);
                Step::Choose(manifests)
            }
            Step::Parsed(digest, Manifest::Image { config, layers }) => {
                let parts = Parts { digest: Some(digest), index_digest, named_platform, config, layers };
                return assemble(store, parts, wish);
            }
        };
    }
    Err(OciError::Invalid { what: wish.reference, why: "its indexes are nested too deep".to_owned() })
}

enum Step {
    Load(Descriptor),
    Parsed(Digest, Manifest),
    Choose(Vec<Descriptor>),
}

/// What was found on the way to an image.
struct Parts {
    digest: Option<Digest>,
    index_digest: Option<Digest>,
    named_platform: Option<Platform>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

fn assemble(store: Arc<dyn BlobStore>, parts: Parts, wish: Wish) -> Result<Image, OciError> {
    let Parts { digest, index_digest, named_platform, config: config_descriptor, layers: blobs } = parts;
    let reference = &wish.reference;
    let not_an_image = |why| Err(OciError::NotAnImage { what: reference.clone(), why });
    if !media::is_image_config(&config_descriptor.media_type) {
        return not_an_image(format!(
            "its configuration is of type {}",
            shorten(&config_descriptor.media_type)
        ));
    }
    let all_foreign =
        !blobs.is_empty() && blobs.iter().all(|b| media::layer_type(&b.media_type) == LayerType::Other);
    if all_foreign {
        let media_type = blobs.first().map(|b| b.media_type.as_str()).unwrap_or_default();
        return not_an_image(format!("its contents are of type {}", shorten(media_type)));
    }
    check_layer_count(blobs.len(), reference, &wish.limits)?;

    let what = format!("configuration {} of {reference}", config_descriptor.digest);
    let bytes = load(&*store, &config_descriptor, &what, &wish.limits, false)?;
    let config = parse_config(&bytes, &what)?;
    if !config.diff_ids.is_empty() && config.diff_ids.len() != blobs.len() {
        return Err(OciError::Invalid {
            what,
            why: format!("it names {} layers, the manifest {}", config.diff_ids.len(), blobs.len()),
        });
    }
    let platform = config.platform.clone().or(named_platform);
    check_platform(platform.as_ref(), &wish)?;

    let created_by = config.created_by(blobs.len());
    let layers = blobs
        .iter()
        .zip(created_by)
        .enumerate()
        .map(|(i, (blob, created_by))| Layer {
            facts: inventory::Layer {
                digest: blob.digest.clone(),
                diff_id: config.diff_ids.get(i).cloned(),
                size: blob.size,
                created_by,
            },
            media_type: blob.media_type.clone(),
            expected: Expected { digest: blob.digest.clone(), stage: Stage::Stored, size: Some(blob.size) },
            unsupported: unsupported(blob),
        })
        .collect();
    Ok(Image {
        reference: wish.reference,
        digest,
        index_digest,
        config_digest: config_descriptor.digest,
        platform,
        config,
        layers,
        blobs,
        store,
    })
}

/// Fails when there are more layers than the limit.
pub(crate) fn check_layer_count(layers: usize, reference: &str, limits: &Limits) -> Result<(), OciError> {
    if layers > limits.layers {
        return Err(OciError::TooLarge {
            what: format!("the number of layers of {reference} ({layers})"),
            limit: format!("{} layers", limits.layers),
        });
    }
    Ok(())
}

/// Fails when the user named a platform and the image is made for another one.
pub(crate) fn check_platform(platform: Option<&Platform>, wish: &Wish) -> Result<(), OciError> {
    match (&wish.platform, platform) {
        (Some(wanted), Some(platform)) if platform.serves(wanted).is_none() => {
            Err(OciError::PlatformNotFound {
                image: wish.reference.clone(),
                wanted: wanted.clone(),
                available: vec![platform.to_string()],
            })
        }
        _ => Ok(()),
    }
}

fn unsupported(blob: &Descriptor) -> Option<String> {
    match media::layer_type(&blob.media_type) {
        LayerType::Encrypted => Some("the layer is encrypted".to_owned()),
        LayerType::Foreign if !blob.urls.is_empty() => {
            Some("the layer is not distributed with the image, only by its vendor".to_owned())
        }
        _ => None,
    }
}

/// Loads a document and checks it against its descriptor.
fn load(
    store: &dyn BlobStore,
    descriptor: &Descriptor,
    what: &str,
    limits: &Limits,
    is_manifest: bool,
) -> Result<Vec<u8>, OciError> {
    if descriptor.size > limits.document_bytes {
        return Err(OciError::TooLarge {
            what: what.to_owned(),
            limit: format!("{} bytes", limits.document_bytes),
        });
    }
    let bytes = if is_manifest {
        store.manifest(descriptor, limits.document_bytes)?
    } else {
        store.document(descriptor, limits.document_bytes)?
    };
    if bytes.len() as u64 != descriptor.size {
        return Err(OciError::SizeMismatch {
            what: what.to_owned(),
            expected: descriptor.size,
            actual: bytes.len() as u64,
        });
    }
    verify(&bytes, &descriptor.digest, what)?;
    Ok(bytes)
}

/// The manifest that serves the wanted platform best; without a wish, this machine's, or the only one.
fn choose(manifests: Vec<Descriptor>, wish: &Wish) -> Result<Descriptor, OciError> {
    let mut candidates: Vec<Descriptor> = manifests.into_iter().filter(|m| !m.is_attestation()).collect();
    let wanted = wish.platform.clone().unwrap_or_else(Platform::host);
    let mut best: Option<(u8, usize)> = None;
    for (i, candidate) in candidates.iter().enumerate() {
        // An index without platforms is a plain list; whether the image fits is seen in its configuration.
        let rank = candidate.platform.as_ref().map_or(Some(0), |p| p.serves(&wanted).map(|r| r + 1));
        if let Some(rank) = rank
            && best.is_none_or(|(top, _)| rank > top)
        {
            best = Some((rank, i));
        }
    }
    let chosen = match best {
        Some((_, i)) => Some(i),
        None if wish.platform.is_none() && candidates.len() == 1 => Some(0),
        None => None,
    };
    if let Some(i) = chosen {
        return Ok(candidates.swap_remove(i));
    }
    if candidates.is_empty() {
        return Err(OciError::NotAnImage {
            what: wish.reference.clone(),
            why: "its index lists no images".to_owned(),
        });
    }
    let mut available: Vec<String> =
        candidates.iter().filter_map(|m| m.platform.as_ref().map(|p| shorten(&p.to_string()))).collect();
    available.sort();
    available.dedup();
    available.truncate(40);
    Err(OciError::PlatformNotFound { image: wish.reference.clone(), wanted, available })
}
