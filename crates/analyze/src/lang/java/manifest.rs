//! The main section of `META-INF/MANIFEST.MF` (JAR File Specification, "Manifest Specification"): the headers that
//! tell what an archive is. The sections of single entries, which hold the digests of signed archives, follow an
//! empty line and are not read.

/// The headers of interest, unfolded and undecoded; of repeated ones the last counts, as in Java.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    values: [Option<Vec<u8>>; HEADERS.len()],
}

/// A header of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `Implementation-Title` (The Java Product Versioning Specification).
    Title,
    /// `Implementation-Version`.
    Version,
    /// `Implementation-Vendor-Id`: by default Maven writes the group there.
    VendorId,
    /// `Bundle-SymbolicName` (OSGi Core, 3.2.1).
    SymbolicName,
    /// `Bundle-Version`.
    BundleVersion,
    /// `Bundle-License`.
    Licence,
    /// `Specification-Version`: of what is implemented, and often of the implementation too.
    Specification,
    /// `Plugin-Version` of Jenkins plugins, which also have a group.
    PluginVersion,
    /// `Group-Id` of Jenkins plugins.
    PluginGroup,
    /// `Short-Name` of Jenkins plugins: the artifact.
    PluginName,
}

const HEADERS: [(&str, Header); 10] = [
    ("Implementation-Title", Header::Title),
    ("Implementation-Version", Header::Version),
    ("Implementation-Vendor-Id", Header::VendorId),
    ("Bundle-SymbolicName", Header::SymbolicName),
    ("Bundle-Version", Header::BundleVersion),
    ("Bundle-License", Header::Licence),
    ("Specification-Version", Header::Specification),
    ("Plugin-Version", Header::PluginVersion),
    ("Group-Id", Header::PluginGroup),
    ("Short-Name", Header::PluginName),
];

/// Longest value that is kept, in bytes; the rest of it is dropped.
const VALUE_MAX: usize = 4096;

impl Manifest {
    /// Reads headers up to the first empty line. Lines may end with LF, CR or both; a line that begins with a
    /// space goes on with the one before.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut manifest = Self::default();
        let mut open = None;
        let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = match tail {
                [b'\r', b'\n', tail @ ..] | [_, tail @ ..] => tail,
                [] => tail,
            };
            match line {
                [] => break,
                [b' ', more @ ..] => manifest.extend(open, more),
                _ => open = manifest.begin(line),
            }
        }
        manifest
    }

    fn begin(&mut self, line: &[u8]) -> Option<usize> {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let index = HEADERS.iter().position(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
        *self.values.get_mut(index)? = Some(Vec::new());
        let value = value.get(1..).unwrap_or_default();
        self.extend(Some(index), value.strip_prefix(b" ").unwrap_or(value));
        Some(index)
    }

    fn extend(&mut self, open: Option<usize>, more: &[u8]) {
        let slot = open.and_then(|index| self.values.get_mut(index)).and_then(Option::as_mut);
        if let Some(value) = slot {
            let room = VALUE_MAX.saturating_sub(value.len()).min(more.len());
            value.extend_from_slice(more.get(..room).unwrap_or_default());
        }
    }

    /// The value of a header, trimmed; `None` when it is missing or empty.
    pub fn get(&self, header: Header) -> Option<&[u8]> {
        let index = HEADERS.iter().position(|(_, known)| *known == header)?;
        let value = self.values.get(index)?.as_deref()?.trim_ascii();
        if value.is_empty() { None } else { Some(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: &[(Header, &str)]) {
        let manifest = Manifest::parse(bytes.as_bytes());
        for (_, header) in HEADERS {
            let expected =
                expected.iter().find(|(known, _)| *known == header).map(|(_, value)| value.as_bytes());
            assert_eq!(manifest.get(header), expected, "{bytes:?} {header:?}");
        }
    }

    #[test]
    fn unfolds_headers() {
        check(
            "Manifest-Version: 1.0\r\nImplementation-Title: tide\r\nBundle-SymbolicName: org.exam\r\n ple.tide;single\r\n ton:=true\r\n",
            &[(Header::Title, "tide"), (Header::SymbolicName, "org.example.tide;singleton:=true")],
        );
        check(
            "implementation-version:1.0\rBundle-Version: 1\r",
            &[(Header::Version, "1.0"), (Header::BundleVersion, "1")],
        );
        check("Implementation-Version: 1\nImplementation-Version: 2\n", &[(Header::Version, "2")]);
    }

    #[test]
    fn reads_the_main_section_only() {
        let signed = "Manifest-Version: 1.0\n\nName: a.class\nImplementation-Version: 9\nSHA-256-Digest: x\n";
        check(signed, &[]);
        check(
            "Implementation-Version: 1\n\nName: p/\nImplementation-Version: 9\n",
            &[(Header::Version, "1")],
        );
    }

    #[test]
    fn tolerates_what_is_no_manifest() {
        for bytes in
            ["", "\n", " x", "no colon\n", ": x\n", "Implementation-Version:\n", "Unknown: 1\n more\n"]
        {
            check(bytes, &[]);
        }
        let long = Manifest::parse(format!("Bundle-License: {}", "x".repeat(1 << 20)).as_bytes());
        assert_eq!(long.get(Header::Licence).map(<[u8]>::len), Some(VALUE_MAX));
    }
}
