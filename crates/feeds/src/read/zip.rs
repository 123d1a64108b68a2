//! Zip archives, entry by entry, as OSV exports them: one JSON record each.
//!
//! The central directory is read as a stream; entries are unpacked into one buffer of at most a record's size,
//! with length and CRC-32 verified. Nothing is written to disk, so names of entries are only for people.

use std::{fs::File, io::Read, path::Path};

use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::{MAX_RECORD, MAX_UNPACKED, Place, ReadError, Sink, WINDOW_LOG, text};

/// Most entries of one archive; the largest export has some hundred thousand.
const MAX_ENTRIES: u64 = 10_000_000;

pub(super) fn read(path: &Path, file: File, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let failed = |error| ReadError::Zip(path.to_owned(), error);
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(failed)?;
    let expected = archive.entries_hint();
    let mut entries = archive.entries(&mut buffer);
    let (mut seen, mut total) = (0_u64, 0_u64);
    let mut record = Vec::new();
    while let Some(entry) = entries.next_entry().map_err(failed)? {
        seen += 1;
        if seen > MAX_ENTRIES || total > MAX_UNPACKED {
            return Err(ReadError::Unpacked(path.to_owned()));
        }
        let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
        if entry.is_dir() || !(name.ends_with(".json") || text::is_lines(&name)) {
            continue;
        }
        let place = Place { file: path, entry: Some(&name), line: 0 };
        let method = entry.compression_method();
        record.clear();
        let outcome = archive.get_entry(entry.wayfinder()).map_err(failed).and_then(|entry| {
            let packed = entry.reader();
            let unpacked: Box<dyn Read + '_> = match method {
                CompressionMethod::STORE => Box::new(packed),
                CompressionMethod::DEFLATE => Box::new(flate2::read::DeflateDecoder::new(packed)),
                CompressionMethod::ZSTD => {
                    let io = |error| ReadError::Io(path.to_owned(), error);
                    let mut decoder = zstd::Decoder::new(packed).map_err(io)?;
                    decoder.window_log_max(WINDOW_LOG).map_err(io)?;
                    Box::new(decoder)
                }
                _ => return Err(ReadError::Method),
            };
            let mut verified = entry.verifying_reader(unpacked).take(MAX_RECORD as u64 + 1);
            verified.read_to_end(&mut record).map_err(|error| ReadError::Io(path.to_owned(), error))?;
            if record.len() > MAX_RECORD { Err(ReadError::TooLarge) } else { Ok(()) }
        });
        total += record.len() as u64;
        match outcome {
            Ok(()) => text::read_document(&record, place, sink),
            Err(error) => sink(&place, Err(error)),
        }
    }
    if seen < expected {
        let error = std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            format!("the archive announces {expected} entries and has {seen}"),
        );
        return Err(ReadError::Io(path.to_owned(), error));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;
    use crate::read::tests::collect;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
        for (name, content) in entries {
            let (mut entry, config) =
                archive.new_file(name).compression_method(CompressionMethod::DEFLATE).start().unwrap();
            let mut writer =
                config.wrap(flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default()));
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        archive.finish().unwrap();
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<Vec<String>, ReadError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.zip");
        fs::write(&path, bytes).unwrap();
        collect(&path)
    }

    #[test]
    fn reads_every_json_entry() {
        let bytes = archive(&[
            ("A-1.json", b"{\"id\":1}"),
            ("notes.txt", b"x"),
            ("dir/B-2.json", b"{\n}"),
            ("more.jsonl", b"{\"a\":1}\n{\"b\":2}"),
        ]);
        let expected = [
            "all.zip/A-1.json {\"id\":1}",
            "all.zip/dir/B-2.json {\n}",
            "all.zip/more.jsonl:1 {\"a\":1}",
            "all.zip/more.jsonl:2 {\"b\":2}",
        ];
        assert_eq!(read_bytes(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let bytes = archive(&[("bomb.json", &vec![b' '; MAX_RECORD + 10]), ("ok.json", b"{}")]);
        assert!(bytes.len() < 1 << 20);
        let found = read_bytes(&bytes).unwrap();
        assert_eq!(found[0], format!("all.zip/bomb.json ! a record is larger than {MAX_RECORD} bytes"));
        assert_eq!(found[1], "all.zip/ok.json {}");
    }

    #[test]
    fn damage_is_noticed_and_never_panics() {
        let content: String = (0..200).map(|n| format!("{n} ")).collect();
        let bytes = archive(&[("a.json", content.as_bytes()), ("b.json", b"{}")]);
        let whole = read_bytes(&bytes).unwrap();
        for len in 0..bytes.len() {
            let cut = read_bytes(&bytes[..len]);
            assert!(cut.is_err() || cut.is_ok_and(|found| found != whole), "cut to {len}");
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            let _ = read_bytes(&bad);
        }
        // A byte of the content.
        let mut bad = bytes;
        bad[60] ^= 0x55;
        let found = read_bytes(&bad).unwrap();
        assert!(found[0].contains(" ! "), "{found:?}");
    }
}
