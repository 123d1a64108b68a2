//! Patterns of repositories and tags: `?` stands for one character, `*` for any number of them but no slash, `**` for
//! any number of any.

/// Most characters of a pattern.
pub(crate) const MAX_PATTERN: usize = 255;

/// Whether a pattern names more than one text.
pub(crate) fn is_open(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Whether a pattern is one of a repository, or with `tag` of a tag.
pub(crate) fn is_valid(pattern: &str, tag: bool) -> bool {
    let fits = |b: u8| match b {
        b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'*' | b'?' => true,
        b'A'..=b'Z' => tag,
        b'/' => !tag,
        _ => false,
    };
    !pattern.is_empty() && pattern.len() <= MAX_PATTERN && pattern.bytes().all(fits)
}

/// Whether a pattern fits a whole text. The work is bounded by the product of their lengths, whatever they are.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let plain = pattern.iter().take_while(|byte| !matches!(byte, b'*' | b'?')).count();
    let (start, pattern) = pattern.split_at(plain);
    // Most texts are told by how they begin.
    let Some(text) = text.strip_prefix(start) else { return false };
    // Row by row of the pattern: which beginnings of the text it fits.
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        let slashes = byte == b'*' && pattern.get(at + 1) == Some(&b'*');
        let mut next = vec![false; text.len() + 1];
        if byte == b'*' {
            next[0] = row[0];
        }
        for (idx, &seen) in text.iter().enumerate() {
            next[idx + 1] = match byte {
                b'*' => row[idx + 1] || (next[idx] && (slashes || seen != b'/')),
                b'?' => row[idx] && seen != b'/',
                byte => row[idx] && seen == byte,
            };
        }
        row = next;
        at += if slashes { 2 } else { 1 };
    }
    row.last().copied().unwrap_or(false)
}

/// Whether a tag is wanted: by one of the patterns, or there are none, and by none of those that leave out.
pub(crate) fn wants(include: &[String], exclude: &[String], tag: &str) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, tag));
    (include.is_empty() || any(include)) && !any(exclude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, fits) in [
            ("team/app", "team/app", true),
            ("team/app", "team/apps", false),
            ("team/*", "team/app", true),
            ("team/*", "team/", true),
            ("team/*", "team/a/b", false),
            ("team/**", "team/a/b", true),
            ("**", "a/b/c", true),
            ("*", "a/b", false),
            ("**/app", "a/b/app", true),
            ("**/app", "app", false),
            ("v?.*", "v1.20", true),
            ("v?.*", "v10.2", false),
            ("a?b", "a/b", false),
            ("*-rc*", "1.0-rc1", true),
            ("*1*1*", "11", true),
            ("*1*1*", "1", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_longer() {
        let begun = std::time::Instant::now();
        assert!(!matches(&"*a".repeat(120), &"a".repeat(119)));
        assert!(!matches(&"**?".repeat(80), &"/".repeat(250)));
        assert!(begun.elapsed().as_secs() < 5);
    }

    #[test]
    fn tags_are_taken_and_left_out() {
        let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        assert!(wants(&[], &[], "latest"));
        assert!(wants(&list(&["v*", "latest"]), &list(&["*-rc*"]), "v1"));
        assert!(!wants(&list(&["v*"]), &list(&["*-rc*"]), "v1-rc1"));
        assert!(!wants(&list(&["v*"]), &[], "latest"));
    }

    #[test]
    fn other_characters_are_refused() {
        for (pattern, tag, valid) in [
            ("team/**", false, true),
            ("team/app", true, false),
            ("V1.*", true, true),
            ("Team/*", false, false),
            ("a b", true, false),
            ("", true, false),
            ("[ab]", true, false),
        ] {
            assert_eq!(is_valid(pattern, tag), valid, "{pattern}");
        }
    }
}
