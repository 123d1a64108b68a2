//! Records out of files and directories: JSON, JSON lines, plain or in gzip, zstd or zip.
//!
//! Containers are recognised by their first bytes, JSON lines by the name or by what follows the first value.
//! Everything streams; limits come first. This module does not know what a record means.

use std::{
    fmt, fs,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek as _},
    path::{Path, PathBuf},
};

mod text;
mod zip;

use advisory::enrichment::Kind;

use crate::enrichment;

/// Largest record, and largest JSON document that is not JSON lines.
const MAX_RECORD: usize = 32 << 20;
/// Most bytes that one source file may unpack to.
const MAX_UNPACKED: u64 = 64 << 30;
/// zstd windows up to 128 MiB, as `zstd --long=27` makes them.
const WINDOW_LOG: u32 = 27;
/// Most levels of directories.
const MAX_DEPTH: usize = 32;

/// Why a source, or a part of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or directory could not be read.
    #[error("failed to read {0}")]
    Io(PathBuf, #[source] io::Error),
    /// No valid archive.
    #[error("failed to read the archive {0}")]
    Zip(PathBuf, #[source] rawzip::Error),
    /// A record or document above the limit.
    #[error("a record is larger than {MAX_RECORD} bytes")]
    TooLarge,
    /// A source that unpacks to more than any export does.
    #[error("{0} unpacks to more than {MAX_UNPACKED} bytes")]
    Unpacked(PathBuf),
    /// A method of compression that is not known.
    #[error("the entry is compressed by an unknown method")]
    Method,
    /// Directories too deep, or in a circle.
    #[error("{0} lies too deep")]
    TooDeep(PathBuf),
}

/// Where a record stands, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    file: &'a Path,
    entry: Option<&'a str>,
    /// Counted from 1; 0 when the file or entry is one record.
    line: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(entry) = self.entry {
            write!(f, "/{entry}")?;
        }
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        Ok(())
    }
}

/// Takes records as they are read, and parts that could not be.
pub(crate) type Sink<'s> = dyn FnMut(&Place<'_>, Result<&[u8], ReadError>) + 's;

/// Takes files that hold no records but enrichment, told by how they begin.
pub(crate) type Enrich<'e> = dyn FnMut(&Path, Kind, &mut dyn BufRead) -> io::Result<()> + 'e;

/// Reads every record of a file or directory. A part that cannot be read goes to the sink; only a source that
/// cannot be read at all is an error.
pub(crate) fn read_source(
    path: &Path,
    sink: &mut Sink<'_>,
    enrich: &mut Enrich<'_>,
) -> Result<(), ReadError> {
    let metadata = fs::metadata(path).map_err(|error| ReadError::Io(path.to_owned(), error))?;
    if metadata.is_dir() {
        return read_directory(path, 0, sink, enrich);
    }
    read_file(path, sink, enrich)
}

fn read_directory(
    dir: &Path,
    depth: usize,
    sink: &mut Sink<'_>,
    enrich: &mut Enrich<'_>,
) -> Result<(), ReadError> {
    let failed = |error| ReadError::Io(dir.to_owned(), error);
    if depth > MAX_DEPTH {
        return Err(ReadError::TooDeep(dir.to_owned()));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Links are not followed: they could lead round in circles or anywhere.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() || (kind.is_file() && is_source(&entry.path())) {
            entries.push((entry.path(), kind.is_dir()));
        }
    }
    // The same directory gives the same database.
    entries.sort();
    for (path, is_dir) in entries {
        let outcome = if is_dir {
            read_directory(&path, depth + 1, sink, enrich)
        } else {
            read_file(&path, sink, enrich)
        };
        if let Err(error) = outcome {
            sink(&Place { file: &path, entry: None, line: 0 }, Err(error));
        }
    }
    Ok(())
}

fn is_source(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension, "json" | "jsonl" | "ndjson" | "csv" | "gz" | "zst" | "zip")
}

fn read_file(path: &Path, sink: &mut Sink<'_>, enrich: &mut Enrich<'_>) -> Result<(), ReadError> {
    let failed = |error| ReadError::Io(path.to_owned(), error);
    let mut file = File::open(path).map_err(failed)?;
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let reader: Box<dyn BufRead> = match magic.as_slice() {
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => return zip::read(path, file, sink),
        [0x1f, 0x8b, ..] => {
            Box::new(BufReader::with_capacity(1 << 16, flate2::read::MultiGzDecoder::new(file)))
        }
        // A skippable frame may come first.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let mut decoder = zstd::Decoder::new(file).map_err(failed)?;
            decoder.window_log_max(WINDOW_LOG).map_err(failed)?;
            Box::new(BufReader::with_capacity(1 << 17, decoder))
        }
        _ => Box::new(BufReader::with_capacity(1 << 16, file)),
    };
    let name = path.to_string_lossy();
    let is_lines = text::is_lines(&name);
    let mut reader = reader.take(MAX_UNPACKED);
    match enrichment::sniff(reader.fill_buf().map_err(failed)?) {
        Some(kind) => enrich(path, kind, &mut reader).map_err(failed)?,
        None => {
            let place = Place { file: path, entry: None, line: 0 };
            text::read(&mut reader, is_lines, place, sink).map_err(failed)?;
        }
    }
    if reader.limit() == 0 {
        return Err(ReadError::Unpacked(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read_records(path: &Path, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        read_source(path, sink, &mut |path, kind, _| panic!("{} is {kind}", path.display()))
    }

    #[test]
    fn enrichment_is_told_by_how_it_begins() {
        let dir = tempfile::tempdir().unwrap();
        let pack = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        for (name, bytes, expected) in [
            ("a.json", b"{\"title\": \"t\",\n \"catalogVersion\": \"1\"".to_vec(), Some("kev")),
            ("b.csv", b"#model_version:v1,score_date:2026\ncve,epss,percentile\n".to_vec(), Some("epss")),
            ("c.csv.zst", pack("cve;epss;percentile\nCVE-2024-0001;0;0"), Some("epss")),
            ("d.jsonl", b"{\"id\":\"CVE-2024-0001\",\"cvss\":[]}".to_vec(), Some("cve-severity")),
            ("e.json", b"{\"dataType\": \"CVE_RECORD\"}".to_vec(), Some("cve-severity")),
            ("f.json.zst", pack("{\"format\":\"NVD_CVE\"}"), Some("cve-severity")),
            ("g.json", b"{\"id\":\"CVE-2024-0001\",\"affected\":[]}".to_vec(), None),
            ("h.csv", b"a,b,c".to_vec(), None),
        ] {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            let mut found = None;
            read_source(&path, &mut |_, _| (), &mut |_, kind, _| {
                found = Some(kind.as_str());
                Ok(())
            })
            .unwrap();
            assert_eq!(found, expected, "{name}");
        }
    }

    /// Records and what could not be read, with their places below `dir`.
    pub(super) fn collect(path: &Path) -> Result<Vec<String>, ReadError> {
        let mut found = Vec::new();
        let base = path.parent().unwrap().to_owned();
        read_records(path, &mut |place, record| {
            let place = place.to_string().replace(&format!("{}/", base.display()), "");
            found.push(match record {
                Ok(bytes) => format!("{place} {}", String::from_utf8_lossy(bytes)),
                Err(error) => format!("{place} ! {error}"),
            });
        })?;
        Ok(found)
    }

    fn check(name: &str, bytes: &[u8], expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(collect(&path).unwrap(), expected, "{name}");
    }

    #[test]
    fn reads_json_in_all_its_wrappings() {
        let lines = b"{\"a\":1}\n\n {\"b\":2} \r\n{\"c\":3}";
        let expected = |name: &str| {
            [(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":3}")]
                .map(|(line, text)| format!("{name}:{line} {text}"))
        };
        let wrap = |name: &str, bytes: &[u8]| {
            let expected = expected(name);
            check(name, bytes, &expected.each_ref().map(String::as_str));
        };
        wrap("a.jsonl", lines);
        // Lines without the name that says so.
        wrap("a.json", lines);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(lines).unwrap();
        wrap("a.jsonl.gz", &gz.finish().unwrap());
        let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
        long.window_log(27).unwrap();
        long.long_distance_matching(true).unwrap();
        long.write_all(lines).unwrap();
        wrap("a.jsonl.zst", &long.finish().unwrap());

        check("one.json", b"\xef\xbb\xbf{\n \"a\": 1\n}\n", &["one.json {\n \"a\": 1\n}"]);
        check("array.json", b"[{\"a\":1}, {\"b\":2}]", &["array.json:1 {\"a\":1}", "array.json:2 {\"b\":2}"]);
        check("empty.json", b" \n", &[]);
        check("bad.json", b"{", &["bad.json {"]);
    }

    #[test]
    fn a_damaged_stream_is_an_error_after_what_came_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl.zst");
        let lines: String = (0..50_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        let packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
        fs::write(&path, &packed[..packed.len() / 2]).unwrap();
        let mut records = 0;
        let error = read_records(&path, &mut |_, record| records += usize::from(record.is_ok())).unwrap_err();
        assert!(matches!(error, ReadError::Io(..)), "{error:?}");
        assert!(records > 0);
    }

    #[test]
    fn too_large_a_window_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl.zst");
        // A frame header that asks for a window of 2 GiB (RFC 8878, section 3.1.1.1.2): exponent 21.
        fs::write(&path, [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0, 0]).unwrap();
        assert!(matches!(read_records(&path, &mut |_, _| ()), Err(ReadError::Io(..))));
    }

    #[test]
    fn a_line_above_the_limit_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut bytes = vec![b'x'; MAX_RECORD + 2];
        bytes.extend_from_slice(b"\n{}\n");
        fs::write(&path, bytes).unwrap();
        let expected = format!("a.jsonl:1 ! a record is larger than {MAX_RECORD} bytes");
        assert_eq!(collect(&path).unwrap(), [expected, "a.jsonl:2 {}".to_owned()]);
    }

    #[test]
    fn directories_are_read_in_order_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        fs::create_dir_all(top.join("b/c")).unwrap();
        for (name, text) in [
            ("z.json", "1"),
            ("a.json", "2"),
            ("b/c/x.jsonl", "3"),
            ("notes.txt", "4"),
            ("bad.zip", "PK\x03\x04"),
        ] {
            fs::write(top.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink(&top, top.join("b/again")).unwrap();
        let found = collect(&top).unwrap();
        let bad = format!("top/bad.zip ! failed to read the archive {}", top.join("bad.zip").display());
        let bad = bad.replace(&format!("{}/", dir.path().display()), "");
        let found: Vec<String> =
            found.iter().map(|line| line.replace(&format!("{}/", dir.path().display()), "")).collect();
        assert_eq!(
            found,
            ["top/a.json 2".to_owned(), "top/b/c/x.jsonl:1 3".to_owned(), bad, "top/z.json 1".to_owned()]
        );
        assert!(matches!(collect(&top.join("missing")), Err(ReadError::Io(..))));
    }
}
