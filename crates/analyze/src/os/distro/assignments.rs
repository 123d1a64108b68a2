//! Files of shell-like assignments: os-release(5) and lsb-release.

use model::Distro;

use super::{EDGE, names};
use crate::text;

/// Most entries of `ID_LIKE` that are kept.
const ID_LIKE_MAX: usize = 16;

/// os-release(5), and lsb-release, whose keys begin with `DISTRIB_`. Of repeated keys the last one counts.
pub(super) fn parse(bytes: &[u8]) -> Option<Distro> {
    let mut distro = Distro::default();
    let mut name = None;
    let mut any = false;
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        let Some(equals) = memchr::memchr(b'=', line).filter(|_| line.first() != Some(&b'#')) else {
            continue;
        };
        let (key, value) =
            (line.get(..equals).unwrap_or_default(), unquote(line.get(equals + 1..).unwrap_or_default()));
        match key {
            b"ID" => distro.id = names::build_id(&value).unwrap_or_default(),
            b"DISTRIB_ID" => {
                distro.id = names::id_by_name(&value).or_else(|| names::build_id(&value)).unwrap_or_default();
            }
            b"VERSION_ID" | b"DISTRIB_RELEASE" => distro.version_id = text::token(&value),
            b"VERSION_CODENAME" | b"DISTRIB_CODENAME" => distro.codename = text::token(&value),
            b"PRETTY_NAME" | b"DISTRIB_DESCRIPTION" => distro.pretty_name = text::line(&value),
            b"NAME" => name = text::line(&value),
            b"ID_LIKE" => {
                let ids = value.split(u8::is_ascii_whitespace).filter_map(names::build_id);
                distro.id_like = ids.take(ID_LIKE_MAX).collect();
            }
            _ => continue,
        }
        any = true;
    }
    if !any {
        return None;
    }
    if distro.id.is_empty() {
        distro.id = names::id_by_name(name.as_deref().unwrap_or_default().as_bytes())?;
    }
    distro.pretty_name = distro.pretty_name.or(name);
    if distro.id == "alpine" && distro.version_id.as_deref().is_some_and(|version| version.contains("_alpha"))
    {
        distro.codename = Some(EDGE.to_owned());
    }
    Some(distro)
}

/// The value of an assignment as a shell would take it (os-release(5)): single quotes keep everything, in
/// double quotes and outside a backslash escapes, and a blank outside quotes ends the value.
fn unquote(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut quote = None;
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b' ' | b'\t') => break,
            (None | Some(b'"'), b'\\') => match bytes.next() {
                // In double quotes the backslash stays before what needs no escape.
                Some(next) => {
                    if quote.is_some() && !matches!(next, b'"' | b'\\' | b'$' | b'`') {
                        plain.push(b'\\');
                    }
                    plain.push(next);
                }
                None => plain.push(b'\\'),
            },
            _ => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_as_a_shell_does() {
        for (value, expected) in [
            ("plain", "plain"),
            ("\"a b\"", "a b"),
            ("'a \"b\\'", "a \"b\\"),
            (r#""\"\$\`\\ \n""#, r#""$`\ \n"#),
            (r"a\ b", "a b"),
            ("a b", "a"),
            ("\"a\"'b'c", "abc"),
            ("\"open", "open"),
            ("end\\", "end\\"),
        ] {
            assert_eq!(String::from_utf8(unquote(value.as_bytes())).unwrap(), expected, "{value}");
        }
    }
}
