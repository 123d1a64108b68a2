//! Harbor: one event with its resources (Harbor documentation, "Configure Webhook Notifications", payload format
//! "Default"). The resource's URL names host, repository and tag.

use serde::Deserialize;

use super::Pushed;

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "type")]
    kind: String,
    event_data: Option<EventData>,
}

#[derive(Default, Deserialize)]
struct EventData {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    resource_url: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Artifacts that were pushed by tag.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Pushed>, serde_json::Error> {
    let notification: Notification = serde_json::from_slice(body)?;
    if notification.kind != "PUSH_ARTIFACT" {
        return Ok(Vec::new());
    }
    let resources = notification.event_data.unwrap_or_default().resources;
    Ok(resources.into_iter().filter_map(push).collect())
}

fn push(resource: Resource) -> Option<Pushed> {
    // What was pushed without a tag has its digest in the place of one.
    let tag = resource.tag.filter(|tag| !tag.is_empty() && !tag.contains(':'))?;
    let name = resource.resource_url.strip_suffix(tag.as_str())?.strip_suffix(':')?.to_owned();
    Some(Pushed { name, has_host: true, tag: Some(tag), digest: resource.digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_artifacts_are_told() {
        let body = |kind: &str| {
            format!(
                r#"{{"type":"{kind}","occur_at":1586922308,"operator":"admin","event_data":{{"resources":[
                    {{"digest":"sha256:ab","tag":"v1","resource_url":"harbor.example/team/app:v1"}},
                    {{"digest":"sha256:ab","resource_url":"harbor.example/team/app@sha256:ab"}},
                    {{"digest":"sha256:ab","tag":"sha256:ab","resource_url":"harbor.example/team/app@sha256:ab"}},
                    {{"digest":"sha256:ab","tag":"v1","resource_url":"harbor.example/team/app:v2"}}],
                    "repository":{{"date_created":1,"name":"app","namespace":"team",
                    "repo_full_name":"team/app","repo_type":"private"}}}}}}"#
            )
        };
        let expected = Pushed {
            name: "harbor.example/team/app".to_owned(),
            has_host: true,
            tag: Some("v1".to_owned()),
            digest: Some("sha256:ab".to_owned()),
        };
        assert_eq!(parse(body("PUSH_ARTIFACT").as_bytes()).unwrap(), [expected]);
        assert_eq!(parse(body("PULL_ARTIFACT").as_bytes()).unwrap(), []);
        assert_eq!(parse(b"{\"type\":\"PUSH_ARTIFACT\"}").unwrap(), []);
    }
}
