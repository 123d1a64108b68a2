//! The tags of a repository (distribution-spec, "Listing Tags"), over all pages.

use egress::{Request, Url, header::LINK};
use serde::Deserialize;

use crate::{
    error::OciError,
    manifest::null_as_default,
    registry::client::{Access, Registry, endpoint},
};

/// Largest page.
const PAGE_BYTES: u64 = 16 << 20;
/// Most pages that are followed.
const PAGES: usize = 10_000;
/// Most tags that are kept.
const TAGS: usize = 1_000_000;

#[derive(Deserialize)]
struct Page {
    #[serde(default, deserialize_with = "null_as_default")]
    tags: Vec<String>,
}

impl Registry {
    /// All tags, in the registry's order.
    pub async fn fetch_tags(&self, repository: &str) -> Result<Vec<String>, OciError> {
        let image = format!("{}/{repository}", self.name());
        let subject = self.subject(&image, format!("list the tags of {image}"));
        let mut url = endpoint(self.base().await?, &format!("{repository}/tags/list?n=1000"))?;
        let mut tags: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let here = url.clone();
            let response = self
                .send(&subject, repository, Access::Pull, &|_| {
                    Ok(Request::get(subject.operation.clone(), here.clone()))
                })
                .await?;
            let next = response.header(LINK.as_str()).and_then(|link| next_page(link, &url));
            let body = response.read_to_limit(PAGE_BYTES).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|_| OciError::Invalid {
                what: format!("tag list of {image}"),
                why: "not the JSON expected".to_owned(),
            })?;
            tags.extend(page.tags);
            if tags.len() > TAGS {
                break;
            }
            match next {
                Some(next) if next != url => url = next,
                _ => return Ok(tags),
            }
        }
        Err(OciError::TooLarge { what: format!("the tag list of {image}"), limit: format!("{TAGS} tags") })
    }
}

/// The target of `<...>; rel="next"` (RFC 8288); another host's pages are not followed.
fn next_page(link: &str, here: &Url) -> Option<Url> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !parameters.replace(['"', ' '], "").contains("rel=next") {
        return None;
    }
    let next = here.join(target).ok()?;
    (next.origin() == here.origin()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_links_of_the_same_host() {
        let here = Url::parse("https://r.io/v2/a/tags/list?n=2").unwrap();
        let check = |link: &str, expected: Option<&str>| {
            assert_eq!(next_page(link, &here).map(String::from).as_deref(), expected, "{link}");
        };
        check(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#, Some("https://r.io/v2/a/tags/list?n=2&last=b"));
        check("<?last=b>;rel=next", Some("https://r.io/v2/a/tags/list?last=b"));
        check(r#"<https://evil.io/v2/a>; rel="next""#, None);
        check(r#"</v2/a>; rel="prev""#, None);
        check("nonsense", None);
    }
}
