//! Programs that tell what they were built from: [`go`] build information and [`rust`] dependency lists of
//! `cargo auditable`, in ELF, PE and 64-bit Mach-O files.
//!
//! Any file that somebody may execute is looked at, whatever its name: nothing of a path tells what a program
//! is. One analyzer reads both, so that the file is read once:
//!
//! 1. What does not begin like an executable (scripts, most of all) is left after its first bytes.
//! 2. Where the section table is at the start (Go's own linker, PE, Mach-O) only the sections in question are
//!    read, while the rest streams past: size does not matter.
//! 3. Any other ELF file is taken in whole, since its section table is at the end, then only headers and the
//!    sections in question are looked at.
//!
//! Not read: files above [`PROGRAM_MAX`] outside directories of programs, packed programs (UPX), Mach-O files
//! for several machines, shared objects that nobody may execute, and Go before 1.13, which left no trace.

pub mod go;
pub mod rust;

use std::io::{self, Read as _};

use model::Package;

use crate::{
    Analyzer, Blob, Content, Entry, EntryKind, Fact, Files, Merged, Observation, Want,
    executable::{self, Format, HEAD_BYTES, Layout},
};

/// Smallest file that is looked at, in bytes: smaller ones hold neither runtime.
const PROGRAM_MIN: u64 = 16 << 10;

/// Largest file that is looked at anywhere, in bytes. Above, only programs in directories of programs are asked
/// for, and the engine's own limit becomes a problem; disk images and models are often executable by accident.
const PROGRAM_MAX: u64 = 1 << 30;

/// Largest section that is read, in bytes. Build information of the largest programs has 100 KiB.
const SECTION_MAX: u64 = 8 << 20;

/// Programs that tell what they were built from.
pub struct BinaryAnalyzer;

impl Analyzer for BinaryAnalyzer {
    fn name(&self) -> &'static str {
        "lang/binary"
    }

    fn version(&self) -> u32 {
        2
    }

    fn goes_by_content(&self) -> bool {
        true
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let wanted = entry.kind == EntryKind::File
            && entry.mode & 0o111 != 0
            && entry.size >= PROGRAM_MIN
            && (entry.size <= PROGRAM_MAX || is_program_path(entry.path.as_bytes()));
        if wanted { Want::Content { max: PROGRAM_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, mut content: Content<'_>) -> Observation {
        observe(&mut content).unwrap_or_else(|error| Observation::unreadable(&error))
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// True for files in directories of programs: `bin`, `sbin`, and what has no suffix below `libexec`.
///
/// Package managers keep the owners of these. Of a program that a package puts elsewhere (`usr/lib/NAME/x`) the
/// owner is not known, and its modules are reported as if it had none: keeping every path without a suffix would
/// make the lists ten times as long, most of them directories.
pub fn is_program_path(path: &[u8]) -> bool {
    let Some(slash) = memchr::memrchr(b'/', path) else { return false };
    let (directory, name) = path.split_at(slash);
    directory.ends_with(b"bin") && matches!(directory.rsplit(|b| *b == b'/').next(), Some(b"bin" | b"sbin"))
        || !name.contains(&b'.')
            && (directory.starts_with(b"usr/libexec") || directory.starts_with(b"usr/local/libexec"))
}

/// What a section in question may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Go build information, at its start.
    Go,
    /// Data that begins with Go build information, or has it near its start.
    GoSomewhere,
    /// The list of `cargo auditable`.
    Rust,
}

fn observe(content: &mut Content<'_>) -> io::Result<Observation> {
    if Format::of(content.peek(4)?).is_none() {
        return Ok(Observation::default());
    }
    let head = content.peek(HEAD_BYTES)?;
    match executable::layout_of_head(head) {
        Some(layout) if !go::may_hold_pointers(&layout) => observe_stream(&layout, content),
        None if Format::of(head) != Some(Format::Elf) => Ok(Observation::default()),
        _ => content.take_blob().map(|blob| parse(&blob)),
    }
}

/// Reads an ELF file that is at hand whole.
pub fn parse(blob: &Blob) -> Observation {
    let mut observation = Observation::default();
    let Some(layout) = executable::layout_of_elf(blob) else { return observation };
    for (holds, offset, size) in in_question(&layout) {
        let Some(bytes) = executable::read(blob, &(offset..offset.saturating_add(size))) else { continue };
        if tell(holds, &bytes, &layout, Some(blob), &mut observation) {
            break;
        }
    }
    observation
}

/// Reads the sections in question as they stream past.
fn observe_stream(layout: &Layout, content: &mut Content<'_>) -> io::Result<Observation> {
    let mut observation = Observation::default();
    let mut position = 0;
    let mut bytes = Vec::new();
    for (holds, offset, size) in in_question(layout) {
        // What overlaps with an earlier one is no section of a sound file.
        let Some(gap) = offset.checked_sub(position) else { continue };
        if io::copy(&mut content.by_ref().take(gap), &mut io::sink())? < gap {
            break;
        }
        bytes.clear();
        position = offset;
        // Most of what is in question is no build information: its first bytes tell.
        let look = if holds == Holds::Go { size.min(go::HEADER_BYTES) } else { size };
        position += content.by_ref().take(look).read_to_end(&mut bytes)? as u64;
        if holds == Holds::Go && !go::is_header(&bytes) {
            continue;
        }
        position += content.by_ref().take(size.saturating_sub(look)).read_to_end(&mut bytes)? as u64;
        if tell(holds, &bytes, layout, None, &mut observation) {
            break;
        }
    }
    Ok(observation)
}

/// The parts of the file to look at, in the order of the file, none longer than [`SECTION_MAX`].
fn in_question(layout: &Layout) -> Vec<(Holds, u64, u64)> {
    let named = layout.sections.iter().any(|section| !section.name.is_empty());
    let mut parts: Vec<(Holds, u64, u64)> = layout
        .sections
        .iter()
        .filter_map(|section| {
            let holds = match section.name.as_slice() {
                b".dep-v0" => Holds::Rust,
                b".go.buildinfo" | b"__go_buildinfo" => Holds::Go,
                _ if !named && section.is_data => Holds::Go,
                // Go's linker puts it where data begins, under no name of its own.
                b".data" if layout.format == Format::Pe => Holds::GoSomewhere,
                _ => return None,
            };
            Some((holds, section.offset, section.size.min(SECTION_MAX)))
        })
        .collect();
    if layout.sections.is_empty() {
        let data = layout.segments.iter().find(|segment| segment.is_writable);
        parts.extend(data.map(|s| (Holds::GoSomewhere, s.offset, s.size.min(SECTION_MAX))));
    }
    parts.sort_by_key(|(_, offset, _)| *offset);
    parts
}

/// Adds what a part of the file tells; true when nothing more is to be had of the file.
fn tell(
    holds: Holds,
    bytes: &[u8],
    layout: &Layout,
    blob: Option<&Blob>,
    observation: &mut Observation,
) -> bool {
    let told = match holds {
        Holds::Rust => Some(rust::parse(bytes)),
        Holds::Go => go::is_header(bytes).then(|| go::parse(bytes, layout, blob)),
        Holds::GoSomewhere => go::find_header(bytes)
            .and_then(|start| bytes.get(start..))
            .map(|bytes| go::parse(bytes, layout, blob)),
    };
    let Some(mut told) = told else { return false };
    if holds == Holds::Rust {
        for fact in &mut told.facts {
            if let Fact::Package(package) = fact {
                package.os = Some(system(layout).to_owned());
            }
        }
    }
    observation.facts.extend(told.facts);
    observation.problems.extend(told.problems);
    holds != Holds::Rust
}

/// The operating system in the writing of `GOOS` that a format, or the header of an ELF file, is of.
fn system(layout: &Layout) -> &'static str {
    match (layout.format, layout.os_abi) {
        (Format::Pe, _) => "windows",
        (Format::MachO, _) => "darwin",
        (Format::Elf, 2) => "netbsd",
        (Format::Elf, 6) => "solaris",
        (Format::Elf, 9) => "freebsd",
        (Format::Elf, 12) => "openbsd",
        (Format::Elf, _) => "linux",
    }
}

/// Marks what was found with what the file was built for.
fn built_for(package: Package, os: Option<&str>, arch: Option<&str>) -> Package {
    Package { os: os.map(str::to_owned), arch: arch.map(str::to_owned), ..package }
}

#[cfg(test)]
mod tests;
