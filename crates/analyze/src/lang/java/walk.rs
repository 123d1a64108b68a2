//! Reads archives and the archives inside them, within bounds that all of one file share: bytes that are
//! inflated, entries, nested archives, packages, and how deep they lie in one another.
//!
//! Of each archive the central directory is streamed; manifest and `pom.properties` are inflated up to a limit each.
//! An archive inside is read in place when it is stored, as Spring Boot does, else it is inflated into memory, or
//! into an unnamed file when large. Entries that overlap or contain themselves cost no more than the bounds.

use std::io::{self, Read};

use flate2::read::DeflateDecoder;
use model::{Package, PackageKind, Problem, ProblemCode};
use rawzip::{
    CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator,
};
use sha1::{Digest as _, Sha1};

use super::{
    identity::{self, Identity},
    manifest::{Header, Manifest},
    properties::{self, Coordinates},
    suffix_of,
};
use crate::{Blob, Content, Observation, text};

/// How deep archives are read: an `.ear` with a `.war` with a `.jar` that bundles another is four.
const DEPTH_MAX: u32 = 6;
/// Most entries of one file, over all archives in it. Real ones have some ten thousand.
const ENTRIES_MAX: u64 = 1_000_000;
/// Most archives inside one file.
const NESTED_MAX: usize = 20_000;
/// Most packages of one file.
const PACKAGES_MAX: usize = 20_000;
/// Most `pom.properties` of one archive.
const POMS_MAX: usize = 4_000;
/// Bytes that may be inflated of one file, whatever its size ...
const INFLATED_FREE: u64 = 64 << 20;
/// ... and for each of its bytes beyond that: archives inside archives hardly shrink any more.
const INFLATED_RATIO: u64 = 8;
/// Most bytes that are inflated of one file.
const INFLATED_MAX: u64 = 4 << 30;
/// What is read of a manifest, in bytes; the main section comes first.
const MANIFEST_MAX: u64 = 256 << 10;
/// What is read of a `pom.properties`, in bytes.
const POM_MAX: u64 = 64 << 10;
/// Archives inside, above this many bytes, are inflated to disk.
const SPILL_ABOVE: u64 = 8 << 20;

/// Reads one file of that name.
pub(super) fn read(blob: &Blob, name: &str) -> Observation {
    let limit = INFLATED_FREE.saturating_add(blob.len().saturating_mul(INFLATED_RATIO)).min(INFLATED_MAX);
    let mut walk = Walk {
        inflated: limit,
        entries: ENTRIES_MAX,
        nested: NESTED_MAX,
        observation: Observation::default(),
        damaged: 0,
        beyond: 0,
    };
    if blob.is_empty() || !may_be_zip(blob, name) {
        return walk.observation;
    }
    walk.archive(View { blob, start: 0, len: blob.len() }, name, "", 0);
    walk.finish()
}

/// Whether files with such a suffix are always archives, or this one begins like one.
fn may_be_zip(blob: &Blob, name: &str) -> bool {
    let sure = matches!(suffix_of(name.as_bytes()), Some(".jar" | ".war" | ".ear"));
    let mut magic = [0; 2];
    sure || blob.read_at(0, &mut magic).is_ok_and(|()| magic == *b"PK")
}

/// A part of a file: an archive that may lie in another one.
#[derive(Clone, Copy)]
struct View<'a> {
    blob: &'a Blob,
    start: u64,
    len: u64,
}

impl View<'_> {
    fn digest(&self) -> io::Result<String> {
        let mut hash = Sha1::new();
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let mut at = 0;
        while at < self.len {
            let read = self.read_at(&mut buffer, at)?;
            hash.update(buffer.get(..read).unwrap_or_default());
            at += read.max(1) as u64;
        }
        let mut text = "sha1:".to_owned();
        for byte in hash.finalize() {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        Ok(text)
    }
}

impl ReaderAt for View<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = left.min(buf.len());
        let place = self.start.checked_add(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.blob.read_at(place, buf.get_mut(..length).unwrap_or_default())?;
        Ok(length)
    }
}

/// An entry of interest, to be read after the central directory.
struct Wanted {
    at: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    encrypted: bool,
}

/// What one archive's central directory shows.
#[derive(Default)]
struct Directory {
    manifest: Option<Wanted>,
    poms: Vec<Wanted>,
    /// With the name in the archive, fit to be shown.
    nested: Vec<(Wanted, String)>,
}

struct Walk {
    /// Bytes that may still be inflated.
    inflated: u64,
    entries: u64,
    nested: usize,
    observation: Observation,
    /// Archives and entries that could not be read.
    damaged: u64,
    /// Archives and entries that a limit kept from being read.
    beyond: u64,
}

impl Walk {
    fn finish(mut self) -> Observation {
        if self.damaged > 0 {
            self.observation.add_corrupt(format!(
                "{} archives, or entries that name packages, could not be read",
                self.damaged
            ));
        }
        if self.beyond > 0 {
            let text = format!("{} archives or entries are beyond the limits and were not read", self.beyond);
            self.observation.problems.push(Problem::new(ProblemCode::TooManyItems, text));
        }
        self.observation
    }

    /// Reads an archive with that file name; `inner` is its path within the file, empty for the file itself.
    fn archive(&mut self, view: View<'_>, name: &str, inner: &str, depth: u32) {
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let Ok(archive) = ZipLocator::new().locate_in_reader(view, &mut buffer, view.len) else {
            self.damaged += 1;
            return;
        };
        let directory = self.directory(&archive, &mut buffer);
        drop(buffer);
        let manifest = match &directory.manifest {
            Some(wanted) => self.start_of(&archive, wanted, MANIFEST_MAX),
            None => None,
        };
        let manifest = Manifest::parse(manifest.as_deref().unwrap_or_default());
        let mut poms: Vec<Coordinates> = Vec::new();
        for wanted in &directory.poms {
            let Some(bytes) = self.start_of(&archive, wanted, POM_MAX) else { continue };
            let pom = properties::parse(&bytes);
            if pom.artifact.is_some() && !poms.contains(&pom) {
                poms.push(pom);
            }
        }
        let found = identity::decide(name, &manifest, &poms);
        if let Some(own) = found.own {
            let mut package = package(own, inner);
            package.digest = view.digest().ok();
            let licence = manifest.get(Header::Licence).and_then(text::line);
            package.licences = licence.filter(|licence| licence != "<<EXTERNAL>>").into_iter().collect();
            self.push(package);
        }
        for bundled in found.bundled {
            self.push(package(bundled, inner));
        }
        for (wanted, path) in &directory.nested {
            if depth + 1 >= DEPTH_MAX || self.nested == 0 {
                self.beyond += 1;
                continue;
            }
            self.nested -= 1;
            self.inside(&archive, wanted, path, inner, depth + 1);
        }
    }

    fn push(&mut self, package: Package) {
        if self.observation.facts.len() >= PACKAGES_MAX {
            self.beyond += 1;
        } else {
            self.observation.facts.push(package.into());
        }
    }

    /// Streams the central directory.
    fn directory(&mut self, archive: &ZipArchive<View<'_>>, buffer: &mut [u8]) -> Directory {
        let mut directory = Directory::default();
        let announced = archive.entries_hint();
        let mut seen = 0;
        let mut entries = archive.entries(buffer);
        loop {
            let Ok(entry) = entries.next_entry() else {
                self.damaged += 1;
                return directory;
            };
            let Some(entry) = entry else { break };
            let Some(left) = self.entries.checked_sub(1) else {
                self.beyond += 1;
                return directory;
            };
            self.entries = left;
            seen += 1;
            let path = entry.file_path();
            let path: &[u8] = path.as_ref();
            let Some(kind) = kind_of(path) else { continue };
            let wanted = Wanted {
                at: entry.wayfinder(),
                method: entry.compression_method(),
                encrypted: entry.flags().is_encrypted(),
            };
            match kind {
                Kind::Manifest => {
                    directory.manifest.get_or_insert(wanted);
                }
                Kind::Pom if directory.poms.len() < POMS_MAX => directory.poms.push(wanted),
                Kind::Archive if directory.nested.len() < NESTED_MAX => {
                    directory.nested.push((wanted, text::line(path).unwrap_or_default()));
                }
                Kind::Pom | Kind::Archive => self.beyond += 1,
            }
        }
        if seen < announced {
            self.damaged += 1;
        }
        directory
    }

    /// The first bytes of an entry.
    fn start_of(&mut self, archive: &ZipArchive<View<'_>>, wanted: &Wanted, max: u64) -> Option<Vec<u8>> {
        let max = max.min(self.inflated);
        if max == 0 {
            self.beyond += 1;
            return None;
        }
        let mut bytes = Vec::new();
        let outcome = open(archive, wanted).and_then(|reader| reader.take(max).read_to_end(&mut bytes));
        self.inflated -= bytes.len() as u64;
        if outcome.is_err() {
            self.damaged += 1;
        }
        Some(bytes)
    }

    /// Reads an archive inside another one.
    fn inside(
        &mut self,
        archive: &ZipArchive<View<'_>>,
        wanted: &Wanted,
        path: &str,
        inner: &str,
        depth: u32,
    ) {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let inner = if inner.is_empty() { path.to_owned() } else { format!("{inner}!/{path}") };
        if wanted.method == CompressionMethod::STORE && !wanted.encrypted {
            let outer = archive.get_ref();
            let Ok(entry) = archive.get_entry(wanted.at) else {
                self.damaged += 1;
                return;
            };
            let (from, to) = entry.compressed_data_range();
            let len = to.min(outer.len).saturating_sub(from);
            let Some(start) = outer.start.checked_add(from).filter(|_| to <= outer.len && len > 0) else {
                // An empty file is no archive and no damage.
                self.damaged += u64::from(to > outer.len);
                return;
            };
            // Nothing is inflated, but entries may overlap, and each of them is hashed.
            let Some(left) = self.inflated.checked_sub(len) else {
                self.beyond += 1;
                return;
            };
            self.inflated = left;
            self.archive(View { blob: outer.blob, start, len }, name, &inner, depth);
            return;
        }
        let size = wanted.at.uncompressed_size_hint();
        let Some(left) = self.inflated.checked_sub(size) else {
            self.beyond += 1;
            return;
        };
        self.inflated = left;
        let blob = open(archive, wanted)
            .and_then(|mut reader| Content::new(&mut reader, size, SPILL_ABOVE).into_blob());
        match blob {
            Ok(blob) if blob.is_empty() => {}
            Ok(blob) => self.archive(View { blob: &blob, start: 0, len: blob.len() }, name, &inner, depth),
            Err(_) => self.damaged += 1,
        }
    }
}

fn package(identity: Identity, inner: &str) -> Package {
    let mut package = Package::new(PackageKind::Maven, identity.name, identity.version);
    inner.clone_into(&mut package.path);
    package
}

/// Inflates an entry. Its checksum is not asked for: what was read is used as far as it goes.
fn open<'a>(archive: &'a ZipArchive<View<'a>>, wanted: &Wanted) -> io::Result<Box<dyn Read + 'a>> {
    if wanted.encrypted {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let entry = archive.get_entry(wanted.at).map_err(io::Error::other)?;
    match wanted.method {
        CompressionMethod::STORE => Ok(Box::new(entry.reader())),
        CompressionMethod::DEFLATE => Ok(Box::new(DeflateDecoder::new(entry.reader()))),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

enum Kind {
    Manifest,
    Pom,
    Archive,
}

fn kind_of(path: &[u8]) -> Option<Kind> {
    if path.eq_ignore_ascii_case(b"META-INF/MANIFEST.MF") {
        return Some(Kind::Manifest);
    }
    if path.ends_with(b"/pom.properties") {
        // Below `WEB-INF/classes` and `BOOT-INF/classes` too, where other tools unpack what they bundle.
        return memchr::memmem::find(path, b"META-INF/maven/").map(|_| Kind::Pom);
    }
    super::is_archive_path(path).then_some(Kind::Archive)
}
