//! Servers of buckets that break off, ignore what they are asked, change their minds or are hostile.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use egress::{AddressPolicy, ClientConfig, ProxyConfig, Url};
use oci::{
    OciError,
    bucket::{BucketCredentials, BucketOptions, Buckets},
};
use testkit::{
    layer::Compression,
    write::{self, DockerForm},
};
use tokio::runtime::Runtime;

use crate::{
    bucket::{archive, buckets, open_options},
    fixture::{large_image, open_with, read_all, read_error, runtime},
};

/// From the number of a request and its head to the whole answer.
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
