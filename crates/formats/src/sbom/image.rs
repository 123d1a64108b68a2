//! What documents say of the image itself: its purl, its layers and what could not be read of it.

use model::{Digest, ImageReference, Layer, Platform, Problem, ProblemCode, Report, report::ImageFacts};
use packageurl::PackageUrl;

/// What properties of the image are called.
const REFERENCE: &str = "lazaret:image:reference";
const DIGEST: &str = "lazaret:image:digest";
const INDEX_DIGEST: &str = "lazaret:image:index_digest";
const PLATFORM: &str = "lazaret:image:platform";
const CREATED: &str = "lazaret:image:created";
/// One for each layer, lowest first: `DIGEST SIZE [DIFF_ID]`.
const LAYER: &str = "lazaret:image:layer";
/// One for each problem of reading the image, as JSON.
const PROBLEM: &str = "lazaret:problem";

/// More layers than an image may have (`Limits::layers`) are not taken over from a document.
const MAX_LAYERS: usize = 512;
/// More problems than this are not taken over from a document.
const MAX_PROBLEMS: usize = 10_000;

/// What is to be said of the image beside the standard's own fields.
///
/// The history lines of the layers are left out: documents are given away, and commands hold secrets.
pub(crate) fn properties(report: &Report) -> Vec<(&'static str, String)> {
    let facts = &report.image;
    let mut properties = vec![(REFERENCE, facts.reference.clone())];
    for (name, value) in [
        (DIGEST, facts.digest.as_ref().map(ToString::to_string)),
        (INDEX_DIGEST, facts.index_digest.as_ref().map(ToString::to_string)),
        (PLATFORM, facts.platform.as_ref().map(ToString::to_string)),
        (CREATED, facts.created.clone()),
    ] {
        if let Some(value) = value {
            properties.push((name, value));
        }
    }
    for layer in &report.inventory.layers {
        let diff_id = layer.diff_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        properties.push((LAYER, format!("{} {}{diff_id}", layer.digest, layer.size)));
    }
    for problem in report.inventory.problems.iter().filter(|problem| of_reading(problem.code)) {
        // A struct of texts and numbers always serializes.
        properties.push((PROBLEM, serde_json::to_string(problem).unwrap_or_default()));
    }
    properties
}

/// True for what was said of the image itself; what was said of advisories is said anew by whoever matches.
const fn of_reading(code: ProblemCode) -> bool {
    !matches!(
        code,
        ProblemCode::DatabaseMissing
            | ProblemCode::DatabaseStale
            | ProblemCode::DatabaseUnusable
            | ProblemCode::NotCovered
            | ProblemCode::VersionUnparsable
            | ProblemCode::CacheUnusable
    )
}

/// What a document says of its image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reference: Option<String>,
    pub(crate) digest: Option<Digest>,
    pub(crate) index_digest: Option<Digest>,
    pub(crate) platform: Option<Platform>,
    pub(crate) created: Option<String>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) problems: Vec<Problem>,
}

impl Told {
    /// Takes over what the properties say.
    pub(crate) fn apply(&mut self, properties: &[(String, String)]) {
        for (name, value) in properties {
            match name.as_str() {
                REFERENCE => self.reference = Some(value.clone()),
                DIGEST => self.digest = value.parse().ok(),
                INDEX_DIGEST => self.index_digest = value.parse().ok(),
                PLATFORM => self.platform = value.parse().ok(),
                CREATED => self.created = Some(value.clone()),
                LAYER if self.layers.len() < MAX_LAYERS => self.layers.extend(layer(value)),
                PROBLEM if self.problems.len() < MAX_PROBLEMS => {
                    self.problems.extend(serde_json::from_str::<Problem>(value));
                }
                _ => {}
            }
        }
    }

    /// The facts, of an image that is called `name` when the document has no better one.
    pub(crate) fn facts(&self) -> ImageFacts {
        ImageFacts {
            reference: self.reference.clone().unwrap_or_default(),
            digest: self.digest.clone(),
            index_digest: self.index_digest.clone(),
            platform: self.platform.clone(),
            created: self.created.clone(),
        }
    }
}

fn layer(text: &str) -> Option<Layer> {
    let mut words = text.split(' ');
    let (digest, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Layer { digest, diff_id: words.next().and_then(|id| id.parse().ok()), size, created_by: None })
}

/// The reference, when it is one of a registry or of a daemon, which keeps the names of registries.
pub(crate) fn reference(facts: &ImageFacts) -> Option<ImageReference> {
    let text = facts.reference.as_str();
    let named = ["docker://", "docker:", "podman:"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
    let files = ["oci:", "oci-archive:", "docker-archive:", "dir:", "s3:", "sbom:", "/", "."];
    // What names a file or directory is never looked at as a name in a registry.
    let is_file = files.iter().any(|prefix| text.starts_with(prefix))
        || [".tar", ".gz", ".tgz", ".zst", ".json"].iter().any(|end| text.ends_with(end));
    if named.is_none() && is_file {
        return None;
    }
    named.unwrap_or(text).parse().ok()
}

/// `pkg:oci/NAME@DIGEST` with where it is kept (PURL-TYPES, "oci"); `None` without a digest or a reference.
pub(crate) fn purl(facts: &ImageFacts) -> Option<String> {
    let reference = reference(facts)?;
    let digest = facts.digest.as_ref().or(reference.digest.as_ref())?;
    let name = reference.repository.rsplit('/').next()?;
    let mut purl = PackageUrl::new("oci", name.to_owned()).ok()?;
    purl.with_version(digest.to_string()).ok()?;
    let place = format!("{}/{}", reference.registry, reference.repository);
    purl.add_qualifier("repository_url", place).ok()?;
    if let Some(platform) = &facts.platform {
        purl.add_qualifier("arch", platform.architecture.clone()).ok()?;
    }
    if let Some(tag) = &reference.tag {
        purl.add_qualifier("tag", tag.clone()).ok()?;
    }
    Some(purl.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_digest() {
        let digest: Digest = format!("sha256:{}", "0a".repeat(32)).parse().unwrap();
        let check = |reference: &str, digest: Option<&Digest>, expected: Option<&str>| {
            let facts = ImageFacts {
                reference: reference.into(),
                digest: digest.cloned(),
                index_digest: None,
                platform: Some("linux/arm64".parse().unwrap()),
                created: None,
            };
            assert_eq!(purl(&facts).as_deref(), expected, "{reference}");
        };
        let hex = "0a".repeat(32);
        let written = format!(
            "pkg:oci/app@sha256:{hex}?arch=arm64&repository_url=registry.example.com%2Fteam%2Fapp&tag=1.0"
        );
        check("registry.example.com/team/app:1.0", Some(&digest), Some(&written));
        check("registry.example.com/team/app:1.0", None, None);
        check("./image", Some(&digest), None);
        check("oci:DIR", Some(&digest), None);
        check("image.tar", Some(&digest), None);
        check("podman:registry.example.com/team/app:1.0", Some(&digest), Some(&written));
    }

    #[test]
    fn layers_are_read_back() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let whole = layer(&format!("{digest} 17 {digest}")).unwrap();
        assert_eq!((whole.size, whole.diff_id.is_some()), (17, true));
        assert_eq!(layer(&format!("{digest} 17")).unwrap().diff_id, None);
        for bad in ["", "sha256:x 1", &digest] {
            assert_eq!(layer(bad), None, "{bad}");
        }
    }
}
