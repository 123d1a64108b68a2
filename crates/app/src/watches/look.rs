//! One look: lists repositories and tags, asks for digests, and submits what changed.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use model::{ImageReference, JobClass, problem::explain};
use oci::{OciError, registry::Registry};
use store::{LookOutcome, StoreError, WatchTurn};

use super::{
    pattern::{is_open, matches, wants},
    submit,
};
use crate::{
    accounts::Origin,
    clock,
    config::WatchConfig,
    registries::{ReachError, reach},
    service::Service,
    submit::SubmitError,
};

/// Names that are read of a list.
const MAX_LISTED: usize = 100_000;
/// Images that are submitted in one transaction.
const CHUNK: usize = 50;
/// Tags of a repository that may come to nothing before a look is broken off.
const MISSES: u32 = 3;
/// Longest time of a look: a registry that answers ever so slowly must not keep others waiting.
const MAX_TIME: Duration = Duration::from_secs(1800);
/// Most characters of an error that are kept.
const MAX_ERROR: usize = 1000;

/// What came of a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The watch.
    pub watch: i64,
    /// Tags that were asked about.
    pub found: u32,
    /// Scans that were asked for.
    pub submitted: u32,
    /// Whether tags were left for the next look, since there are more than one may ask about.
    pub cut: bool,
    /// Whether it was broken off.
    pub failed: bool,
    /// What went wrong: a stable code, and a text.
    pub error: Option<(String, String)>,
    /// Where the next look goes on: `REPOSITORY:TAG`.
    pub position: Option<String>,
}

/// Why a look was broken off.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Oci(#[from] OciError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error("the look took longer than {} minutes", MAX_TIME.as_secs() / 60)]
    Time,
}

impl LookError {
    fn code(&self) -> &'static str {
        match self {
            Self::Oci(error) => error.code(),
            Self::Store(error) | Self::Reach(ReachError::Store(error)) => error.code(),
            Self::Submit(error) => error.code(),
            Self::Reach(ReachError::Seal(_)) => "credentials-unusable",
            Self::Time => "watch-timeout",
        }
    }

    /// How long the registry wants to be left alone.
    const fn asks_to_wait(&self) -> Option<Duration> {
        match self {
            Self::Oci(OciError::RateLimited { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// Whether it concerns one repository, and others may be looked at all the same.
    const fn is_of_repository(&self) -> bool {
        matches!(
            self,
            Self::Oci(
                OciError::ImageNotFound { .. } | OciError::Forbidden { .. } | OciError::Unauthorized { .. }
            )
        )
    }
}

/// Looks, and gives the turn back.
pub(super) async fn look(service: &Service, turn: &WatchTurn) -> Result<Looked, StoreError> {
    let config = &service.config.background.watches;
    let mut eye = Eye {
        service,
        turn,
        config,
        looked: Looked { watch: turn.watch.id, ..Looked::default() },
        wait: None,
        repositories: 0,
    };
    let ended = {
        let keep = keep(service, turn, config.lease);
        let look = eye.look();
        tokio::pin!(keep, look);
        tokio::select! {
            ended = &mut look => ended,
            () = &mut keep => Err(StoreError::Lost.into()),
            () = tokio::time::sleep(MAX_TIME) => Err(LookError::Time),
        }
    };
    if let Err(error) = ended {
        if matches!(error, LookError::Store(StoreError::Lost | StoreError::Stopped)) {
            // Somebody else looks by now, or the watch was changed: nothing of this counts.
            tracing::debug!(watch = turn.watch.id, "a look was broken off");
        } else {
            eye.fail(&error);
        }
        eye.looked.failed = true;
    }
    let (looked, wait) = (eye.looked, eye.wait);
    let now = clock::now();
    let failures = if looked.failed { turn.watch.failures.saturating_add(1) } else { 0 };
    let pause = pause(config, turn.watch.every, failures, wait);
    let outcome = LookOutcome {
        next_at: now.saturating_add(clock::micros(pause)),
        found: looked.found,
        submitted: looked.submitted,
        position: looked.position.as_deref(),
        cut: looked.cut,
        failed: looked.failed,
        error: looked.error.as_ref().map(|(code, text)| (code.as_str(), text.as_str())),
    };
    match service.store.finish_look(turn, &outcome, now).await {
        Ok(()) | Err(StoreError::Lost) => {}
        Err(error) => return Err(error),
    }
    match &looked.error {
        Some((code, text)) => {
            tracing::warn!(watch = turn.watch.id, name = %turn.watch.name, code, error = %text, "a look into a registry");
        }
        None => tracing::debug!(
            watch = turn.watch.id,
            name = %turn.watch.name,
            found = looked.found,
            submitted = looked.submitted,
            "a look into a registry"
        ),
    }
    Ok(looked)
}

/// Renews the turn until it is lost.
async fn keep(service: &Service, turn: &WatchTurn, lease: Duration) {
    loop {
        tokio::time::sleep(lease / 3).await;
        let until = clock::now().saturating_add(clock::micros(lease));
        match service.store.keep_watch_turn(turn, until).await {
            Ok(true) => {}
            Ok(false) => return,
            // The turn tells who is right in the end.
            Err(error) => {
                tracing::warn!(error = %explain(&error), "the turn of a watch could not be renewed");
            }
        }
    }
}

/// The time until the next look, a tenth more or less.
fn pause(config: &WatchConfig, every: i64, failures: u32, wait: Option<Duration>) -> Duration {
    let every = Duration::from_micros(u64::try_from(every).unwrap_or(0)).max(Duration::from_secs(1));
    let pause = if failures == 0 {
        every
    } else {
        let doubled = config.backoff.min(every).saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(config.max_backoff.max(every))
    };
    let pause = pause.max(wait.unwrap_or_default().min(Duration::from_secs(24 * 3600)));
    // The last bytes of an id are random.
    let [.., a, b] = *uuid::Uuid::now_v7().as_bytes();
    let share = f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX);
    pause.mul_f64(0.9 + 0.2 * share)
}

struct Eye<'a> {
    service: &'a Service,
    turn: &'a WatchTurn,
    config: &'a WatchConfig,
    looked: Looked,
    /// How long the registry wants to be left alone.
    wait: Option<Duration>,
    /// Repositories whose tags were listed.
    repositories: usize,
}

impl Eye<'_> {
    async fn look(&mut self) -> Result<(), LookError> {
        let watch = &self.turn.watch;
        let host = watch.what.registry.as_str();
        // Until more is known, the next look goes on where the last one stopped.
        self.looked.position.clone_from(&watch.position);
        let registries = reach(self.service, Some(watch.project_id), host, None).await?;
        let registry = registries.registry(host);
        let start = watch.position.as_deref().and_then(|position| position.rsplit_once(':'));
        let repositories = self.repositories(&registry).await?;
        let one = repositories.len() == 1;
        for repository in &repositories {
            let after = match start {
                Some((at, _)) if repository.as_str() < at => continue,
                Some((at, tag)) if repository == at => Some(tag),
                _ => None,
            };
            if self.repositories >= self.config.max_repositories {
                self.looked.cut = true;
                return Ok(());
            }
            self.repositories += 1;
            match self.repository(&registry, repository, after).await {
                Ok(true) => {}
                Ok(false) => {
                    self.looked.cut = true;
                    return Ok(());
                }
                // One that is not given must not hide the others.
                Err(error) if error.is_of_repository() && !one => self.fail(&error),
                Err(error) => return Err(error),
            }
            // Nothing comes before this: the next repository is looked at from its beginning.
            self.looked.position = Some(format!("{repository}:~"));
        }
        self.looked.position = None;
        Ok(())
    }

    /// The repositories that are watched, in order.
    async fn repositories(&mut self, registry: &Registry) -> Result<Vec<String>, LookError> {
        let pattern = self.turn.watch.what.repository.as_str();
        if !is_open(pattern) {
            return Ok(vec![pattern.to_owned()]);
        }
        let listed = registry.fetch_repositories(MAX_LISTED).await?;
        self.looked.cut |= !listed.complete;
        let mut names = listed.names;
        names.retain(|name| matches(pattern, name));
        names.sort_unstable();
        names.dedup();
        if listed.complete {
            self.service.store.forget_repositories_but(self.turn, &names).await?;
        }
        Ok(names)
    }

    /// Looks at the tags of a repository, those after one. False when some are left for the next look.
    async fn repository(
        &mut self,
        registry: &Registry,
        repository: &str,
        after: Option<&str>,
    ) -> Result<bool, LookError> {
        // What a registry lists is not trusted: a name becomes a part of URLs.
        let parse = |tag: &str| {
            let reference = format!("{}/{repository}:{tag}", registry.name()).parse::<ImageReference>().ok();
            reference.filter(|reference| {
                reference.repository == repository && reference.tag.as_deref() == Some(tag)
            })
        };
        if parse("latest").is_none() {
            return Ok(true);
        }
        let what = &self.turn.watch.what;
        let listed = registry.fetch_tags_up_to(repository, MAX_LISTED).await?;
        self.looked.cut |= !listed.complete;
        let mut tags: Vec<ImageReference> = listed
            .names
            .iter()
            .filter(|tag| wants(&what.include, &what.exclude, tag))
            .filter_map(|tag| parse(tag))
            .collect();
        tags.sort_unstable();
        tags.dedup();
        let store = &self.service.store;
        let known: HashMap<String, String> =
            store.watched_tags(self.turn.watch.id, repository).await?.into_iter().collect();
        if listed.complete {
            let there: HashSet<&String> = tags.iter().filter_map(|image| image.tag.as_ref()).collect();
            let gone: Vec<String> = known.keys().filter(|tag| !there.contains(tag)).cloned().collect();
            if !gone.is_empty() {
                store.forget_tags(self.turn, repository, &gone).await?;
            }
        }
        let mut changed: Vec<(ImageReference, String)> = Vec::new();
        let (mut whole, mut done, mut misses) = (true, None, 0);
        let mut failed = None;
        for image in tags {
            let Some(tag) = image.tag.clone() else { continue };
            if after.is_some_and(|after| tag.as_str() <= after) {
                continue;
            }
            if usize::try_from(self.looked.found).unwrap_or(usize::MAX) >= self.config.max_images {
                whole = false;
                break;
            }
            match self.digest(registry, repository, &tag).await {
                Ok(Some(digest)) if known.get(&tag) != Some(&digest) => changed.push((image, digest)),
                Ok(_) => {}
                Err(error) => {
                    misses += 1;
                    let alone = !matches!(error, OciError::RateLimited { .. } | OciError::Network(_));
                    let error = LookError::from(error);
                    if !alone || misses >= MISSES {
                        // What is known so far is not lost.
                        failed = Some(error);
                        break;
                    }
                    // One tag that is never answered must not hide those after it.
                    self.fail(&error);
                }
            }
            self.looked.found += 1;
            done = Some(format!("{repository}:{tag}"));
            if changed.len() >= CHUNK {
                self.flush(repository, &mut changed).await?;
                self.looked.position.clone_from(&done);
            }
        }
        self.flush(repository, &mut changed).await?;
        if done.is_some() {
            self.looked.position = done;
        }
        failed.map_or(Ok(whole), Err)
    }

    /// What a tag leads to; `None` when it is gone.
    async fn digest(
        &self,
        registry: &Registry,
        repository: &str,
        tag: &str,
    ) -> Result<Option<String>, OciError> {
        if let Some(digest) = registry.fetch_digest(repository, tag).await? {
            return Ok(Some(digest.to_string()));
        }
        // Gone, or a registry that does not say.
        let limit = self.service.config.limits.document_bytes;
        match registry.fetch_manifest(repository, tag, limit).await {
            Ok(manifest) => Ok(Some(manifest.digest.to_string())),
            Err(OciError::ImageNotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Submits, then remembers: what is broken off in between is submitted again.
    async fn flush(
        &mut self,
        repository: &str,
        changed: &mut Vec<(ImageReference, String)>,
    ) -> Result<(), LookError> {
        if changed.is_empty() {
            return Ok(());
        }
        let changed = std::mem::take(changed);
        let tags: Vec<(String, String)> =
            changed.iter().filter_map(|(image, digest)| Some((image.tag.clone()?, digest.clone()))).collect();
        let images = changed.into_iter().map(|(image, _)| image).collect();
        let origin = Origin::default();
        let submitted = submit(self.service, &self.turn.watch, images, JobClass::Scheduled, &origin).await?;
        self.looked.submitted =
            self.looked.submitted.saturating_add(u32::try_from(submitted.len()).unwrap_or(u32::MAX));
        Ok(self.service.store.remember_tags(self.turn, repository, &tags).await?)
    }

    /// Keeps what went wrong first.
    fn fail(&mut self, error: &LookError) {
        self.wait = self.wait.max(error.asks_to_wait());
        if self.looked.error.is_none() {
            let text = explain(error).chars().take(MAX_ERROR).collect();
            self.looked.error = Some((error.code().to_owned(), text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_fail_become_rarer_and_are_never_in_step() {
        let config = WatchConfig::default();
        let minutes = |every: u64, failures: u32, wait: Option<u64>| {
            let every = i64::try_from(every * 60_000_000).unwrap();
            let pause = pause(&config, every, failures, wait.map(Duration::from_secs)).as_secs_f64() / 60.0;
            let whole = (pause / 1.1..=pause / 0.9).contains(&pause);
            assert!(whole);
            pause
        };
        let near = |pause: f64, expected: f64| {
            assert!((expected * 0.899..=expected * 1.101).contains(&pause), "{pause} {expected}");
        };
        near(minutes(5, 0, None), 5.0);
        near(minutes(5, 1, None), 1.0);
        near(minutes(5, 4, None), 8.0);
        near(minutes(5, 30, None), 60.0);
        near(minutes(24 * 60, 30, None), 24.0 * 60.0);
        near(minutes(5, 1, Some(7200)), 120.0);
        near(minutes(5, 1, Some(u64::MAX / 2)), 24.0 * 60.0);
        let several: Vec<f64> = (0..20).map(|_| minutes(5, 0, None)).collect();
        assert!(several.iter().any(|pause| (pause - several[0]).abs() > 0.01), "{several:?}");
    }
}
