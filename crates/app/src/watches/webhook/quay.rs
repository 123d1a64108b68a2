//! Quay: a repository with the tags that were pushed (Quay documentation, "Repository notifications", event
//! "Repository Push").

use serde::Deserialize;

use super::{MAX_PUSHES, Pushed};

/// Most characters of a host with its repository.
const MAX_NAME: usize = 600;

#[derive(Deserialize)]
struct Notification {
    docker_url: String,
    #[serde(default)]
    updated_tags: Vec<String>,
}

/// Tags that were pushed. Quay names no digests.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Pushed>, serde_json::Error> {
    let Notification { docker_url, updated_tags } = serde_json::from_slice(body)?;
    // The name is repeated with every tag: one longer than any reference would fill the memory.
    if docker_url.len() > MAX_NAME {
        return Ok(Vec::new());
    }
    let push = |tag| Pushed { name: docker_url.clone(), has_host: true, tag: Some(tag), digest: None };
    // One more than are looked at, so that it is seen that there are more.
    Ok(updated_tags.into_iter().take(MAX_PUSHES + 1).map(push).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_tags_are_told() {
        let body =
            br#"{"name":"app","repository":"team/app","namespace":"team","docker_url":"quay.io/team/app",
            "homepage":"https://quay.io/repository/team/app","updated_tags":["v1","latest"]}"#;
        let pushed = parse(body).unwrap();
        let tags: Vec<_> = pushed.iter().filter_map(|push| push.tag.as_deref()).collect();
        assert_eq!(tags, ["v1", "latest"]);
        assert!(pushed.iter().all(|push| push.has_host && push.name == "quay.io/team/app"));
        let long = format!(r#"{{"docker_url":"{}","updated_tags":["a","b"]}}"#, "x".repeat(601));
        assert_eq!(parse(long.as_bytes()).unwrap(), []);
        // Other events of a repository: no tags.
        assert_eq!(parse(br#"{"docker_url":"quay.io/team/app","event_data":{}}"#).unwrap(), []);
    }
}
