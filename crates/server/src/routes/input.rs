//! What several routes check of what they are given.

use std::time::Duration;

use app::{
    accounts::{AccessError, AccountError, Caller},
    clock,
};
use model::{Platform, Role};
use serde::{Deserialize, Deserializer};
use store::{Image, Micros, Scan};
use uuid::Uuid;

use crate::{problem::Problem, state::AppState};

/// A text of a person: not longer than `max` characters, and without control characters.
pub(super) fn text(value: String, what: &str, max: usize) -> Result<String, Problem> {
    if value.chars().count() > max || value.chars().any(char::is_control) {
        let detail = format!("{what} is longer than {max} characters, or holds control characters");
        return Err(Problem::malformed("text-invalid", detail, "Shorten it, and write plain text."));
    }
    Ok(value)
}

/// The same, where there may be none; an empty one is none.
pub(super) fn maybe(value: Option<String>, what: &str, max: usize) -> Result<Option<String>, Problem> {
    value.filter(|value| !value.is_empty()).map(|value| text(value, what, max)).transpose()
}

/// `90`, `90s`, `10m`, `1h`.
pub(super) fn duration(value: &str) -> Result<Duration, Problem> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds =
        number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let shown: String = value.chars().take(40).collect();
        Problem::malformed(
            "duration-invalid",
            format!("{shown:?} is no duration"),
            "Write it like 90s or 10m.",
        )
    })
}

/// A time as RFC 3339.
pub(super) fn time(value: Option<&str>) -> Result<Option<Micros>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let shown: String = value.chars().take(40).collect();
    let wrong = || {
        Problem::malformed(
            "time-invalid",
            format!("{shown:?} is no time"),
            "Write it like 2026-11-21T08:00:00Z.",
        )
    };
    clock::parse(value).map(Some).ok_or_else(wrong)
}

/// `os/architecture[/variant]`.
pub(super) fn platform(value: Option<&str>) -> Result<Option<Platform>, Problem> {
    let Some(value) = value else { return Ok(None) };
    value.parse().map(Some).map_err(|_| {
        let shown: String = value.chars().take(80).collect();
        Problem::malformed(
            "platform-invalid",
            format!("{shown:?} is no platform"),
            "Write it like linux/amd64.",
        )
    })
}

/// The project that a request names, or the default one; the caller must have that role in it.
pub(super) async fn project(
    state: &AppState,
    caller: &Caller,
    name: Option<&str>,
    needed: Role,
) -> Result<i64, Problem> {
    let project = match name {
        Some(name) => match state.accounts.project(caller, name).await {
            Ok(project) => project.id,
            // What cannot be a name is the name of no project.
            Err(AccountError::Name(..)) => return Err(AccessError::Project.into()),
            Err(error) => return Err(error.into()),
        },
        None => state.accounts.default_project(),
    };
    caller.may(needed, Some(project))?;
    Ok(project)
}

/// The project that something is for, or `None` for all of them, which takes an administrator.
pub(super) async fn project_or_all(
    state: &AppState,
    caller: &Caller,
    name: Option<&str>,
    all: bool,
) -> Result<Option<i64>, Problem> {
    if !all {
        return project(state, caller, name, Role::Operator).await.map(Some);
    }
    if name.is_some() {
        let detail = "one project is named, and all of them";
        return Err(Problem::invalid("project-and-all", detail, "Give either project or all_projects."));
    }
    caller.may(Role::Admin, None)?;
    Ok(None)
}

/// Tells a null from an absent field.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// An image record, for a caller with that role in its project.
pub(super) async fn image(
    state: &AppState,
    caller: &Caller,
    id: i64,
    needed: Role,
) -> Result<Image, Problem> {
    let image = state.service.store.image(id).await?;
    let image = image.filter(|image| caller.role_in(image.project_id).is_some());
    let image = image.ok_or_else(|| Problem::image_not_known(id))?;
    let about = |problem: Problem| problem.about(Some(image.reference.clone()), None);
    caller.may(needed, Some(image.project_id)).map_err(|error| about(error.into()))?;
    Ok(image)
}

/// A scan, for a caller with that role in its project.
pub(super) async fn scan(state: &AppState, caller: &Caller, id: Uuid, needed: Role) -> Result<Scan, Problem> {
    let scan = state.service.store.scan(id).await?;
    let scan = scan.filter(|scan| caller.role_in(scan.project_id).is_some());
    let scan = scan.ok_or_else(|| Problem::scan_not_known(id))?;
    let about = |problem: Problem| problem.about(Some(scan.reference.clone()), Some(id));
    caller.may(needed, Some(scan.project_id)).map_err(|error| about(error.into()))?;
    Ok(scan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (value, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("0", 0)] {
            assert_eq!(duration(value).unwrap(), Duration::from_secs(seconds));
        }
        for bad in ["", "s", "1d", "-1", "99999999999999999999h", "1 m"] {
            assert_eq!(duration(bad).unwrap_err().code, "duration-invalid", "{bad:?}");
        }
    }

    #[test]
    fn texts_are_plain_and_short() {
        assert!(text("a b".into(), "q", 3).is_ok());
        assert!(text("abcd".into(), "q", 3).is_err());
        assert!(text("a\0".into(), "q", 3).is_err());
        assert_eq!(maybe(Some(String::new()), "q", 3).unwrap(), None);
    }
}
