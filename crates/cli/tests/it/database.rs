//! The advisory database: built from every form, fetched when needed, refreshed, and kept when that fails.

use std::{
    fs,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use testkit::{image::Published, write};

use crate::{
    binary::{Home, list},
    sample::{self, FINDINGS},
    server::{Server, answer},
};

/// Records in one `all.zip`, as OSV exports them.
fn zip(records: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (number, record) in records.iter().enumerate() {
        let name = format!("{number}.json");
        let method = rawzip::CompressionMethod::DEFLATE;
        let (mut entry, config) = archive.new_file(&name).compression_method(method).start().unwrap();
        let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(record.as_bytes()).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// A mirror of OSV's exports. It answers with `status` where that is not 200.
struct Mirror {
    server: Server,
    status: Arc<AtomicU16>,
}

impl Mirror {
    fn start() -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let now = Arc::clone(&status);
        let records = sample::records();
        let (debian, npm) = (zip(&records[..3]), zip(&records[3..]));
        let server = Server::start(move |request| {
            let (etag, body) = match request.target.as_str() {
                "/osv/Debian/all.zip" => ("\"debian-1\"", &debian),
                "/osv/npm/all.zip" => ("\"npm-1\"", &npm),
                _ => return answer(404, &[], b""),
            };
            match now.load(Ordering::SeqCst) {
                200 if request.header("if-none-match") == Some(etag) => answer(304, &[("etag", etag)], b""),
                200 => answer(200, &[("etag", etag)], body),
                status => answer(status, &[], b""),
            }
        });
        Self { server, status }
    }

    fn url(&self) -> String {
        format!("http://{}/osv/", self.server.address)
    }
}

fn put_layout(home: &Home) {
    fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&sample::image()))]).unwrap();
}

#[test]
fn is_built_from_every_form() {
    let home = Home::new();
    put_layout(&home);
    let records = sample::records();
    let lines = records.join("\n");
    home.write("plain.jsonl", &lines);
    home.write("zstd.jsonl.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    home.write("gzip.jsonl.gz", gzip.finish().unwrap());
    home.write("all.zip", zip(&records));
    for (number, record) in records.iter().enumerate() {
        home.write(&format!("directory/deep/{number}.json"), record);
    }
    home.write("first.jsonl", records[..2].join("\n"));
    home.write("second.jsonl", records[2..].join("\n"));
    let forms: [&[&str]; 6] = [
        &["plain.jsonl"],
        &["zstd.jsonl.zst"],
        &["gzip.jsonl.gz"],
        &["all.zip"],
        &["directory"],
        &["first.jsonl", "second.jsonl"],
    ];
    for (number, form) in forms.iter().enumerate() {
        let db = format!("db{number}");
        let run = home.run(["db", "build", "--out", &db, "--from"].iter().chain(*form));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{form:?}: {run:?}");
        assert!(run.out.ends_with("4 of 4 records stored in 2 shards\n"), "{form:?}: {}", run.out);
        let status = home.run(["db", "status", "--verify", "--db", &db]);
        assert_eq!(status.code, Some(0), "{form:?}: {status:?}");
        let shards: Vec<&str> = status.out.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(shards, ["SHARD", "debian-12", "npm", "", "2"], "{form:?}: {}", status.out);
        assert_eq!(home.scan(&["--db", &db, "oci:image:1.0"]).findings(), FINDINGS, "{form:?}");
    }
}

#[test]
fn says_what_it_cannot_use() {
    let home = Home::new();
    let empty = home.run(["db", "status", "--db", "db"]);
    assert_eq!(empty.code, Some(5), "{empty:?}");
    assert!(empty.out.contains("db build --from FILE --out db"), "{}", empty.out);

    home.write("bad.jsonl", "{\"id\": \"X-1\"\nnot json\n");
    let bad = home.run(["db", "build", "--from", "bad.jsonl", "--out", "db"]);
    assert_eq!(bad.code, Some(3), "{bad:?}");
    assert!(bad.out.contains("bad.jsonl"), "names the place: {}", bad.out);
    assert!(bad.err.starts_with("error[db-build-empty]"), "{}", bad.err);

    home.write("good.jsonl", sample::records().join("\n"));
    let unwritable = home.run(["db", "build", "--from", "good.jsonl", "--out", "good.jsonl/db"]);
    assert_eq!(unwritable.code, Some(3), "{unwritable:?}");
    assert!(
        unwritable.err.contains("error[db-build-failed]") && unwritable.err.contains("--out can be written")
    );

    let full = Home::with_database();
    let db = full.path(".cache/lazaret/db");
    let shard = fs::read_dir(&db).unwrap().map(|entry| entry.unwrap().path());
    let shard = shard.filter(|path| path.extension().is_some_and(|e| e == "shard")).min().unwrap();
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&shard, bytes).unwrap();
    let damaged = full.run(["db", "status", "--verify"]);
    assert_eq!(damaged.code, Some(3), "{damaged:?}");
    assert!(damaged.err.contains("debian-12") && damaged.err.contains("db update"), "{}", damaged.err);
}

#[test]
fn a_scan_fetches_what_its_image_needs_and_no_more() {
    let mirror = Mirror::start();
    let url = mirror.url();
    let home = Home::new();
    put_layout(&home);
    let scan = |args: &[&str]| {
        home.run(["scan", "--format", "json", "--db-url", &url].iter().chain(args).chain(&["oci:image:1.0"]))
    };
    // Nothing is asked for with --offline.
    let offline = scan(&["--offline"]);
    assert_eq!((offline.code, mirror.server.targets()), (Some(5), vec![]), "{offline:?}");

    let first = scan(&[]);
    assert_eq!((first.code, first.err.as_str()), (Some(0), ""), "{first:?}");
    assert_eq!(first.findings(), FINDINGS);
    assert_eq!(mirror.server.targets(), ["/osv/Debian/all.zip", "/osv/npm/all.zip"]);
    let second = scan(&[]);
    assert_eq!(second.findings(), FINDINGS);
    assert_eq!(mirror.server.targets(), [""; 0], "what is there is not asked for again");
}

#[test]
fn a_scan_without_advisories_says_why() {
    let mirror = Mirror::start();
    mirror.status.store(403, Ordering::SeqCst);
    let home = Home::new();
    put_layout(&home);
    let run = home.run(["scan", "--db-url", &mirror.url(), "oci:image:1.0"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(!run.out.contains("no known vulnerabilities"), "{}", run.out);
    assert!(run.out.contains("debian-12 could not be fetched: ") && run.out.contains("403"), "{}", run.out);
    let json = home.run(["scan", "--db-url", &mirror.url(), "--format", "json", "oci:image:1.0"]).json();
    let codes: Vec<&str> = list(&json, "problems").iter().map(|p| p["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"database-missing"), "{codes:?}");
}

#[test]
fn an_update_asks_what_changed_and_keeps_what_it_has() {
    let mirror = Mirror::start();
    let url = mirror.url();
    let home = Home::new();
    put_layout(&home);
    let update =
        |shards: &[&str]| home.run(["db", "update", "--db", "db", "--db-url", &url].iter().chain(shards));
    let nothing = update(&[]);
    assert_eq!(nothing.code, Some(5), "{nothing:?}");

    let check = |shards: &[&str], code: i32, results: &[&str]| {
        let run = update(shards);
        assert_eq!(run.code, Some(code), "{run:?}");
        for (line, result) in run.out.lines().skip(1).zip(results) {
            assert!(line.contains(result), "{result}: {}", run.out);
        }
        assert_eq!(run.out.lines().count(), results.len() + 1, "{}", run.out);
        run
    };
    check(&["debian-12", "npm"], 0, &["debian-12  updated", "npm        updated"]);
    mirror.server.requests();
    check(&[], 0, &["debian-12  unchanged", "npm        unchanged"]);
    let asked: Vec<Option<String>> = mirror
        .server
        .requests()
        .iter()
        .map(|request| request.header("if-none-match").map(str::to_owned))
        .collect();
    assert_eq!(asked, [Some("\"debian-1\"".to_owned()), Some("\"npm-1\"".to_owned())]);

    mirror.status.store(403, Ordering::SeqCst);
    let failed = check(&[], 3, &["kept as of 2", "kept as of 2"]);
    assert!(failed.out.contains("403"), "{}", failed.out);
    let scan = home.run(["scan", "--db", "db", "--db-url", &url, "--format", "json", "oci:image:1.0"]);
    assert_eq!((scan.code, scan.findings()), (Some(0), FINDINGS.map(str::to_owned).to_vec()));

    mirror.status.store(200, Ordering::SeqCst);
    check(&["debian-99"], 3, &["debian-99  the export holds nothing for it"]);
    let unknown = update(&["no-such-shard"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let no_url = home.run(["scan", "--db-url", "osv.example", "oci:image:1.0"]);
    assert_eq!(no_url.code, Some(2), "{no_url:?}");
    let offline = update(&["--offline"]);
    assert_eq!(offline.code, Some(2), "{offline:?}");
}
