//! The registry of the distribution project: an envelope of events (its documentation, "Work with notifications").
//! The host of a request is left aside: it is how that client called the registry, behind whatever proxy.

use serde::Deserialize;

use super::Pushed;

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    action: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Manifests that were pushed by tag. Blobs, and manifests pushed by digest, have none.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Pushed>, serde_json::Error> {
    let envelope: Envelope = serde_json::from_slice(body)?;
    let pushed = envelope.events.into_iter().filter(|event| event.action == "push").map(|event| Pushed {
        name: event.target.repository,
        has_host: false,
        tag: event.target.tag.filter(|tag| !tag.is_empty()),
        digest: event.target.digest,
    });
    Ok(pushed.filter(|push| push.tag.is_some()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_by_tag_are_told() {
        let body = r#"{"events":[
            {"id":"1","timestamp":"2026-01-01T00:00:00Z","action":"push","target":{
                "mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":"sha256:ab","length":7,
                "repository":"team/app","url":"http://r/v2/team/app/manifests/sha256:ab","tag":"v1"},
             "request":{"id":"2","addr":"10.0.0.1:1","host":"r","method":"PUT","useragent":"x"},
             "actor":{},"source":{"addr":"r:5000","instanceID":"3"}},
            {"action":"push","target":{"repository":"team/app","digest":"sha256:cd"}},
            {"action":"pull","target":{"repository":"team/app","tag":"v1"}},
            {"action":"delete","target":{"repository":"team/app","tag":"v1"}},
            {"action":"push","target":{"repository":"team/app","tag":""}}]}"#;
        let pushed = parse(body.as_bytes()).unwrap();
        let expected = Pushed {
            name: "team/app".to_owned(),
            has_host: false,
            tag: Some("v1".to_owned()),
            digest: Some("sha256:ab".to_owned()),
        };
        assert_eq!(pushed, [expected]);
    }
}
