//! Archives in a bucket: a real server of S3, and a hostile one.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use egress::{AddressPolicy, ClientConfig, ProxyConfig, RetryPolicy, Url};
use oci::{
    OciError, OpenOptions,
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

fn buckets(endpoint: &str, key: Option<&AccessKey>) -> Arc<Buckets> {
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

fn open_options(runtime: &Runtime, buckets: Arc<Buckets>) -> OpenOptions {
    options(runtime, &registries(CredentialSource::Anonymous)).with_buckets(buckets)
}

/// The bytes of an archive of the test image.
fn archive(form: Option<DockerForm>, compression: Compression) -> Vec<u8> {
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

/// Asks of a server for one request: number of the request and its head; the whole answer.
type Answer = dyn Fn(usize, &str) -> Vec<u8> + Send + Sync;

/// A server that answers what it is told, one request for each connection; counts requests and keeps their heads.
fn server(
    answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let (heads, answer): (_, Arc<Answer>) = (Arc::clone(&log), Arc::new(answer));
    let count = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (heads, answer, count) = (Arc::clone(&heads), Arc::clone(&answer), Arc::clone(&count));
            thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
                let head = head.join("\n");
                let answer = answer(count.fetch_add(1, Ordering::SeqCst), &head);
                heads.lock().unwrap().push(head);
                // Who has gone away does not listen.
                let _ = stream.write_all(&answer);
            });
        }
    });
    (endpoint, log)
}

/// The range that a request asks for, as far as `content` goes.
fn range(head: &str, size: usize) -> (usize, usize) {
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap();
    let (begin, end) = range.split_once('-').unwrap();
    (begin.parse().unwrap(), end.parse::<usize>().unwrap().min(size - 1) + 1)
}

/// An honest answer to a request for a range, with headers that may replace its own.
fn part(head: &str, content: &[u8], etag: &str) -> Vec<u8> {
    let (begin, end) = range(head, content.len());
    let (last, size, length) = (end - 1, content.len(), end - begin);
    let head = format!(
        "HTTP/1.1 206 X\r\ncontent-length: {length}\r\ncontent-range: bytes {begin}-{last}/{size}\r\n\
         etag: {etag}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), &content[begin..end]].concat()
}

fn open_at(runtime: &Runtime, endpoint: &str) -> Result<oci::Image, OciError> {
    open_with("s3://ship/a.tar", &open_options(runtime, buckets(endpoint, None)))
}

#[test]
fn goes_on_after_a_broken_connection() {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    write::docker_archive(&file, &[], &large_image(), DockerForm::OldCompressed, Compression::None).unwrap();
    let content = std::fs::read(&file).unwrap();
    let whole = content.len();
    let (endpoint, log) = server(move |_, head| {
        let mut answer = part(head, &content, "\"v1\"");
        answer.truncate(700_000);
        answer
    });
    let opened = open_at(&runtime, &endpoint).unwrap();
    let before = log.lock().unwrap().len();
    assert!(before < 12, "{before} requests to find {whole} bytes");
    log.lock().unwrap().clear();
    read_all(&opened).unwrap();
    let heads = log.lock().unwrap().clone();
    assert!(heads.len() >= 3, "{heads:?}");
    assert!(heads.iter().all(|head| head.contains("if-match: \"v1\"")), "{heads:?}");
}

#[test]
fn a_server_that_never_finishes() {
    let runtime = runtime();
    let content = archive(Some(DockerForm::Old), Compression::None);
    let (endpoint, _) = server(move |n, head| {
        let mut answer = part(head, &content, "\"v1\"");
        if n > 0 {
            answer.truncate(150);
        }
        answer
    });
    let code = open_at(&runtime, &endpoint).map_or_else(|e| e.code(), |opened| read_error(&opened));
    assert_eq!(code, "bucket-unavailable");
}

/// The same, and the object.
type OfContent = dyn Fn(usize, &str, &[u8]) -> Vec<u8> + Send + Sync;

#[test]
fn a_server_without_conditions_or_ranges() {
    let runtime = runtime();
    let content = archive(Some(DockerForm::Old), Compression::None);
    let check = |expected: &str, answer: Box<OfContent>| {
        let content = content.clone();
        let (endpoint, _) = server(move |n, head| answer(n, head, &content));
        let code = open_at(&runtime, &endpoint).map_or_else(|e| e.code(), |opened| read_error(&opened));
        assert_eq!(code, expected);
    };
    // It ignores If-Match, but tells another tag.
    check(
        "object-changed",
        Box::new(|n, head, all| part(head, all, if n == 0 { "\"v1\"" } else { "\"v2\"" })),
    );
    // It tells no tag, but another size.
    check(
        "object-changed",
        Box::new(|n, head, all| {
            let all = if n == 0 { all.to_vec() } else { [all, &[0; 512]].concat() };
            part(head, &all, "")
        }),
    );
    // It always begins anew.
    check(
        "bucket-answer",
        Box::new(|_, _, all| {
            let head =
                format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", all.len());
            [head.as_bytes(), all].concat()
        }),
    );
    // It sends another range than was asked for.
    check(
        "bucket-answer",
        Box::new(|n, head, all| {
            let answer = String::from_utf8_lossy(&part(head, all, "\"v1\"")).into_owned();
            if n == 0 { part(head, all, "\"v1\"") } else { answer.replace("bytes ", "bytes 1").into_bytes() }
        }),
    );
    check("bucket-unavailable", Box::new(|_, _, _| b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n".to_vec()));
    check(
        "bucket-answer",
        Box::new(|_, _, _| {
            b"HTTP/1.1 206 X\r\ncontent-range: bytes 0-0/*\r\ncontent-length: 1\r\n\r\nx".to_vec()
        }),
    );
    check(
        "bucket-region",
        Box::new(|_, _, _| {
            b"HTTP/1.1 301 X\r\nx-amz-bucket-region: eu-west-1\r\ncontent-length: 0\r\n\r\n".to_vec()
        }),
    );
}

#[test]
fn a_redirect_gets_no_token() {
    let runtime = runtime();
    let (elsewhere, asked) = server(|_, _| Vec::new());
    let (endpoint, log) = server(move |_, _| {
        let head = format!("HTTP/1.1 307 X\r\nlocation: {elsewhere}/ship/a.tar\r\ncontent-length: 0\r\n");
        format!("{head}connection: close\r\n\r\n").into_bytes()
    });
    let client = ClientConfig::new(AddressPolicy::Any, ProxyConfig::none());
    let credentials = BucketCredentials::new("AKIASHIP", "hunter2", Some("tok3n".into()));
    let options = BucketOptions {
        endpoint: Some(Url::parse(&endpoint).unwrap()),
        credentials: Some(credentials),
        ..BucketOptions::default()
    };
    let buckets = Buckets::new(&options, client).unwrap();
    assert!(!format!("{buckets:?}").contains("AKIASHIP"));
    let error = open_with("s3://ship/a.tar", &open_options(&runtime, buckets)).unwrap_err();
    assert_eq!(error.code(), "bucket-unavailable", "{error:?}");
    assert!(error.hint().contains("not sent elsewhere"), "{error:?}");
    let head = log.lock().unwrap().concat();
    assert!(head.contains("x-amz-security-token: tok3n") && head.contains("Credential=AKIASHIP/"), "{head}");
    assert!(!head.contains("hunter2"));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn the_address_guard_holds() {
    let runtime = runtime();
    let client = ClientConfig::new(AddressPolicy::Guarded { allow: Vec::new() }, ProxyConfig::none());
    let options = BucketOptions {
        endpoint: Some(Url::parse("http://127.0.0.1:9/").unwrap()),
        ..BucketOptions::default()
    };
    let buckets = Buckets::new(&options, client).unwrap();
    let error = open_with("s3://ship/a.tar", &open_options(&runtime, buckets)).unwrap_err();
    assert_eq!(error.code(), "address-refused");
}

/// An archive of many small files far from each other must not make as many requests.
#[test]
fn a_directory_that_is_spread_out() {
    let runtime = runtime();
    // A header of 512 bytes for each megabyte, made where it is asked for.
    const GAP: usize = 1 << 20;
    const FILES: usize = 20_000;
    let header = |n: usize| {
        let mut header = [0; 512];
        let name = format!("f{n}");
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", GAP - 512).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    };
    let (endpoint, log) = server(move |_, head| {
        let (begin, end) = range(head, GAP * FILES);
        let mut body = vec![0; end - begin];
        for at in (begin.next_multiple_of(GAP)..end).step_by(GAP) {
            let length = body.len().min(at - begin + 512);
            body[at - begin..length].copy_from_slice(&header(at / GAP)[..length - (at - begin)]);
        }
        let size = GAP * FILES;
        let head = format!(
            "HTTP/1.1 206 X\r\ncontent-length: {}\r\ncontent-range: bytes {begin}-{}/{size}\r\n\
             connection: close\r\n\r\n",
            body.len(),
            end - 1
        );
        [head.as_bytes(), &body].concat()
    });
    let error = open_at(&runtime, &endpoint).unwrap_err();
    assert_eq!(error.code(), "too-large", "{error:?}");
    let requests = log.lock().unwrap().len();
    assert!(requests <= 2048, "{requests}");
    assert!(error.to_string().contains("s3://ship/a.tar"), "{error}");
}
