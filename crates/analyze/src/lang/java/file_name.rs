//! The file name of an archive, `artifact-version[-classifier].jar`, as Maven repositories have it.
//!
//! Artifacts may have numbers after a hyphen themselves (`log4j-1.2-api-2.17.1`), and versions may have hyphens
//! with words and numbers behind them (`2.0-beta-1`), so this is a guess. It is asked last.

/// The name without its suffix, split where the version begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileName<'a> {
    /// The whole name without suffix.
    pub stem: &'a str,
    /// What stands before the version; the stem when there is none.
    pub artifact: &'a str,
    /// The version, with a classifier if there is one.
    pub version: Option<&'a str>,
}

/// Words that may stand within a version, before further numbers.
const QUALIFIERS: [&str; 16] = [
    "alpha",
    "beta",
    "milestone",
    "rc",
    "cr",
    "m",
    "snapshot",
    "ga",
    "final",
    "release",
    "sp",
    "pre",
    "preview",
    "b",
    "build",
    "redhat",
];

/// Splits the name of an archive.
pub fn parse(name: &str) -> FileName<'_> {
    let stem = super::suffix_of(name.as_bytes())
        .and_then(|suffix| name.get(..name.len() - suffix.len()))
        .unwrap_or(name);
    let whole = FileName { stem, artifact: stem, version: None };
    let mut split = None;
    // Behind a word that is no qualifier, a number with a dot is the version after all.
    let mut word_seen = true;
    let mut start = 0;
    for part in stem.split('-') {
        if part.starts_with(|c: char| c.is_ascii_digit()) {
            if start > 0 && word_seen && (split.is_none() || part.contains('.')) {
                split = Some(start);
            }
            word_seen = false;
        } else if split.is_some() && !is_qualifier(part) {
            word_seen = true;
        }
        start += part.len() + 1;
    }
    // Eclipse separates by an underscore: `org.eclipse.osgi_3.16.0.v20200828`. Scala has its own version there.
    let split = split.or_else(|| {
        let (before, after) = stem.rsplit_once('_')?;
        let version = after.starts_with(|c: char| c.is_ascii_digit()) && after.matches('.').count() >= 2;
        version.then_some(before.len() + 1)
    });
    let Some((artifact, version)) = split.and_then(|at| Some((stem.get(..at - 1)?, stem.get(at..)?))) else {
        return whole;
    };
    if artifact.is_empty() || !is_version(version) {
        return whole;
    }
    FileName { stem, artifact, version: Some(version) }
}

fn is_qualifier(part: &str) -> bool {
    let word = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    word.is_empty() || QUALIFIERS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// True for a text that begins with a digit and has nothing in it that versions do not have.
pub fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, artifact: &str, version: Option<&str>) {
        let parsed = parse(name);
        assert_eq!((parsed.artifact, parsed.version), (artifact, version), "{name}");
    }

    #[test]
    fn finds_where_the_version_begins() {
        check("guava-31.1-jre.jar", "guava", Some("31.1-jre"));
        check("commons-collections4-4.4.jar", "commons-collections4", Some("4.4"));
        check("log4j-1.2-api-2.17.1.jar", "log4j-1.2-api", Some("2.17.1"));
        check("jackson-datatype-jdk8-2.13.3.jar", "jackson-datatype-jdk8", Some("2.13.3"));
        check("scala-reflect_2.13-1.0.0.jar", "scala-reflect_2.13", Some("1.0.0"));
        check("kafka_2.13.jar", "kafka_2.13", None);
        check("groovy-3.0.0-beta-1.jar", "groovy", Some("3.0.0-beta-1"));
        check("spring-core-6.0.0-M5.war", "spring-core", Some("6.0.0-M5"));
        check("app-0.0.1-SNAPSHOT.jar", "app", Some("0.0.1-SNAPSHOT"));
        check("app-1.0-20220101.123456-7.jar", "app", Some("1.0-20220101.123456-7"));
        check("postgresql-42.2.5.jre7.jar", "postgresql", Some("42.2.5.jre7"));
        check(
            "netty-transport-native-epoll-4.1.9.Final-linux-x86_64.jar",
            "netty-transport-native-epoll",
            Some("4.1.9.Final-linux-x86_64"),
        );
        check(
            "jboss-logging-3.4.3.Final-redhat-00001.jar",
            "jboss-logging",
            Some("3.4.3.Final-redhat-00001"),
        );
        check("org.eclipse.osgi_3.16.0.v20200828.jar", "org.eclipse.osgi", Some("3.16.0.v20200828"));
        check("h2-2.jar", "h2", Some("2"));
        check("ROOT.war", "ROOT", None);
        check("app.JAR", "app", None);
        check("spring-web.jar", "spring-web", None);
        check("guava-r07.jar", "guava-r07", None);
        check("1.0.jar", "1.0", None);
        check("-1.0.jar", "-1.0", None);
        check("a-1.0 (copy).jar", "a-1.0 (copy)", None);
        check("a--1.jar", "a-", Some("1"));
        check(".jar", "", None);
        check("", "", None);
    }
}
