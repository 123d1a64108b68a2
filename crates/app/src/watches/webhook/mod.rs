//! What registries tell of pushes, one file for each kind of sender.
//!
//! A sender shows the secret of one watch. What it says is a hint and no more: an image is submitted only if the
//! watch's own patterns want it, under the watch's own registry, and is then looked up there like any other. No address
//! that a sender names is ever asked. A digest in the body saves a scan when it is the one that a look of ours saw
//! last; it is never remembered.

mod distribution;
mod harbor;
mod quay;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use model::{Digest, ImageReference, JobClass};
use store::{StoreError, Submitted, Watch};

use super::pattern::{matches, wants};
use crate::{
    accounts::{Origin, Secret},
    service::Service,
    submit::SubmitError,
};

/// Largest body, in bytes.
pub const MAX_BODY: usize = 1 << 20;
/// Pushes of one body that are looked at; the next look finds the others.
const MAX_PUSHES: usize = 1000;
/// Images of one body that are submitted; the next look finds the others.
const MAX_IMAGES: usize = 200;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The registry of the distribution project.
    Distribution,
    /// Harbor.
    Harbor,
    /// Quay.
    Quay,
}

/// What was pushed, in a sender's words: nothing of it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pushed {
    /// `HOST/REPOSITORY` where the sender names its host, else the repository alone.
    name: String,
    /// Whether the name begins with a host.
    has_host: bool,
    tag: Option<String>,
    digest: Option<String>,
}

/// What came of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Scans that were asked for, or joined.
    pub submitted: Vec<Submitted>,
    /// Pushes that the watch does not want, or that led to nothing new.
    pub ignored: usize,
    /// Whether there were more than are submitted at once; the next look finds them.
    pub cut: bool,
}

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No such watch, or another secret: which of them is not told.
    #[error("there is no watch with this number and secret")]
    Unauthorized,
    /// The watch is turned off.
    #[error("the watch is turned off")]
    Disabled,
    /// The body is too large.
    #[error("the notification has more than {MAX_BODY} bytes")]
    TooLarge,
    /// The body is not of the sender's form.
    #[error("this is no notification of {0}")]
    Body(&'static str),
    /// The scans could not be asked for.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl WebhookError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "watch-unauthorized",
            Self::Disabled => "watch-disabled",
            Self::TooLarge => "notification-too-large",
            Self::Body(_) => "notification-invalid",
            Self::Submit(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "Compare the watch and the secret that was shown when it was made, or make another."
            }
            Self::Disabled => "Turn the watch on, or the notification off.",
            Self::TooLarge => "Let the registry send fewer events at once.",
            Self::Body(_) => "Compare the kind of sender in the address with the registry.",
            Self::Submit(_) | Self::Store(_) => "Send it again later.",
        }
    }
}

impl Sender {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Distribution, Self::Harbor, Self::Quay];

    /// Its word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Harbor => "harbor",
            Self::Quay => "quay",
        }
    }

    /// From its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.as_str() == word)
    }

    /// What was pushed; other events leave nothing.
    fn pushed(self, body: &[u8]) -> Result<Vec<Pushed>, WebhookError> {
        let parsed = match self {
            Self::Distribution => distribution::parse(body),
            Self::Harbor => harbor::parse(body),
            Self::Quay => quay::parse(body),
        };
        parsed.map_err(|_| WebhookError::Body(self.as_str()))
    }
}

/// Takes a notification for a watch.
///
/// # Errors
/// When the secret is another, the watch is off, the body is none, or the store does not answer.
pub async fn accept(
    service: &Service,
    watch: i64,
    presented: &Secret,
    sender: Sender,
    body: &[u8],
    origin: &Origin,
) -> Result<Accepted, WebhookError> {
    let stored = service.store.watch_secret(watch).await?.ok_or(WebhookError::Unauthorized)?;
    verify_slices_are_equal(&stored, &presented.hash()).map_err(|_| WebhookError::Unauthorized)?;
    let watch = service.store.watch(watch).await?.ok_or(WebhookError::Unauthorized)?;
    if !watch.enabled {
        return Err(WebhookError::Disabled);
    }
    if body.len() > MAX_BODY {
        return Err(WebhookError::TooLarge);
    }
    let pushed = sender.pushed(body)?;
    let all = pushed.len();
    let mut accepted = Accepted { cut: all > MAX_PUSHES, ..Accepted::default() };
    let mut images: Vec<ImageReference> = Vec::new();
    for push in pushed.iter().take(MAX_PUSHES) {
        let Some(image) = wanted(&watch, push) else { continue };
        if images.contains(&image) || is_known(service, &watch, &image, push).await? {
            continue;
        }
        if images.len() >= MAX_IMAGES {
            accepted.cut = true;
            break;
        }
        images.push(image);
    }
    accepted.ignored = all.saturating_sub(images.len());
    if !images.is_empty() {
        accepted.submitted = super::submit(service, &watch, images, JobClass::Push, origin).await?;
    }
    Ok(accepted)
}

/// The image of a push, as the watch would have found it itself.
fn wanted(watch: &Watch, push: &Pushed) -> Option<ImageReference> {
    let (what, tag) = (&watch.what, push.tag.as_deref()?);
    let text = if push.has_host {
        format!("{}:{tag}", push.name)
    } else {
        format!("{}/{}:{tag}", what.registry, push.name)
    };
    let image: ImageReference = text.parse().ok()?;
    let here = image.registry == what.registry
        && matches(&what.repository, &image.repository)
        && image.digest.is_none()
        && image.tag.as_deref() == Some(tag);
    (here && wants(&what.include, &what.exclude, tag)).then_some(image)
}

/// Whether a look of ours has seen the tag at that digest.
async fn is_known(
    service: &Service,
    watch: &Watch,
    image: &ImageReference,
    push: &Pushed,
) -> Result<bool, StoreError> {
    let digest = push.digest.as_deref().and_then(|digest| digest.parse::<Digest>().ok());
    let (Some(digest), Some(tag)) = (digest, &image.tag) else { return Ok(false) };
    let known = service.store.watched_tag(watch.id, &image.repository, tag).await?;
    Ok(known == Some(digest.to_string()))
}

#[cfg(test)]
mod tests {
    use store::WatchPatterns;

    use super::*;

    fn watch() -> Watch {
        Watch {
            id: 1,
            project_id: 1,
            name: "w".to_owned(),
            what: WatchPatterns {
                registry: "registry.example:5000".to_owned(),
                repository: "team/*".to_owned(),
                include: vec!["v*".to_owned()],
                exclude: vec!["*-rc".to_owned()],
                environments: Vec::new(),
            },
            every: 1,
            enabled: true,
            owner: "alice".to_owned(),
            created_at: 0,
            next_at: 0,
            position: None,
            looked_at: None,
            found: 0,
            submitted: 0,
            cut: false,
            failures: 0,
            error_code: None,
            error: None,
        }
    }

    #[test]
    fn only_what_the_watch_wants_is_taken() {
        for (name, has_host, tag, expected) in [
            ("team/app", false, Some("v1"), Some("registry.example:5000/team/app:v1")),
            ("registry.example:5000/team/app", true, Some("v1"), Some("registry.example:5000/team/app:v1")),
            ("evil.example/team/app", true, Some("v1"), None),
            ("registry.example/team/app", true, Some("v1"), None),
            // A host where there should be none is a part of the repository, and no valid one.
            ("evil.example:443/team/app", false, Some("v1"), None),
            ("other/app", false, Some("v1"), None),
            ("team/app/deeper", false, Some("v1"), None),
            ("team/../other", false, Some("v1"), None),
            ("team/app", false, Some("latest"), None),
            ("team/app", false, Some("v1-rc"), None),
            ("team/app", false, Some("v1/../x"), None),
            ("team/app", false, Some("v1@sha256:00"), None),
            ("team/app", false, Some(""), None),
            ("team/app", false, None, None),
            ("", false, Some("v1"), None),
        ] {
            let push = Pushed { name: name.to_owned(), has_host, tag: tag.map(str::to_owned), digest: None };
            let image = wanted(&watch(), &push).map(|image| image.to_string());
            assert_eq!(image.as_deref(), expected, "{push:?}");
        }
    }

    #[test]
    fn every_sender_has_a_word_and_refuses_what_is_not_its_own() {
        for sender in Sender::ALL {
            assert_eq!(Sender::parse(sender.as_str()), Some(sender));
            for body in ["", "[]", "null", "7", "{\"events\":7,\"type\":7,\"docker_url\":7}", "{\"a\":"] {
                let refused = sender.pushed(body.as_bytes()).unwrap_err();
                assert_eq!(refused.code(), "notification-invalid", "{sender:?} {body}");
            }
            let deep = "[".repeat(100_000);
            assert!(sender.pushed(deep.as_bytes()).is_err());
        }
        assert_eq!(Sender::parse("other"), None);
    }
}
