//! The tags of a repository (distribution-spec, "Listing Tags") and the repositories of a registry (Docker Registry
//! HTTP API V2, "Listing Repositories"), over all pages.

use egress::{Request, Url, header::LINK};
use serde::Deserialize;

use crate::{
    error::OciError,
    manifest::null_as_default,
    registry::{
        client::{Access, Registry, endpoint},
        status::Subject,
    },
};

/// Largest page.
const PAGE_BYTES: u64 = 16 << 20;
/// Most pages that are followed.
const PAGES: usize = 10_000;
/// Longest name that is kept, in bytes: that of a repository; tags are shorter.
const NAME_BYTES: usize = 255;
/// Most tags that are kept.
const TAGS: usize = 1_000_000;

#[derive(Deserialize)]
struct TagPage {
    #[serde(default, deserialize_with = "null_as_default")]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct CatalogPage {
    #[serde(default, deserialize_with = "null_as_default")]
    repositories: Vec<String>,
}

/// Names that a registry gave. They are as it wrote them: none was parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// In the registry's order.
    pub names: Vec<String>,
    /// False when there are more than were asked for.
    pub complete: bool,
}

impl Registry {
    /// All tags, in the registry's order.
    pub async fn fetch_tags(&self, repository: &str) -> Result<Vec<String>, OciError> {
        let listed = self.fetch_tags_up_to(repository, TAGS).await?;
        if listed.complete {
            return Ok(listed.names);
        }
        let what = format!("the tag list of {}/{repository}", self.name());
        Err(OciError::TooLarge { what, limit: format!("{TAGS} tags") })
    }

    /// The first tags, in the registry's order.
    pub async fn fetch_tags_up_to(&self, repository: &str, limit: usize) -> Result<Listed, OciError> {
        let image = format!("{}/{repository}", self.name());
        let subject = self.subject(&image, format!("list the tags of {image}"));
        let path = format!("{repository}/tags/list?n=1000");
        let read = |body: &[u8]| serde_json::from_slice(body).ok().map(|page: TagPage| page.tags);
        self.fetch_list(&subject, (repository, Access::Pull), &path, limit, &read).await
    }

    /// The first repositories, in the registry's order. Not every registry tells, and not everybody is told.
    pub async fn fetch_repositories(&self, limit: usize) -> Result<Listed, OciError> {
        let subject = self.subject(self.name(), format!("list the repositories of {}", self.name()));
        let read = |body: &[u8]| serde_json::from_slice(body).ok().map(|page: CatalogPage| page.repositories);
        self.fetch_list(&subject, ("", Access::Catalog), "_catalog?n=1000", limit, &read).await
    }

    async fn fetch_list(
        &self,
        subject: &Subject,
        (repository, access): (&str, Access),
        path: &str,
        limit: usize,
        read: &(dyn Fn(&[u8]) -> Option<Vec<String>> + Sync),
    ) -> Result<Listed, OciError> {
        let mut url = endpoint(self.base().await?, path)?;
        let mut names: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let here = url.clone();
            let response = self
                .send(subject, repository, access, &|_| {
                    Ok(Request::get(subject.operation.clone(), here.clone()))
                })
                .await?;
            let next = response.header(LINK.as_str()).and_then(|link| next_page(link, &url));
            let body = response.read_to_limit(PAGE_BYTES).await?;
            let page = read(&body).ok_or_else(|| OciError::Invalid {
                what: format!("list of {}", subject.image),
                why: "not the JSON expected".to_owned(),
            })?;
            // What is longer is no name, and would only fill the memory.
            names.extend(page.into_iter().filter(|name| name.len() <= NAME_BYTES));
            if names.len() > limit {
                names.truncate(limit);
                return Ok(Listed { names, complete: false });
            }
            match next {
                Some(next) if next != url => url = next,
                _ => return Ok(Listed { names, complete: true }),
            }
        }
        Ok(Listed { names, complete: false })
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
