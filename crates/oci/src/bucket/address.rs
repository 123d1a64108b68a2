//! What follows `s3://`: a bucket, a key, and which image of the archive is meant.

use std::fmt;

use super::error::BucketError;

/// Bytes of a key, at most (Amazon S3 User Guide, "Naming Amazon S3 objects").
const KEY_BYTES: usize = 1024;
/// Bytes of a bucket's name, at most: buckets from before 2018 may be that long ("Bucket naming rules").
const BUCKET_BYTES: usize = 255;

/// One object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectAddress {
    bucket: String,
    key: String,
}

impl ObjectAddress {
    /// The object called `key`.
    ///
    /// # Errors
    /// [`BucketError::Address`] for a bucket whose name could change the URL, a key that is empty, too long,
    /// ends with `/` (a folder), or has a segment `.` or `..`, which URLs do not carry.
    pub fn new(bucket: &str, key: &str) -> Result<Self, BucketError> {
        let error = |why| BucketError::Address { spec: format!("s3://{bucket}/{key}"), why };
        check_bucket(bucket).map_err(error)?;
        check_key(key).map_err(error)?;
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Parses `BUCKET/KEY[#NAME]`, what follows `s3://`. A key that holds `#` is given with one more at its
    /// end, as [`Self::spec`] writes it.
    pub(crate) fn parse(text: &str) -> Result<(Self, Option<String>), BucketError> {
        let Some((bucket, rest)) = text.split_once('/') else {
            return Err(BucketError::Address { spec: format!("s3://{text}"), why: "it names no object" });
        };
        let (key, name) = rest.rsplit_once('#').map_or((rest, None), |(key, name)| (key, Some(name)));
        let address = Self::new(bucket, key)?;
        Ok((address, name.filter(|name| !name.is_empty()).map(str::to_owned)))
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The image source that names this object for [`crate::open()`].
    pub fn spec(&self) -> String {
        format!("{self}{}", if self.key.contains('#') { "#" } else { "" })
    }
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// The name becomes a part of a host or of a path: nothing in it may end either.
pub(super) fn check_bucket(bucket: &str) -> Result<(), &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if bucket.len() < 3 || bucket.len() > BUCKET_BYTES {
        return Err("the name of a bucket has 3 to 255 characters");
    }
    if !bucket.bytes().all(plain) || bucket.contains("..") || bucket.starts_with('.') {
        return Err("the name of a bucket has only letters, digits, dots, hyphens and underscores");
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() || key.ends_with('/') {
        return Err("it names no object");
    }
    if key.len() > KEY_BYTES {
        return Err("its key is longer than 1024 bytes");
    }
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("its key has a segment . or .., which URLs do not carry");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str, Option<&str>)>) {
        let parsed = ObjectAddress::parse(text).ok();
        let got = parsed.as_ref().map(|(a, name)| (a.bucket(), a.key(), name.as_deref()));
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn tells_bucket_key_and_name() {
        check("ship/a.tar", Some(("ship", "a.tar", None)));
        check("ship.one/a/b//c d.tar", Some(("ship.one", "a/b//c d.tar", None)));
        check("ship//a.tar", Some(("ship", "/a.tar", None)));
        check("ship/a:1.tar#shop/web:1.4", Some(("ship", "a:1.tar", Some("shop/web:1.4"))));
        check("ship/a#1.tar#", Some(("ship", "a#1.tar", None)));
        check("ship/a#1.tar#web", Some(("ship", "a#1.tar", Some("web"))));
        for bad in [
            "",
            "ship",
            "ship/",
            "ship/a/",
            "sh/a",
            "/a",
            "ship/../other/a",
            "ship/./a",
            "..../a",
            "a..b/c",
            ".ship/a",
            "sh:80/a",
            "sh@ip/a",
            "sh%2fip/a",
            "ship?/a",
            "ship/#name",
        ] {
            check(bad, None);
        }
        check(&format!("ship/{}", "k".repeat(1025)), None);
    }

    #[test]
    fn a_source_leads_back_to_its_object() {
        for key in ["a.tar", "a#b.tar", "a#", "x/ü y.tar"] {
            let address = ObjectAddress::new("ship", key).unwrap();
            let spec = address.spec();
            let (again, name) = ObjectAddress::parse(spec.strip_prefix("s3://").unwrap()).unwrap();
            assert_eq!((again, name), (address, None), "{spec}");
        }
    }
}
