//! Which programs are known: the names of their files, what they are called, and how their version is found.

use super::VERSION_MAX;

/// One program by one way to find its version.
pub(super) struct Program {
    /// Its name as a package.
    pub(super) package: &'static str,
    /// Stems of its files' names; see [`stem`].
    pub(super) files: &'static [&'static [u8]],
    /// How its version is found.
    pub(super) find: Find,
    /// Which of several counts.
    pub(super) told: Told,
}

/// Which of several versions counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The first.
    First,
    /// None: the string is so common that two of them tell nothing.
    Only,
}

/// How a version is found.
pub(super) enum Find {
    /// Behind a text, with at least that many numbers.
    After(&'static str, usize),
    /// Behind a text, with three numbers, and soon after it another text.
    Between(&'static str, &'static str),
    /// Before a text, with at least three numbers.
    Before(&'static str),
    /// A whole string that begins with the numbers at the end of the file's name (`libpython3.11.so.1.0`).
    OfName,
    /// A whole string of at least three numbers that begins like this.
    Whole(&'static str),
    /// With the name of the building machine and the time behind it, as Redis has it.
    BuildId,
}

/// What the file says of OpenSSL and its kin begins like this.
const fn row(package: &'static str, files: &'static [&'static [u8]], find: Find) -> Program {
    Program { package, files, find, told: Told::First }
}

/// Every program. Of two rows for one file the first that is found counts.
pub(super) static PROGRAMS: &[Program] = &[
    row("bash", &[b"bash"], Find::After("@(#)Bash version ", 3)),
    row("busybox", &[b"busybox"], Find::After("BusyBox v", 3)),
    row("curl", &[b"curl"], Find::After("curl/", 3)),
    row("glibc", &[b"libc.so"], Find::After("stable release version ", 2)),
    row("haproxy", &[b"haproxy"], Find::Between("version ", ", released 20")),
    row("httpd", &[b"httpd", b"apache"], Find::After("Apache/", 3)),
    row("libcurl", &[b"libcurl.so"], Find::After("libcurl/", 3)),
    row("mariadb", &[b"mariadb", b"mariadbd", b"mysqld", b"mysql"], Find::Before("-MariaDB")),
    row("memcached", &[b"memcached"], Find::After("memcached ", 3)),
    row("mysql", &[b"mysqld", b"mysql"], Find::After("/mysql-", 3)),
    row("nginx", &[b"nginx"], Find::After("nginx version: nginx/", 3)),
    row("node", &[b"node"], Find::After("node.js/v", 3)),
    row("openresty", &[b"nginx", b"openresty"], Find::After("nginx version: openresty/", 3)),
    row("openssl", &[b"libcrypto.so", b"libssl.so", b"openssl"], Find::After("OpenSSL ", 3)),
    row("libressl", &[b"libcrypto.so", b"libssl.so", b"openssl"], Find::After("LibreSSL ", 3)),
    row("perl", &[b"perl", b"libperl.so"], Find::After("/perl5/", 3)),
    row("perl", &[b"perl", b"libperl.so"], Find::After("/perl/", 3)),
    row("php", &[b"php", b"php-fpm", b"php-cgi", b"libphp.so"], Find::After("X-Powered-By: PHP/", 3)),
    row("postgresql", &[b"postgres"], Find::After("postgres (PostgreSQL) ", 1)),
    row("python", &[b"python", b"libpython.so"], Find::OfName),
    row("redis", &[b"redis-server"], Find::BuildId),
    row("ruby", &[b"ruby", b"libruby.so"], Find::After("ruby ", 3)),
    Program { package: "sqlite", files: &[b"libsqlite3.so"], find: Find::Whole("3."), told: Told::Only },
    row("valkey", &[b"valkey-server"], Find::BuildId),
    row("zlib", &[b"libz.so"], Find::After("deflate ", 2)),
];

/// The part of a file's name that [`Program::files`] lists: of libraries without any version
/// (`libssl.so.3`, `libruby-3.1.so.3.1`: `libruby.so`), of programs without the numbers at its end (`python3.11`,
/// `php-fpm8.2`). `None` for most names, quickly.
///
/// Of Python only names with both numbers count: `python3` is a link to one of those.
pub(super) fn stem(name: &[u8]) -> Option<&'static [u8]> {
    let known = |stem: &[u8], suffix: &[u8]| {
        let names = PROGRAMS.iter().flat_map(|program| program.files);
        let matches = |file: &&&[u8]| file.strip_suffix(suffix).is_some_and(|file| file == stem);
        names.into_iter().find(matches).copied()
    };
    if name.starts_with(b"lib") {
        let at = memchr::memmem::find(name, b".so")?;
        let (before, after) = name.split_at_checked(at)?;
        if !after.get(3..)?.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
            return None;
        }
        // `libsqlite3` has its number for a name, `libphp7` and `libcurl-gnutls` have none of it.
        let whole = known(before, b".so");
        return whole.or_else(|| {
            known(without_numbers(before).strip_suffix(b"-").unwrap_or(without_numbers(before)), b".so")
        });
    }
    // The first letter leaves nearly all names out.
    if !matches!(name.first()?, b'a'..=b'c' | b'h' | b'm'..=b'p' | b'r' | b'v') || name.len() > 24 {
        return None;
    }
    let found = known(without_numbers(name), b"").filter(|found| !found.starts_with(b"lib"))?;
    let numbers = name.get(found.len()..)?;
    match found {
        b"python" => numbers.contains(&b'.').then_some(found),
        b"apache" => (numbers == b"2").then_some(found),
        // A hard link to it, or the other way round.
        b"perl" => numbers.is_empty().then_some(found),
        _ => Some(found),
    }
}

/// A name without digits and dots at its end.
fn without_numbers(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.').map_or(0, |at| at + 1);
    name.get(..end).unwrap_or_default()
}

/// Digits and dots in a file's name: `3.11` of `python3.11` and of `libpython3.11.so.1.0`.
fn numbers_of_name(name: &[u8]) -> Option<&[u8]> {
    let name = memchr::memmem::find(name, b".so").map_or(name, |at| &name[..at]);
    let numbers = name.get(without_numbers(name).len()..)?;
    // `libpython3.11m` and `d` are builds of their own; they are left out.
    (numbers.contains(&b'.') && numbers.len() <= 8).then_some(numbers)
}

impl Find {
    /// The texts that are searched for in a file of that name.
    pub(super) fn needles(&self, name: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::After(text, _) | Self::Between(text, _) | Self::Before(text) => {
                vec![text.as_bytes().to_vec()]
            }
            Self::Whole(start) => vec![[b"\0", start.as_bytes()].concat()],
            Self::OfName => {
                numbers_of_name(name).map(|numbers| [numbers, b"."].concat()).into_iter().collect()
            }
            // A time in nanoseconds has 19 digits, in seconds ten; both begin with a one for long.
            Self::BuildId => vec![b"-1".to_vec()],
        }
    }

    /// The version at a place where one of the texts stands.
    pub(super) fn version<'b>(&self, buffer: &'b [u8], at: usize, end: usize) -> Option<&'b [u8]> {
        match self {
            Self::After(_, numbers) => take_version(buffer.get(end..)?, *numbers),
            Self::Between(_, close) => {
                let version = take_version(buffer.get(end..)?, 2)?;
                let rest = buffer.get(end + version.len()..)?;
                let rest = rest.get(..48).unwrap_or(rest);
                memchr::memmem::find(rest, close.as_bytes()).map(|_| version)
            }
            Self::Before(_) => {
                let before = buffer.get(at.saturating_sub(VERSION_MAX)..at)?;
                let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                let start = before.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
                let version = before.get(start..)?;
                (take_version(version, 3)? == version).then_some(version)
            }
            Self::OfName | Self::Whole(_) => {
                let skip = usize::from(matches!(self, Self::Whole(_)));
                let start = at + skip;
                // The linker may have stored it as the end of a longer string: `.../3.11.7`.
                let before = start.checked_sub(1).and_then(|at| buffer.get(at)).copied().unwrap_or(0);
                let version = take_version(buffer.get(start..)?, 3)?;
                let after = buffer.get(start + version.len()..)?;
                let is_whole = matches!(after, [0, ..] | [b'+', 0, ..]);
                (is_whole && !before.is_ascii_alphanumeric() && before != b'.').then_some(version)
            }
            Self::BuildId => {
                let digits = buffer.get(at + 1..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let before = buffer.get(at.saturating_sub(100)..at)?;
                let start = memchr::memrchr(0, before)? + 1;
                let text = before.get(start..)?;
                let version = numbers(text, 3)?;
                let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                // A version, the host, a dash, the time: `7.2.4buildhost-1700000000`.
                (digits >= 10 && text.len() > version.len() && text.iter().all(is_host)).then_some(version)
            }
        }
    }
}

/// The numbers with dots between them at the start of a text, when there are enough of them.
fn numbers(text: &[u8], least: usize) -> Option<&[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let found = text.get(..end)?;
    let found = found.strip_suffix(b".").unwrap_or(found);
    let mut parts = found.split(|byte| *byte == b'.');
    let count = parts.clone().count();
    (parts.all(|part| !part.is_empty()) && count >= least && found.len() <= VERSION_MAX).then_some(found)
}

/// A version at the start of a text: numbers, then what marks a pre-release or, with OpenSSL before 3.0, a letter:
/// `1.1.1w`, `3.13.0rc1`, `2.9-dev3`, `3.2.0-beta1`, `17beta2`. What vendors add is left out.
pub(super) fn take_version(text: &[u8], least: usize) -> Option<&[u8]> {
    let found = numbers(text, 1)?;
    let rest = text.get(found.len()..)?;
    let dash = usize::from(rest.first() == Some(&b'-'));
    let word = rest.get(dash..)?;
    let letters = word.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let is_mark = match word.get(..letters)? {
        b"alpha" | b"beta" | b"rc" | b"dev" | b"pre" | b"preview" => true,
        [_] | [_, _] => dash == 0,
        _ => false,
    };
    let digits = word.get(letters..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_short = digits <= 4;
    // Ruby's `p225` counts patches of a release.
    let is_patch = word.get(..letters)? == b"p";
    let marked = if is_mark && is_short && !is_patch { dash + letters + digits } else { 0 };
    let counted = found.split(|byte| *byte == b'.').count();
    (counted >= least).then_some(())?;
    text.get(..found.len() + marked)
}
