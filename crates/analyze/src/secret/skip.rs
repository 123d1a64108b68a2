//! Which files are not looked at whatever the rules say: formats that hold no text, and what package managers and
//! distributions put everywhere. Told apart by the path alone, since this is asked for every file of every image.

/// Endings of files without text of their own, or whose text nobody writes: lower case, without the dot.
const SUFFIXES: &[&[u8]] = &[
    b"7z", b"a", b"afm", b"apk", b"avi", b"bin", b"bmp", b"br", b"bz2", b"cab", b"ccx", b"class", b"db",
    b"deb", b"dll", b"dylib", b"eot", b"exe", b"flac", b"gem", b"gif", b"gmo", b"gz", b"h", b"hi", b"hpp",
    b"ico", b"idx", b"jar", b"jpeg", b"jpg", b"ko", b"lib", b"lz", b"lz4", b"lzma", b"map", b"md5sums",
    b"mo", b"mov", b"mp3", b"mp4", b"node", b"o", b"ogg", b"otf", b"pack", b"pdf", b"png", b"po", b"pod",
    b"pot", b"ppt", b"pptx", b"psd", b"pyc", b"pyd", b"pyi", b"pyo", b"qm", b"rar", b"rlib", b"rpm", b"so",
    b"sqlite", b"svg", b"svgz", b"tar", b"tbz2", b"tfm", b"tgz", b"tif", b"tiff", b"ttc", b"ttf", b"txz",
    b"wasm", b"wav", b"webm", b"webp", b"whl", b"woff", b"woff2", b"xcf", b"xls", b"xlsx", b"xpm", b"xz",
    b"z", b"zip", b"zst",
];

/// Directories that only distributions write.
const DIRECTORIES: &[&str] = &[
    "boot/",
    "etc/ssl/certs/",
    "etc/pki/ca-trust/extracted/",
    "lib/apk/db/",
    "lib/modules/",
    "usr/include/",
    "usr/lib/apk/db/",
    "usr/lib/firmware/",
    "usr/lib/locale/",
    "usr/lib/modules/",
    "usr/lib/sysimage/",
    "usr/share/bash-completion/",
    "usr/share/ca-certificates/",
    "usr/share/common-licenses/",
    "usr/share/doc/",
    "usr/share/fonts/",
    "usr/share/gtk-doc/",
    "usr/share/i18n/",
    "usr/share/icons/",
    "usr/share/info/",
    "usr/share/licenses/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/mime/",
    "usr/share/perl/",
    "usr/share/perl5/",
    "usr/share/terminfo/",
    "usr/share/unicode/",
    "usr/share/vim/",
    "usr/share/X11/",
    "usr/share/zoneinfo/",
    "usr/share/zsh/",
    "var/lib/apt/lists/",
    "var/lib/dpkg/",
    "var/lib/pacman/",
    "var/lib/rpm/",
];

/// Where installed packages of languages lie; their tests are full of made-up keys.
const INSTALLED: &[&str] =
    &["site-packages/", "dist-packages/", "node_modules/", "/gems/", "/go/pkg/mod/", "/vendor/"];
const TESTS: &[&str] = &["/test/", "/tests/", "/testdata/", "/__tests__/", "/spec/", "/fixtures/"];

/// Whether the file at this path is left out.
pub(super) fn is_skipped(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    has_skipped_suffix(name.as_bytes()) || is_in_skipped_directory(path)
}

fn has_skipped_suffix(name: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', name) else { return false };
    let suffix = &name[dot + 1..];
    let mut lower = [0u8; 8];
    if let Some(lower) = lower.get_mut(..suffix.len()) {
        lower.copy_from_slice(suffix);
        lower.make_ascii_lowercase();
        if SUFFIXES.binary_search(&&*lower).is_ok() {
            return dot > 0;
        }
    }
    // libname.so.1.2
    suffix.first().is_some_and(u8::is_ascii_digit) && memchr::memmem::find(name, b".so.").is_some()
}

fn is_in_skipped_directory(path: &str) -> bool {
    if DIRECTORIES.iter().any(|directory| path.starts_with(directory)) {
        return true;
    }
    let Some(inside) = INSTALLED.iter().find_map(|dir| path.find(dir).map(|at| &path[at + dir.len() - 1..]))
    else {
        // The tests of Python itself.
        return path.contains("/lib/python") && path.contains("/test/");
    };
    TESTS.iter().any(|tests| inside.contains(tests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_sorted_and_short() {
        assert!(SUFFIXES.is_sorted());
        assert!(SUFFIXES.iter().all(|suffix| suffix.len() <= 8 && suffix.to_ascii_lowercase() == *suffix));
        assert!(DIRECTORIES.iter().all(|directory| directory.ends_with('/')));
    }

    #[test]
    fn tells_what_is_left_out() {
        for path in [
            "usr/lib/libz.so",
            "usr/lib/libz.so.1.3",
            "a/B.PNG",
            "usr/share/doc/curl/README",
            "app/node_modules/jws/test/key.pem",
            "usr/lib/python3/dist-packages/x/tests/a.py",
            "usr/local/lib/python3.12/test/certdata/key.pem",
            "app/main.pyc",
        ] {
            assert!(is_skipped(path), "{path}");
        }
        for path in [
            ".env",
            "app/.npmrc",
            ".png",
            "root/.ssh/id_rsa",
            "etc/app.conf",
            "app/settings.so.json",
            "app/key.pem",
            "app/tests/key.pem",
            "app/node_modules/jws/index.js",
            "app/v1.2",
            "etc/ssl/private/server.key",
            "x.p12",
            "srv/.htpasswd",
        ] {
            assert!(!is_skipped(path), "{path}");
        }
    }
}
