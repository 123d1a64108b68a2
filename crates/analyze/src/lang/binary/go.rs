//! Build information of Go programs: which Go built them, from which modules.
//!
//! The linker leaves a blob of 32 bytes that begins with `\xff Go buildinf:` (Go source, `debug/buildinfo` and
//! `cmd/link/internal/ld`). Since Go 1.18 the version of Go and the list of modules follow it, each with its
//! length before it; before, it holds two pointers to Go strings. The list has lines of tab-separated fields
//! (`runtime/debug`, `ParseBuildInfo`): `path`, `mod`, `dep`, `=>` for what replaces the module before it, and
//! `build` for settings.
//!
//! What is reported: the standard library as `stdlib`, the main module and all others; what was replaced by
//! another module is that one. Go writes `(devel)` where a module has no version (a local directory, a program
//! built outside of version control); so does this, and nothing is looked up for it. The main module's version
//! may be told by the linker's flags instead (`-X main.version=1.2.3`).
//!
//! Symbols are not read: not for versions, nor for which functions of a module the program uses.

use memchr::memmem;
use model::{Package, PackageKind, ProblemCode};

use super::{built_for, system};
use crate::{
    Blob, Fact, Observation,
    executable::{self, Format, Layout, number},
    os::PACKAGES_MAX,
    text,
};

/// The bytes before the inline texts.
pub const HEADER_BYTES: u64 = 32;

/// How the blob begins.
const MAGIC: &[u8] = b"\xff Go buildinf:";

/// The blob begins at a multiple of this.
const ALIGN: usize = 16;

/// Longest list of modules that is read by a pointer, in bytes.
const LIST_MAX: u64 = 8 << 20;

/// What a module without a version has as its version.
const NO_VERSION: &str = "(devel)";

/// Packages that programs of several projects take for their own version.
const SHARED_VERSION_PACKAGES: [&str; 4] = [
    "github.com/prometheus/common/version",
    "k8s.io/client-go/pkg/version",
    "k8s.io/component-base/version",
    "sigs.k8s.io/release-utils/version",
];

/// True when bytes begin with build information.
pub fn is_header(bytes: &[u8]) -> bool {
    bytes.len() as u64 >= HEADER_BYTES && bytes.starts_with(MAGIC)
}

/// Where build information begins in data of the program.
pub fn find_header(data: &[u8]) -> Option<usize> {
    memmem::find_iter(data, MAGIC).find(|at| at.is_multiple_of(ALIGN))
}

/// True when the size of a section allows the older form, which needs the file whole.
pub fn may_hold_pointers(layout: &Layout) -> bool {
    layout.format == Format::Elf
        && layout.sections.iter().any(|section| section.is_data && matches!(section.size, 24 | 32))
}

/// Reads build information that begins with [`is_header`]. `blob` is the file, for the older form.
pub fn parse(bytes: &[u8], layout: &Layout, blob: Option<&Blob>) -> Observation {
    let is_inline = bytes.get(15).is_some_and(|flags| flags & 2 != 0);
    let texts = if is_inline {
        inline(bytes).map(|(version, list)| (version.to_vec(), list.to_vec()))
    } else {
        blob.and_then(|blob| by_pointers(bytes, layout, blob))
    };
    let mut observation = Observation::default();
    let Some((version, list)) = texts else {
        observation.add_corrupt("Go build information that leads nowhere");
        return observation;
    };
    // The list stands between two marks of 16 bytes, the second behind a line end.
    let marked = list.len() >= 33 && list.get(list.len() - 17) == Some(&b'\n');
    let list = if marked { list.get(16..list.len() - 16).unwrap_or_default() } else { &[] };
    let mut told = parse_list(list, version_of_go(&version).as_deref());
    if told.facts.is_empty() && told.problems.is_empty() {
        told.add_corrupt("Go build information without a version of Go");
    }
    // Programs of Go before 1.18 do not say for what they were built.
    for fact in &mut told.facts {
        if let Fact::Package(package) = fact
            && package.os.is_none()
        {
            package.os = Some(system(layout).to_owned());
            package.arch = package.arch.take().or_else(|| architecture(layout).map(str::to_owned));
        }
    }
    told
}

/// The two texts behind the header: their lengths are written as `binary.Uvarint` of Go reads them.
fn inline(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.get(32..)?;
    let (version, rest) = counted(rest)?;
    Some((version, counted(rest)?.0))
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        len |= usize::from(byte & 0x7f).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return bytes.get(at + 1..)?.split_at_checked(len);
        }
    }
    None
}

fn by_pointers(header: &[u8], layout: &Layout, blob: &Blob) -> Option<(Vec<u8>, Vec<u8>)> {
    let size = usize::from(*header.get(14)?);
    let is_little_endian = header.get(15)? & 1 == 0;
    if !matches!(size, 4 | 8) {
        return None;
    }
    let bytes_at = |address: u64, len: u64| {
        let (offset, follow) = layout.locate(address)?;
        if len > follow {
            return None;
        }
        executable::read(blob, &(offset..offset.checked_add(len)?))
    };
    // A Go string is a pointer to its bytes and their number.
    let string = |pointer: &[u8]| {
        let string = bytes_at(number(pointer, is_little_endian)?, 2 * size as u64)?;
        let address = number(string.get(..size)?, is_little_endian)?;
        match number(string.get(size..)?, is_little_endian)? {
            0 => Some(Vec::new()),
            len if len <= LIST_MAX => bytes_at(address, len),
            _ => None,
        }
    };
    let version = string(header.get(16..16 + size)?)?;
    // A program built without modules has no list.
    let list = string(header.get(16 + size..16 + 2 * size)?).unwrap_or_default();
    Some((version, list))
}

/// The version of the standard library: `1.22.3` of `go1.22.3`, of `go1.22.3 X:boringcrypto`, of
/// `go1.22.3 (Red Hat 1.22.3-1.el9)`, of `go1.22.3-X:nodwarf5` and of `go1.12.17b4`, the marks of experiments
/// and vendors. `devel go1.23-2f6f7ee Tue ...` is a state on the way to 1.23: `1.23-2f6f7ee`, a pre-release.
fn version_of_go(version: &[u8]) -> Option<String> {
    let (is_devel, version) = version.strip_prefix(b"devel ").map_or((false, version), |rest| (true, rest));
    let version = version.strip_prefix(b"go")?;
    let ends = |byte: &u8| !(byte.is_ascii_alphanumeric() || *byte == b'.' || is_devel && *byte == b'-');
    let version = version.get(..version.iter().position(ends).unwrap_or(version.len()))?;
    let version = text::token(version)?;
    let number = version.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_boring = number.ends_with('b') && number.len() < version.len();
    let version = if is_boring { number.trim_end_matches('b').to_owned() } else { version };
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

/// One module.
struct Module {
    name: Option<String>,
    version: String,
}

impl Module {
    /// Reads `path`, `version` and a checksum that is not kept. No version is [`NO_VERSION`].
    fn parse(fields: &[u8]) -> Self {
        let mut fields = fields.split(|byte| *byte == b'\t');
        let name = fields.next().and_then(text::token);
        let version = fields.next().and_then(text::token);
        Self { name, version: version.unwrap_or_else(|| NO_VERSION.to_owned()) }
    }

    /// What the module is when `other` replaces it. A directory (`./x`, `../x`, `/x`) is no module that
    /// others know: it stays itself, in a version that nobody knows.
    fn replaced_by(&mut self, other: Self) {
        let is_directory = other.name.as_ref().is_none_or(|name| name.starts_with(['.', '/', '\\']));
        match is_directory {
            true => self.version = NO_VERSION.to_owned(),
            false => *self = other,
        }
    }
}

/// Reads the list of modules of a program that was built by this version of Go.
pub fn parse_list(list: &[u8], go: Option<&str>) -> Observation {
    let mut observation = Observation::default();
    let (mut main, mut modules): (Option<Module>, Vec<Module>) = (None, Vec::new());
    let (mut os, mut arch, mut flags) = (None, None, None);
    let mut too_many = false;
    let mut last_is_main = false;
    for line in list.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(tab) = memchr::memchr(b'\t', line) else { continue };
        let (key, fields) = (&line[..tab], &line[tab + 1..]);
        match key {
            b"mod" => {
                main = Some(Module::parse(fields));
                last_is_main = true;
            }
            b"dep" if modules.len() < PACKAGES_MAX => {
                modules.push(Module::parse(fields));
                last_is_main = false;
            }
            b"dep" => too_many = true,
            b"=>" => {
                let replaced = if last_is_main { main.as_mut() } else { modules.last_mut() };
                if let Some(module) = replaced {
                    module.replaced_by(Module::parse(fields));
                }
            }
            b"build" => {
                if let Some(value) = fields.strip_prefix(b"GOOS=") {
                    os = text::token(value);
                } else if let Some(value) = fields.strip_prefix(b"GOARCH=") {
                    arch = text::token(value);
                } else if let Some(value) = fields.strip_prefix(b"-ldflags=") {
                    flags = Some(unquote(value));
                }
            }
            _ => {}
        }
    }
    if let (Some(main), Some(flags)) = (&mut main, &flags)
        && is_no_release(&main.version)
        && let Some(version) = version_of_flags(flags, main.name.as_deref().unwrap_or_default())
    {
        main.version = version;
    }
    let unnamed = modules.iter().chain(&main).filter(|module| module.name.is_none()).count();
    let stdlib = go.map(|version| Module { name: Some("stdlib".to_owned()), version: version.to_owned() });
    for Module { name, version } in stdlib.into_iter().chain(main).chain(modules) {
        let Some(name) = name else { continue };
        let package = Package::new(PackageKind::Golang, name, version);
        observation.facts.push(built_for(package, os.as_deref(), arch.as_deref()).into());
    }
    if unnamed > 0 {
        observation.add_corrupt(format!("{unnamed} Go modules without a name that can be read"));
    }
    if too_many {
        let text = format!("more than {PACKAGES_MAX} Go modules");
        observation.problems.push(model::Problem::new(ProblemCode::TooManyItems, text));
    }
    observation
}

/// True for a version that says when, and not what: none, or a commit of a repository without releases.
fn is_no_release(version: &str) -> bool {
    version == NO_VERSION || version.starts_with("v0.0.0-")
}

/// A value of a setting: Go quotes those with blanks or quotes in them (`strconv.Quote`).
fn unquote(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.into_owned();
    };
    let mut plain = String::with_capacity(quoted.len());
    let mut is_escaped = false;
    for c in quoted.chars() {
        if c == '\\' && !is_escaped {
            is_escaped = true;
            continue;
        }
        // Control characters and the like play no part in versions.
        plain.push(if is_escaped && !matches!(c, '"' | '\\' | '\'') { ' ' } else { c });
        is_escaped = false;
    }
    plain
}

/// The version of the main module that the linker was told to put into a variable. A variable of the main
/// package goes before one of the module's other packages, and that before one that several projects share.
/// Two that contradict each other tell nothing.
fn version_of_flags(flags: &str, module: &str) -> Option<String> {
    let mut best: Option<(u8, &str)> = None;
    let mut is_clear = true;
    let assignments = assignments(flags);
    for assignment in &assignments {
        let Some((variable, value)) = assignment.split_once('=') else { continue };
        let Some((package, name)) = variable.rsplit_once('.') else { continue };
        let name = name.to_ascii_lowercase();
        if !matches!(
            name.as_str(),
            "version" | "ver" | "gitversion" | "buildversion" | "appversion" | "releaseversion" | "semver"
        ) {
            continue;
        }
        let inside = || {
            package.strip_prefix(module).is_some_and(|rest| matches!(rest.get(..1), None | Some("" | "/")))
        };
        let rank = match package {
            "main" => 0,
            _ if !module.is_empty() && inside() => 1,
            _ if SHARED_VERSION_PACKAGES.contains(&package) => 2,
            _ => continue,
        };
        let number = value.strip_prefix('v').unwrap_or(value);
        let is_version = number.starts_with(|c: char| c.is_ascii_digit())
            && number.contains('.')
            && number.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-~".contains(&b))
            && number.len() <= 128;
        if !is_version {
            continue;
        }
        match best {
            Some((known, _)) if known < rank => {}
            Some((known, version)) if known == rank => is_clear &= version == number,
            _ => {
                best = Some((rank, number));
                is_clear = true;
            }
        }
    }
    // Versions of modules begin with a `v`.
    best.filter(|_| is_clear).map(|(_, number)| format!("v{number}"))
}

/// The values of `-X`: the next word, or what follows `-X=`. Words may be quoted, as by a shell.
fn assignments(flags: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut quote = None;
    for c in flags.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, _) if c.is_whitespace() => words.push(String::new()),
            _ => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    let mut values = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word == "-X" || word == "--X" {
            values.extend(words.next());
        } else if let Some(value) = word.strip_prefix("-X=") {
            values.push(value.to_owned());
        }
    }
    values
}

/// The architecture in the writing of `GOARCH`.
fn architecture(layout: &Layout) -> Option<&'static str> {
    Some(match (layout.format, layout.machine, layout.is_little_endian) {
        (Format::Elf, 3, _) => "386",
        (Format::Elf, 62, _) => "amd64",
        (Format::Elf, 40, _) => "arm",
        (Format::Elf, 183, _) => "arm64",
        (Format::Elf, 21, true) => "ppc64le",
        (Format::Elf, 21, false) => "ppc64",
        (Format::Elf, 22, _) => "s390x",
        (Format::Elf, 243, _) => "riscv64",
        (Format::Elf, 258, _) => "loong64",
        (Format::Pe, 0x14c, _) => "386",
        (Format::Pe, 0x8664, _) | (Format::MachO, 7, _) => "amd64",
        (Format::Pe, 0xaa64, _) | (Format::MachO, 12, _) => "arm64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
