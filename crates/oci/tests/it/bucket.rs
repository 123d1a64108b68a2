//! Archives in a bucket, on a real server of S3.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use egress::{AddressPolicy, ClientConfig, ProxyConfig, RetryPolicy, Url};
use oci::{
    OpenOptions,
    bucket::{BucketCredentials, BucketOptions, Buckets},
    registry::CredentialSource,
};
use testkit::{
    Family,
    bucket::{AccessKey, BUCKET, Bucket},
    image::Published,
    layer::Compression,
    write::{self, DockerForm},
};
use tokio::runtime::Runtime;

use crate::fixture::{image, large_image, open_with, options, read_all, read_error, registries, runtime};

/// The server that verifies signatures, started once: it takes a second.
fn signed() -> Option<&'static Bucket> {
    static SERVER: OnceLock<Option<Bucket>> = OnceLock::new();
    SERVER.get_or_init(|| Bucket::start_signed().unwrap()).as_ref()
}

/// The buckets of a server, asked with quick retries.
pub(crate) fn buckets(endpoint: &str, key: Option<&AccessKey>) -> Arc<Buckets> {
    let mut client = ClientConfig::new(AddressPolicy::Any, ProxyConfig::none());
    let (first_pause, longest_pause) = (Duration::from_millis(1), Duration::from_secs(1));
    client.retry = RetryPolicy { attempts: 2, first_pause, longest_pause };
    let options = BucketOptions {
        endpoint: Some(Url::parse(endpoint).unwrap()),
        credentials: key.map(|key| BucketCredentials::new(&key.id, &key.secret, None)),
        ..BucketOptions::default()
    };
    Buckets::new(&options, client).unwrap()
}

/// Options for `linux/amd64` with these buckets.
pub(crate) fn open_options(runtime: &Runtime, buckets: Arc<Buckets>) -> OpenOptions {
    options(runtime, &registries(CredentialSource::Anonymous)).with_buckets(buckets)
}

/// The bytes of an archive of the test image.
pub(crate) fn archive(form: Option<DockerForm>, compression: Compression) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let original = image(Family::Oci, "amd64");
    match form {
        Some(form) => write::docker_archive(&file, &["shop/web:1.4"], &original, form, compression).unwrap(),
        None => {
            let published = Published::from(&original);
            write::oci_archive(&file, &[("1.0", &published)], compression).unwrap();
        }
    }
    std::fs::read(&file).unwrap()
}

#[test]
fn archives_of_every_form() {
    let Some(server) = signed() else { return };
    let runtime = runtime();
    let options = open_options(&runtime, buckets(server.endpoint(), Some(server.owner())));
    let tar_bytes: usize = image(Family::Oci, "amd64").layers.iter().map(|layer| layer.tar.len()).sum();
    for (form, name) in [
        (None, "1.0"),
        (Some(DockerForm::Old), "shop/web:1.4"),
        (Some(DockerForm::OldCompressed), "shop/web:1.4"),
        (Some(DockerForm::New), "shop/web:1.4"),
    ] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let key = format!("forms/{form:?} {compression:?}+ü//(1).tar");
            server.put(&key, &archive(form, compression)).unwrap();
            let spec = format!("s3://{BUCKET}/{key}");
            for spec in [spec.clone(), format!("{spec}#{name}")] {
                let opened = open_with(&spec, &options).unwrap_or_else(|e| panic!("{spec}: {e:?}"));
                assert_eq!(opened.reference, spec);
                assert_eq!(read_all(&opened).unwrap(), tar_bytes as u64, "{spec}");
            }
            let error = open_with(&format!("{spec}#other"), &options).unwrap_err();
            assert_eq!(error.code(), "image-not-found", "{spec}");
        }
    }
}

#[test]
fn large_layers_without_a_copy() {
    let Some(server) = signed() else { return };
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let original = large_image();
    write::docker_archive(&file, &[], &original, DockerForm::OldCompressed, Compression::None).unwrap();
    let content = std::fs::read(&file).unwrap();
    server.put("large.tar", &content).unwrap();
    let mut options = open_options(&runtime, buckets(server.endpoint(), Some(server.owner())));
    // Nothing can be written there.
    options.temp_dir = "/nonexistent".into();
    let opened = open_with(&format!("s3://{BUCKET}/large.tar"), &options).unwrap();
    assert_eq!(read_all(&opened).unwrap(), original.layers[0].tar.len() as u64);
    options.limits.layer_bytes = content.len() as u64 - 1;
    let error = open_with(&format!("s3://{BUCKET}/large.tar"), &options).unwrap_err();
    assert_eq!((error.code(), error.failure_reason()), ("too-large", "too_large"));
}

#[test]
fn what_cannot_be_opened() {
    let Some(server) = signed() else { return };
    let runtime = runtime();
    server.put("text.tar", "nothing but text ".repeat(100).as_bytes()).unwrap();
    server.put("empty.tar", b"").unwrap();
    server.put("bzip2.tar.bz2", b"BZh91AY&SY and more").unwrap();
    let mut damaged = archive(None, Compression::Gzip);
    damaged.truncate(damaged.len() / 2);
    server.put("damaged.tgz", &damaged).unwrap();
    server.put("a.tar", &archive(None, Compression::None)).unwrap();
    let owner = server.owner();
    let check = |key: Option<&AccessKey>, spec: &str, code: &str, reason: &str| {
        let buckets = buckets(server.endpoint(), key);
        let error = open_with(spec, &open_options(&runtime, buckets)).unwrap_err();
        assert_eq!((error.code(), error.failure_reason()), (code, reason), "{spec}: {error:?}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains(&owner.secret), "{said}");
    };
    let at = |key: &str| format!("s3://{BUCKET}/{key}");
    check(Some(owner), &at("absent.tar"), "object-not-found", "image_not_found");
    check(Some(owner), "s3://elsewhere/a.tar", "object-not-found", "image_not_found");
    check(Some(owner), "s3://elsewhere", "reference-invalid", "image_not_found");
    check(Some(owner), &at("../elsewhere/a.tar"), "reference-invalid", "image_not_found");
    check(Some(owner), &at("text.tar"), "not-an-image", "unsupported_image_type");
    check(Some(owner), &at("bzip2.tar.bz2"), "unsupported-image-type", "unsupported_image_type");
    check(Some(owner), &at("empty.tar"), "archive-invalid", "scanner_error");
    check(Some(owner), &at("damaged.tgz"), "archive-invalid", "scanner_error");
    let wrong = |id: &str, secret: &str| AccessKey { id: id.into(), secret: secret.into() };
    for key in [wrong(&owner.id, "wrong"), wrong("AKIANOBODY", &owner.secret), server.stranger().clone()] {
        check(Some(&key), &at("a.tar"), "bucket-unauthorized", "registry_unauthorized");
    }
}

#[test]
fn without_credentials() {
    let Some(server) = Bucket::start().unwrap() else { return };
    let runtime = runtime();
    server.put("a.tar", &archive(None, Compression::None)).unwrap();
    let spec = format!("s3://{BUCKET}/a.tar");
    let opened = open_with(&spec, &open_options(&runtime, buckets(server.endpoint(), None))).unwrap();
    read_all(&opened).unwrap();
    let registries_only = options(&runtime, &registries(CredentialSource::Anonymous));
    for options in [OpenOptions::files_only(), registries_only] {
        let error = open_with(&spec, &options).unwrap_err();
        assert_eq!((error.code(), error.failure_reason()), ("network-disabled", "registry_unavailable"));
    }
}

#[test]
fn an_object_that_is_replaced() {
    let Some(server) = signed() else { return };
    let runtime = runtime();
    let options = open_options(&runtime, buckets(server.endpoint(), Some(server.owner())));
    let plain = archive(Some(DockerForm::Old), Compression::None);
    server.put("moving.tar", &plain).unwrap();
    let opened = open_with(&format!("s3://{BUCKET}/moving.tar"), &options).unwrap();
    // The same length, so that nothing but the version can tell.
    let mut other = plain.clone();
    *other.last_mut().unwrap() ^= 1;
    server.put("moving.tar", &other).unwrap();
    assert_eq!(read_error(&opened), "object-changed");
    server.put("moving.tar", &plain[..512]).unwrap();
    assert_eq!(read_error(&opened), "object-changed");
    server.put("moving.tar", &plain).unwrap();
    read_all(&opened).unwrap();
}

#[test]
fn lists_archives_page_by_page() {
    let Some(server) = signed() else { return };
    let runtime = runtime();
    let keys = ["list/a b.tar", "list/c&<d>.tar.gz", "list/e//f.TGZ", "list/g+%2F'\"ü.tar.zst", "list/h.tar"];
    let mut etags = Vec::new();
    for key in keys {
        etags.push(server.put(key, key.as_bytes()).unwrap());
    }
    for key in ["list/readme.txt", "list/empty.tar", "listing.tar", "list/folder/"] {
        server.put(key, if key.contains("empty") { b"" } else { b"x" }).unwrap();
    }
    let buckets_of = |key| buckets(server.endpoint(), Some(key));
    let owned = buckets_of(server.owner());
    let list = |prefix: &str, limit| {
        let (mut found, mut skipped, mut after, mut pages) = (Vec::new(), 0, None::<String>, 0);
        loop {
            let page = owned.list_archives(BUCKET, prefix, after.as_deref(), limit);
            let page = runtime.block_on(page).unwrap();
            assert!(page.objects.len() <= usize::from(limit));
            found.extend(page.objects);
            skipped += page.skipped;
            pages += 1;
            after = page.next;
            if after.is_none() {
                return (found, skipped, pages);
            }
        }
    };
    for (limit, expected) in [(1000, 1), (3, 3), (1, 8)] {
        let (found, skipped, pages) = list("list/", limit);
        let listed: Vec<_> =
            found.iter().map(|o| (o.address.key(), o.size, o.etag.clone().unwrap())).collect();
        let put: Vec<_> = keys.iter().zip(&etags).map(|(k, tag)| (*k, k.len() as u64, tag.clone())).collect();
        assert_eq!(listed, put);
        assert!(found.iter().all(|object| object.last_modified.is_some()));
        assert_eq!((skipped, pages), (3, expected), "{limit}");
    }
    assert_eq!(list("nothing/", 10), (Vec::new(), 0, 1));
    // What was listed can be opened.
    let options = open_options(&runtime, Arc::clone(&owned));
    for object in list("list/", 1000).0 {
        let error = open_with(&object.address.spec(), &options).unwrap_err();
        // It was found; it is too short for an archive.
        assert_eq!(error.code(), "archive-invalid", "{}", object.address);
    }
    let error = |buckets: Arc<Buckets>, bucket: &str| {
        runtime.block_on(buckets.list_archives(bucket, "", None, 10)).unwrap_err().code()
    };
    assert_eq!(error(owned, "elsewhere"), "object-not-found");
    assert_eq!(error(buckets_of(server.stranger()), BUCKET), "bucket-unauthorized");
    assert_eq!(error(buckets_of(server.owner()), "../x"), "reference-invalid");
}
