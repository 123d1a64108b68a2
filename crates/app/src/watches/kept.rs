//! Watches as people keep them: who may, what is refused, and what the audit log is told.

use std::time::Duration;

use model::{ImageReference, Role};
use serde_json::json;
use store::{Micros, NewWatch, Scope, StoreError, Watch, WatchChange, WatchPatterns};

use super::{
    error::WatchError,
    pattern::{is_open, is_valid},
};
use crate::{
    accounts::{AccessError, Caller, Secret},
    clock::micros,
    registries::{check_name, host_of, shown, without_nulls},
    service::Service,
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 500;
/// Watches that there may be.
const MAX_WATCHES: u32 = 1000;
/// Patterns of tags, and environments, that one may name.
const MAX_PARTS: usize = 20;
/// Most characters of an environment's name.
const MAX_ENVIRONMENT: usize = 100;
/// Longest time between two looks.
const MAX_EVERY: Duration = Duration::from_secs(366 * 24 * 3600);
/// What a secret begins with, so that people and scanners of secrets know it.
const SECRET_PREFIX: &str = "lzn_";

/// A watch to be.
#[derive(Clone, Copy, Debug)]
pub struct WatchOrder<'a> {
    /// The project of the images that it finds.
    pub project: i64,
    /// What people call it: unique in its project.
    pub name: &'a str,
    /// What it looks at, and where the images that it finds run.
    pub what: &'a WatchPatterns,
    /// Time between two looks.
    pub every: Duration,
    /// Whether it looks and listens.
    pub enabled: bool,
}

/// What is to be changed of a watch; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchPatch<'a> {
    /// What people call it.
    pub name: Option<&'a str>,
    /// What it looks at. All its tags count as new then.
    pub what: Option<&'a WatchPatterns>,
    /// Time between two looks.
    pub every: Option<Duration>,
    /// Whether it looks and listens.
    pub enabled: Option<bool>,
    /// Whether another secret is made; the one before counts no more.
    pub new_secret: bool,
}

/// A watch that was made or changed.
#[derive(Clone, Debug)]
pub struct MadeWatch {
    /// As it is kept.
    pub watch: Watch,
    /// What senders of notifications present, when it was made just now: shown once.
    pub secret: Option<Secret>,
}

impl Service {
    /// Makes a watch, which looks at once. Operators of its project may.
    ///
    /// # Errors
    /// When the caller may not, the order cannot be taken, or its name is taken.
    pub async fn create_watch(
        &self,
        caller: &Caller,
        order: &WatchOrder<'_>,
        now: Micros,
    ) -> Result<MadeWatch, WatchError> {
        caller.may(Role::Operator, Some(order.project))?;
        let name = check_name(order.name)?;
        let what = check_what(order.what)?;
        self.check_every(order.every)?;
        let there = self.store.watches(&Scope::All, 0, MAX_WATCHES).await?.len();
        if u32::try_from(there).is_ok_and(|there| there >= MAX_WATCHES) {
            return Err(WatchError::TooMany(there));
        }
        let secret = make_secret()?;
        let new = NewWatch {
            project: order.project,
            name,
            what: &what,
            every: micros(order.every),
            enabled: order.enabled,
            secret: &secret.hash(),
            owner: &caller.name,
        };
        let detail = json!({
            "registry": what.registry, "repository": what.repository, "every_seconds": order.every.as_secs(),
            "enabled": order.enabled,
        });
        let note = caller.note("watch.created", object(name), Some(order.project), detail);
        let id = self.store.create_watch(&new, &note.event(), now).await?;
        let watch = self.store.watch(id).await?.ok_or(StoreError::NotFound("watch"))?;
        Ok(MadeWatch { watch, secret: Some(secret) })
    }

    /// One watch.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or the caller may not see its project.
    pub async fn watch(&self, caller: &Caller, id: i64) -> Result<Watch, WatchError> {
        let watch = self.store.watch(id).await?.ok_or(StoreError::NotFound("watch"))?;
        match caller.may(Role::Viewer, Some(watch.project_id)) {
            // Whether there is one is not told.
            Err(AccessError::Project) => Err(StoreError::NotFound("watch").into()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(watch),
        }
    }

    /// Watches of the projects that the caller may see, by number, those after one.
    pub async fn watches(&self, caller: &Caller, after: i64, limit: u32) -> Result<Vec<Watch>, WatchError> {
        Ok(self.store.watches(&caller.scope(), after, limit.min(MAX_PAGE)).await?)
    }

    /// Changes a watch.
    ///
    /// # Errors
    /// As for [`Self::create_watch`] and [`Self::watch`].
    pub async fn change_watch(
        &self,
        caller: &Caller,
        id: i64,
        patch: &WatchPatch<'_>,
        now: Micros,
    ) -> Result<MadeWatch, WatchError> {
        let before = self.watch(caller, id).await?;
        caller.may(Role::Operator, Some(before.project_id))?;
        let name = patch.name.map(check_name).transpose()?;
        let what = patch.what.map(check_what).transpose()?;
        patch.every.map(|every| self.check_every(every)).transpose()?;
        let secret = patch.new_secret.then(make_secret).transpose()?;
        let hash = secret.as_ref().map(Secret::hash);
        let change = WatchChange {
            name,
            what: what.as_ref(),
            every: patch.every.map(micros),
            enabled: patch.enabled,
            secret: hash.as_ref(),
        };
        let detail = json!({
            "name": name, "registry": what.as_ref().map(|what| &what.registry),
            "repository": what.as_ref().map(|what| &what.repository),
            "every_seconds": patch.every.map(|every| every.as_secs()), "enabled": patch.enabled,
            "secret_changed": secret.as_ref().map(|_| true),
        });
        let note = caller.note(
            "watch.changed",
            object(&before.name),
            Some(before.project_id),
            without_nulls(detail),
        );
        self.store.change_watch(id, &change, &note.event(), now).await?;
        let watch = self.store.watch(id).await?.ok_or(StoreError::NotFound("watch"))?;
        Ok(MadeWatch { watch, secret })
    }

    /// Lets a watch look at the next opportunity, unless it is turned off.
    ///
    /// # Errors
    /// As for [`Self::watch`].
    pub async fn hasten_watch(&self, caller: &Caller, id: i64, now: Micros) -> Result<(), WatchError> {
        let watch = self.watch(caller, id).await?;
        caller.may(Role::Operator, Some(watch.project_id))?;
        let note = caller.note("watch.hastened", object(&watch.name), Some(watch.project_id), json!({}));
        Ok(self.store.hasten_watch(id, &note.event(), now).await?)
    }

    /// Takes a watch away; the images that it found stay.
    ///
    /// # Errors
    /// As for [`Self::watch`].
    pub async fn delete_watch(&self, caller: &Caller, id: i64, now: Micros) -> Result<(), WatchError> {
        let watch = self.watch(caller, id).await?;
        caller.may(Role::Operator, Some(watch.project_id))?;
        let note = caller.note("watch.deleted", object(&watch.name), Some(watch.project_id), json!({}));
        Ok(self.store.delete_watch(id, &note.event(), now).await?)
    }

    fn check_every(&self, every: Duration) -> Result<(), WatchError> {
        let least = self.config.background.watches.min_every;
        if (least..=MAX_EVERY).contains(&every) { Ok(()) } else { Err(WatchError::Interval(least.as_secs())) }
    }
}

/// The same in the form in which it is kept.
fn check_what(what: &WatchPatterns) -> Result<WatchPatterns, WatchError> {
    let registry = host_of(&what.registry)?;
    let wrong = || WatchError::Pattern(shown(&what.repository), "repositories");
    let repository = if is_open(&what.repository) {
        if !is_valid(&what.repository, false) {
            return Err(wrong());
        }
        what.repository.clone()
    } else {
        let reference: ImageReference =
            format!("{registry}/{}", what.repository).parse().map_err(|_| wrong())?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(wrong());
        }
        reference.repository
    };
    for patterns in [&what.include, &what.exclude] {
        if patterns.len() > MAX_PARTS {
            return Err(WatchError::TooManyParts("patterns of tags", MAX_PARTS));
        }
        if let Some(pattern) = patterns.iter().find(|pattern| !is_valid(pattern, true)) {
            return Err(WatchError::Pattern(shown(pattern), "tags"));
        }
    }
    if what.environments.len() > MAX_PARTS {
        return Err(WatchError::TooManyParts("environments", MAX_PARTS));
    }
    let nameless = |name: &&String| {
        name.trim().is_empty() || name.chars().count() > MAX_ENVIRONMENT || name.chars().any(char::is_control)
    };
    if let Some(name) = what.environments.iter().find(nameless) {
        return Err(WatchError::Environment(shown(name)));
    }
    Ok(WatchPatterns { registry, repository, ..what.clone() })
}

fn make_secret() -> Result<Secret, WatchError> {
    let random = Secret::random()?;
    Ok(Secret::new(format!("{SECRET_PREFIX}{}", random.reveal())))
}

/// What events call a watch.
fn object(name: &str) -> String {
    format!("watch:{name}")
}
