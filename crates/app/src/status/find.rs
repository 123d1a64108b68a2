//! Which image record is meant by a reference or a digest.

use model::{Digest, ImageReference};
use store::{Image, ImageFilter, Scope, StoreError};

use super::StatusError;
use crate::{service::Service, submit::Target};

/// Records of one reference or digest that are looked at.
const MAX_RECORDS: u32 = 200;

impl Service {
    /// The image record that a person means: of those that they see, the one whose scan is the newest.
    pub async fn find_image(
        &self,
        scope: &Scope,
        image: &str,
        platform: Option<&str>,
    ) -> Result<Image, StatusError> {
        let mut found =
            self.records(scope, ImageFilter { reference: Some(image.to_owned()), ..of() }).await?;
        if found.is_empty() {
            found = match image.parse::<Digest>() {
                Ok(digest) => self.records(scope, by_digest(&digest)).await?,
                Err(_) => self.by_reference(scope, image).await?,
            };
        }
        found.retain(|record| platform.is_none_or(|platform| record.platform == platform));
        let newest = found.into_iter().max_by_key(|record| (record.scan_id, record.id));
        newest.ok_or_else(|| StatusError::ImageNotKnown(image.chars().take(300).collect()))
    }

    async fn by_reference(&self, scope: &Scope, image: &str) -> Result<Vec<Image>, StatusError> {
        let shown = || image.chars().take(300).collect::<String>();
        let target = Target::parse(image).map_err(|_| StatusError::Reference(shown()))?;
        let reference = Some(target.reference());
        let found = self.records(scope, ImageFilter { reference, ..of() }).await?;
        match (found.is_empty(), target) {
            // Whatever its tag was called, the same repository at that digest is that image.
            (true, Target::Registry(ImageReference { registry, repository, digest: Some(digest), .. })) => {
                let repository = format!("{registry}/{repository}");
                let mut found = self.records(scope, by_digest(&digest)).await?;
                found.retain(|record| record.repository == repository);
                Ok(found)
            }
            _ => Ok(found),
        }
    }

    async fn records(&self, scope: &Scope, filter: ImageFilter) -> Result<Vec<Image>, StoreError> {
        Ok(self.store.images(scope, &filter).await?.items)
    }
}

fn of() -> ImageFilter {
    ImageFilter { limit: MAX_RECORDS, ..ImageFilter::default() }
}

fn by_digest(digest: &Digest) -> ImageFilter {
    ImageFilter { digest: Some(digest.to_string()), ..of() }
}
