//! The archives that lie in a bucket (Amazon S3 API Reference, `ListObjectsV2`), for whoever watches one.

use jiff::Timestamp;

use super::{
    ObjectAddress,
    address::check_bucket,
    answer::sort,
    client::{Buckets, Subject},
    error::BucketError,
    sign::encode,
    xml::{Part, walk},
};
use crate::manifest::shorten;

/// Keys that one request may ask for, by the specification.
const PAGE: u16 = 1000;
/// Bytes of one answer: a thousand keys of 1,024 bytes, all of them escaped, stay below.
const ANSWER_BYTES: u64 = 16 << 20;
/// Endings of archives; upper case counts too.
const ENDINGS: [&str; 8] =
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst", ".oci", ".oci-archive"];

/// One archive of a bucket, as the list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Where it is.
    pub address: ObjectAddress,
    /// Its size in bytes.
    pub size: u64,
    /// The tag of its version, as the server writes it, most often in quotation marks: another tag means other
    /// content. Not a digest of the content.
    pub etag: Option<String>,
    /// When it was last written, where the server says it readably.
    pub last_modified: Option<Timestamp>,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The archives of this part, by key in the server's order. May be empty although more follow.
    pub objects: Vec<ListedObject>,
    /// Objects that were left out: folders, empty ones, those that are called otherwise than archives, and keys
    /// that no address can name.
    pub skipped: u64,
    /// What to go on with; `None` at the end.
    pub next: Option<String>,
}

impl Buckets {
    /// One part of the list of archives below `prefix`, told by their names (`.tar`, `.tar.gz`, `.tgz`,
    /// `.tar.zst` and the like). One request, which looks at no more than `limit` objects (1 to 1,000). Begins
    /// after what a part before gave as [`ObjectPage::next`].
    ///
    /// # Errors
    /// [`BucketError`] for a bucket that is not there, may not be listed or cannot be reached.
    pub async fn list_archives(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u16,
    ) -> Result<ObjectPage, BucketError> {
        let object = format!("s3://{bucket}");
        check_bucket(bucket).map_err(|why| BucketError::Address { spec: object.clone(), why })?;
        let operation = format!("list {object}");
        let subject = Subject { buckets: self, bucket, object, operation };
        // In the order of their names, as the signature wants them.
        let mut query = vec![];
        query.extend(after.map(|token| ("continuation-token", token.to_owned())));
        query.push(("list-type", "2".to_owned()));
        query.push(("max-keys", limit.clamp(1, PAGE).to_string()));
        query.push(("prefix", prefix.to_owned()));
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encode(value, false))).collect();
        let request = self.request(&subject, "", Some(&query.join("&")), &[])?;
        let response = self.client()?.send(request).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(sort(response, &subject).await);
        }
        let body = response.read_to_limit(ANSWER_BYTES).await?;
        parse(&body, bucket).map_err(|why| BucketError::Answer {
            operation: subject.operation,
            host: self.endpoint().host(),
            status: status.as_u16(),
            why: why.to_owned(),
        })
    }
}

#[derive(Default)]
struct Row {
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    last_modified: Option<Timestamp>,
}

fn parse(body: &[u8], bucket: &str) -> Result<ObjectPage, &'static str> {
    let mut page = ObjectPage::default();
    let (mut row, mut is_list, mut truncated, mut rows) = (None::<Row>, false, false, 0);
    walk(body, |part| match (part, &mut row) {
        (Part::Open("ListBucketResult"), _) => is_list = true,
        (Part::Open("Contents"), _) => row = Some(Row::default()),
        (Part::Close("Contents", _), _) => {
            rows += 1;
            match row.take().and_then(|row| listed(row, bucket)) {
                Some(object) if rows <= usize::from(PAGE) => page.objects.push(object),
                _ => page.skipped += 1,
            }
        }
        (Part::Close("Key", text), Some(row)) => (*text).clone_into(&mut row.key),
        (Part::Close("Size", text), Some(row)) => row.size = text.trim().parse().ok(),
        (Part::Close("ETag", text), Some(row)) if !text.is_empty() => row.etag = Some(shorten(text)),
        (Part::Close("LastModified", text), Some(row)) => row.last_modified = text.trim().parse().ok(),
        (Part::Close("IsTruncated", text), None) => truncated = text.trim() == "true",
        (Part::Close("NextContinuationToken", text), None) if !text.is_empty() => {
            page.next = Some((*text).to_owned());
        }
        _ => {}
    })?;
    if !is_list {
        return Err("it is no list of objects");
    }
    if !truncated {
        page.next = None;
    } else if page.next.is_none() {
        return Err("the list goes on, but does not say where");
    }
    Ok(page)
}

fn listed(row: Row, bucket: &str) -> Option<ListedObject> {
    let size = row.size.filter(|size| *size > 0)?;
    let name = row.key.to_ascii_lowercase();
    if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    let address = ObjectAddress::new(bucket, &row.key).ok()?;
    Some(ListedObject { address, size, etag: row.etag, last_modified: row.last_modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, size: &str) -> String {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
             <ETag>&quot;abc&quot;</ETag><Size>{size}</Size><Owner><ID>x</ID></Owner></Contents>"
        )
    }

    fn list(rows: &[String], end: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>ship</Name>{end}{}</ListBucketResult>",
            rows.concat()
        )
    }

    #[test]
    fn reads_a_page() {
        let rows = [
            row("a &amp; b//c.tar", "5"),
            row("folder.tar/", "0"),
            row("x/../y.tar", "5"),
            row("a.txt", "5"),
        ];
        let end = "<IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>";
        let page = parse(list(&rows, end).as_bytes(), "ship").unwrap();
        let expected = ListedObject {
            address: ObjectAddress::new("ship", "a & b//c.tar").unwrap(),
            size: 5,
            etag: Some("\"abc\"".into()),
            last_modified: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        };
        assert_eq!(page, ObjectPage { objects: vec![expected], skipped: 3, next: Some("t/+=".into()) });
    }

    #[test]
    fn knows_archives_by_their_names() {
        for (key, is_archive) in [
            ("a.tar", true),
            ("A.TAR.GZ", true),
            ("x/a.tgz", true),
            ("a.tar.zst", true),
            ("tar", false),
            ("a.tar.sig", false),
            ("a.zip", false),
        ] {
            let page = parse(list(&[row(key, "5")], "").as_bytes(), "ship").unwrap();
            assert_eq!(!page.objects.is_empty(), is_archive, "{key}");
        }
    }

    #[test]
    fn refuses_what_is_no_list() {
        let check = |text: &str, why| assert_eq!(parse(text.as_bytes(), "ship"), Err(why), "{text}");
        check("<html></html>", "it is no list of objects");
        check(&list(&[], "<IsTruncated>true</IsTruncated>"), "the list goes on, but does not say where");
        check("<ListBucketResult><Contents>", "its XML ends too early");
        // A token after the last page must not send anybody round in circles.
        let end = "<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
        assert_eq!(parse(list(&[], end).as_bytes(), "ship").unwrap().next, None);
        // More rows than can have been asked for take no memory.
        let rows: Vec<_> = (0..1100).map(|n| row(&format!("{n}.tar"), "1")).collect();
        let page = parse(list(&rows, "").as_bytes(), "ship").unwrap();
        assert_eq!((page.objects.len(), page.skipped), (1000, 100));
    }
}
