//! What an archive is: coordinates out of its `pom.properties`, manifest and file name.
//!
//! The manifest is written by many tools and by hand, so each header is trusted only in the form in which it is of
//! use:
//!
//! - **Version.** `Implementation-Version`, then `Bundle-Version`. OSGi writes `31.1.0.jre` where Maven has
//!   `31.1-jre`; when the file name has the same version in other words, it has Maven's. A file name that is more
//!   precise (`3.1.4` for `3.1`) is preferred. `Specification-Version`, often that of an interface, comes last.
//! - **Artifact.** The file name without that version; titles are for people. Gradle's plugins write
//!   `group#artifact;version` there, which counts.
//! - **Group.** Where a well-known archive has none ([`super::known`]), then `Implementation-Vendor-Id` and
//!   `Bundle-SymbolicName`, when they look like a group. Without one the package is named by its artifact alone,
//!   and no advisory speaks of it.

use super::{
    file_name::{self, FileName, is_version},
    known,
    manifest::{Header, Manifest},
    properties::{Coordinates, word},
};

/// One artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// `group:artifact`, or `artifact`.
    pub name: String,
    /// The version.
    pub version: String,
}

/// What an archive holds beside further archives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// The archive itself.
    pub own: Option<Identity>,
    /// Artifacts whose classes were copied into it.
    pub bundled: Vec<Identity>,
}

/// Words at the end of file names that tell one file of an artifact from another.
const CLASSIFIERS: [&str; 10] = [
    "-sources",
    "-javadoc",
    "-tests",
    "-jar-with-dependencies",
    "-all",
    "-shaded",
    "-uber",
    "-fat",
    "-exec",
    "-standalone",
];

/// Vendors that are no group of any artifact.
const VENDORS: [&str; 6] = ["org.apache", "com.sun", "com.oracle", "com.ibm", "org.eclipse", "org.jboss"];

/// Decides what the archive of that file name is, by its manifest and by all `pom.properties` in it.
pub fn decide(name: &str, manifest: &Manifest, poms: &[Coordinates]) -> Identities {
    let file = file_name::parse(name);
    let version = version(manifest, &file);
    let own_pom = own_pom(&file, manifest, version.as_deref(), poms);
    let mut own = match own_pom.and_then(|index| poms.get(index)) {
        Some(pom) => from_pom(pom, version.as_deref()),
        None => version.and_then(|version| from_manifest(manifest, &file, version)),
    };
    let mut bundled: Vec<Identity> = Vec::new();
    for (index, pom) in poms.iter().enumerate() {
        let Some(identity) = from_pom(pom, None) else { continue };
        let is_own = own.as_ref().is_some_and(|own| {
            *own == identity || (own.version == identity.version && artifact(own) == artifact(&identity))
        });
        if is_own {
            // Where the manifest knows the artifact only, this knows its group too.
            own = Some(identity);
        } else if own_pom != Some(index) && !bundled.contains(&identity) {
            bundled.push(identity);
        }
    }
    Identities { own, bundled }
}

fn artifact(identity: &Identity) -> &str {
    identity.name.rsplit_once(':').map_or(identity.name.as_str(), |(_, artifact)| artifact)
}

fn from_pom(pom: &Coordinates, fallback: Option<&str>) -> Option<Identity> {
    let artifact = pom.artifact.as_ref()?;
    let version = pom.version.as_deref().or(fallback)?.to_owned();
    let name = match &pom.group {
        Some(group) => format!("{group}:{artifact}"),
        None => artifact.clone(),
    };
    Some(Identity { name, version })
}

/// The `pom.properties` that speaks of the archive itself: its artifact is that of the file name, the longest one
/// where several fit. A lone one is the archive's own too when the file was renamed and nothing contradicts.
fn own_pom(
    file: &FileName<'_>,
    manifest: &Manifest,
    version: Option<&str>,
    poms: &[Coordinates],
) -> Option<usize> {
    let fits = |pom: &Coordinates| {
        let Some(artifact) = pom.artifact.as_deref() else { return false };
        if file.stem == artifact || file.artifact == artifact {
            return true;
        }
        let rest = file.stem.strip_prefix(artifact).and_then(|rest| rest.strip_prefix(['-', '_']));
        rest.is_some_and(|rest| pom.version.as_deref().is_some_and(|version| rest.starts_with(version)))
    };
    let length = |pom: &Coordinates| pom.artifact.as_ref().map_or(0, String::len);
    let by_name = poms.iter().enumerate().filter(|(_, pom)| fits(pom)).max_by_key(|(_, pom)| length(pom));
    if let Some((index, _)) = by_name {
        return Some(index);
    }
    if let [pom] = poms {
        let same = |text: Option<&str>| text.is_none_or(|text| pom.version.as_deref() == Some(text));
        if same(file.version) && same(version) {
            return Some(0);
        }
    }
    let title = manifest.get(Header::Title).and_then(word);
    let symbolic = symbolic_name(manifest);
    poms.iter().position(|pom| {
        let Some(artifact) = pom.artifact.as_deref() else { return false };
        let full = pom.group.as_ref().map(|group| format!("{group}.{artifact}"));
        title.as_deref() == Some(artifact)
            || symbolic.as_deref().is_some_and(|name| name == artifact || Some(name) == full.as_deref())
    })
}

fn from_manifest(manifest: &Manifest, file: &FileName<'_>, version: String) -> Option<Identity> {
    if let (Some(group), Some(artifact)) =
        (manifest.get(Header::PluginGroup).and_then(word), manifest.get(Header::PluginName).and_then(word))
    {
        return Some(Identity { name: format!("{group}:{artifact}"), version });
    }
    let title = manifest.get(Header::Title).and_then(coordinates_of_title);
    let artifact = artifact_of(file, &version)?;
    let symbolic = symbolic_name(manifest);
    let name = match known::find(artifact, symbolic.as_deref(), &version) {
        Some((group, artifact)) => format!("{group}:{artifact}"),
        None => match title {
            Some((group, artifact)) => format!("{group}:{artifact}"),
            None => match group_of(manifest, symbolic.as_deref(), artifact) {
                Some(group) => format!("{group}:{artifact}"),
                None => artifact.to_owned(),
            },
        },
    };
    Some(Identity { name, version })
}

/// The file name before the version.
fn artifact_of<'a>(file: &FileName<'a>, version: &str) -> Option<&'a str> {
    let before = file.stem.match_indices(version).find_map(|(at, _)| {
        let rest = file.stem.get(at + version.len()..)?;
        let artifact = file.stem.get(..at)?.strip_suffix(['-', '_'])?;
        (rest.is_empty() || rest.starts_with(['-', '.'])).then_some(artifact)
    });
    let artifact = before.unwrap_or(file.artifact);
    let artifact = CLASSIFIERS.iter().find_map(|c| artifact.strip_suffix(c)).unwrap_or(artifact);
    word(artifact.as_bytes()).and(Some(artifact))
}

/// `group#artifact;version` (Gradle's info plugins) or `group:artifact[:...]`.
fn coordinates_of_title(title: &[u8]) -> Option<(String, String)> {
    let title = std::str::from_utf8(title).ok()?;
    let (group, rest) = title.split_once('#').or_else(|| title.split_once(':'))?;
    let artifact = rest.split([';', ':']).next()?;
    Some((word(group.as_bytes()).filter(|group| is_group(group))?, word(artifact.as_bytes())?))
}

fn version(manifest: &Manifest, file: &FileName<'_>) -> Option<String> {
    let header = |header| {
        let value = manifest.get(header)?;
        let first = value.split(u8::is_ascii_whitespace).next()?;
        // A number alone, such as a commit that happens to begin with a digit, must not have letters in it.
        let plausible = |text: &String| {
            is_version(text) && (text.contains('.') || text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        word(first).filter(plausible)
    };
    let named = file.version.map(|version| {
        CLASSIFIERS.iter().find_map(|classifier| version.strip_suffix(classifier)).unwrap_or(version)
    });
    let stated = header(Header::Version)
        .or_else(|| header(Header::PluginVersion))
        .or_else(|| header(Header::BundleVersion));
    match (stated, named) {
        (Some(stated), Some(named)) => {
            let finer = named.strip_prefix(stated.as_str()).is_some_and(|rest| {
                rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            Some(if finer || is_osgi_of(&stated, named) { named.to_owned() } else { stated })
        }
        (Some(stated), None) => Some(stated),
        (None, Some(named)) => word(named.as_bytes()),
        (None, None) => header(Header::Specification),
    }
}

/// True when OSGi writes that version so: three numbers, a dot and the rest (OSGi Core, 3.2.5).
fn is_osgi_of(osgi: &str, version: &str) -> bool {
    let mut theirs = osgi.splitn(4, '.');
    let mut rest = version;
    let mut numbers = 0;
    for _ in 0..3 {
        let Some(number) = theirs.next() else { return false };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (ours, tail) = rest.split_at(digits);
        if ours.is_empty() {
            if number != "0" || numbers == 0 {
                return false;
            }
            continue;
        }
        numbers += 1;
        if ours != number {
            return false;
        }
        rest = match tail.strip_prefix('.') {
            Some(more) if more.starts_with(|c: char| c.is_ascii_digit()) && numbers < 3 => more,
            _ => tail,
        };
        // Behind a number without a dot the rest is a qualifier; further numbers of theirs are 0.
        if !tail.is_empty() && rest.len() == tail.len() {
            let zeros = theirs.by_ref().take(3 - numbers).all(|number| number == "0");
            let qualifier = tail.trim_start_matches(['.', '-', '_']);
            return zeros && theirs.next().is_some_and(|theirs| same_qualifier(theirs, qualifier));
        }
    }
    rest.is_empty() && theirs.next().is_none()
}

fn same_qualifier(osgi: &str, qualifier: &str) -> bool {
    let plain = |text: &str| {
        text.bytes().map(|b| if b == b'.' { b'-' } else { b.to_ascii_lowercase() }).collect::<Vec<_>>()
    };
    plain(osgi) == plain(qualifier)
}

/// `Bundle-SymbolicName` without its directives.
fn symbolic_name(manifest: &Manifest) -> Option<String> {
    let value = manifest.get(Header::SymbolicName)?;
    value.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii).and_then(word)
}

fn group_of(manifest: &Manifest, symbolic: Option<&str>, artifact: &str) -> Option<String> {
    let usable = |group: &String| is_group(group) && !VENDORS.contains(&group.as_str());
    if let Some(group) = manifest.get(Header::VendorId).and_then(word).filter(usable) {
        return Some(group);
    }
    // Tools make the name of group and artifact, and leave out what both have (Maven Bundle Plugin).
    let symbolic = symbolic?;
    let (above, last) = symbolic.rsplit_once('.')?;
    let group = if last == artifact {
        if above.contains('.') { above } else { symbolic }
    } else {
        let (_, before) = above.rsplit_once('.')?;
        let both = artifact.strip_prefix(before).and_then(|rest| rest.strip_prefix('-'));
        both.filter(|rest| *rest == last).map(|_| above)?
    };
    Some(group.to_owned()).filter(usable)
}

/// True for what looks like a group: words with dots between them, as in the name of a Java package.
fn is_group(text: &str) -> bool {
    text.contains('.')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pom(coordinates: &str) -> Coordinates {
        let mut parts = coordinates.split(':').map(|part| Some(part.to_owned()).filter(|p| !p.is_empty()));
        let mut next = || parts.next().flatten();
        Coordinates { group: next(), artifact: next(), version: next() }
    }

    fn check(name: &str, manifest: &str, poms: &[&str], own: &str, bundled: &[&str]) {
        let poms: Vec<_> = poms.iter().map(|text| pom(text)).collect();
        let found = decide(name, &Manifest::parse(manifest.as_bytes()), &poms);
        let show = |identity: &Identity| format!("{}@{}", identity.name, identity.version);
        assert_eq!(found.own.as_ref().map(show).unwrap_or_default(), own, "{name} {manifest:?}");
        assert_eq!(found.bundled.iter().map(show).collect::<Vec<_>>(), bundled, "{name}");
    }

    #[test]
    fn the_pom_of_the_file_name_is_the_archive_and_others_were_copied_in() {
        check("tide-1.0.jar", "", &["org.example:tide:1.0"], "org.example:tide@1.0", &[]);
        check("tide.jar", "", &["org.example:tide:1.0"], "org.example:tide@1.0", &[]);
        check("tide-1.0-linux.jar", "", &["org.example:tide:1.0"], "org.example:tide@1.0", &[]);
        check(
            "tide-core-1.0.jar",
            "Implementation-Version: 1.0\n",
            &["org.example:tide:0.9", "org.example:tide-core:1.0", "a.b:reef:2"],
            "org.example:tide-core@1.0",
            &["org.example:tide@0.9", "a.b:reef@2"],
        );
        // The prefix of another artifact's name is not its name.
        check("tide-core-1.0.jar", "", &["org.example:tide:0.9"], "tide-core@1.0", &["org.example:tide@0.9"]);
        check("tide-1.0.jar", "", &["org.example:tide:"], "org.example:tide@1.0", &[]);
        check("tide.jar", "", &["org.example:tide:"], "", &[]);
        check("tide-1.0.jar", "", &[":tide:1.0"], "tide@1.0", &[]);
        check(
            "tide-1.0.jar",
            "",
            &["org.example:tide:1.0", "org.example:tide:1.0"],
            "org.example:tide@1.0",
            &[],
        );
    }

    #[test]
    fn a_renamed_archive_is_known_by_its_only_pom() {
        check("app.jar", "", &["org.example:tide:1.0"], "org.example:tide@1.0", &[]);
        check("app-1.0.jar", "", &["org.example:tide:1.0"], "org.example:tide@1.0", &[]);
        check("app-2.0.jar", "", &["org.example:tide:1.0"], "app@2.0", &["org.example:tide@1.0"]);
        let two = ["org.example:tide:1.0", "org.example:reef:2.0"];
        check("app.jar", "", &two, "", &["org.example:tide@1.0", "org.example:reef@2.0"]);
        check(
            "app.jar",
            "Implementation-Title: reef\n",
            &two,
            "org.example:reef@2.0",
            &["org.example:tide@1.0"],
        );
        check(
            "app.jar",
            "Bundle-SymbolicName: org.example.tide;singleton:=true\n",
            &two,
            "org.example:tide@1.0",
            &["org.example:reef@2.0"],
        );
    }

    #[test]
    fn the_manifest_tells_version_and_group() {
        check("tide.jar", "Implementation-Version: 1.0\n", &[], "tide@1.0", &[]);
        check("tide-1.0.jar", "Implementation-Version: 2.0\n", &[], "tide@2.0", &[]);
        check("tide-1.0.jar", "Implementation-Version: 1.0\nBundle-Version: 1.0.0.x\n", &[], "tide@1.0", &[]);
        check("tide-3.1.4.jar", "Implementation-Version: 3.1\n", &[], "tide@3.1.4", &[]);
        check("tide.jar", "Implementation-Version: 1.2 (build 7, 2001)\n", &[], "tide@1.2", &[]);
        for none in ["${project.version}", "unspecified", "3f09ab1", "a b", ""] {
            check("tide-1.0.jar", &format!("Implementation-Version: {none}\n"), &[], "tide@1.0", &[]);
        }
        check("tide-1.2-3.4.jar", "Bundle-Version: 3.4\n", &[], "tide-1.2@3.4", &[]);
        check(
            "tide-4.1.Final-linux-x86_64.jar",
            "Implementation-Version: 4.1.Final\n",
            &[],
            "tide@4.1.Final",
            &[],
        );
        check("tide.jar", "Specification-Version: 3.0\n", &[], "tide@3.0", &[]);
        check("tide-3.0.1.jar", "Specification-Version: 3.0\n", &[], "tide@3.0.1", &[]);
        check("tide-1.0.jar", "Implementation-Vendor-Id: org.example\n", &[], "org.example:tide@1.0", &[]);
        for none in ["org.apache", "Example Inc.", "example", "http://example.org", "org..example"] {
            check("tide-1.0.jar", &format!("Implementation-Vendor-Id: {none}\n"), &[], "tide@1.0", &[]);
        }
        check("x-1.0.jar", "Implementation-Title: org.example#tide;1.0\n", &[], "org.example:tide@1.0", &[]);
        check("x-1.0.jar", "Implementation-Title: org.example:tide\n", &[], "org.example:tide@1.0", &[]);
        check("tide-1.0.jar", "Implementation-Title: Example: Tide\n", &[], "tide@1.0", &[]);
        let plugin = "Group-Id: org.example\nShort-Name: tide\nPlugin-Version: 5 (private)\n";
        check("x.hpi", plugin, &[], "org.example:tide@5", &[]);
    }

    #[test]
    fn symbolic_names_have_the_group_in_them() {
        for (symbolic, name) in [
            ("org.example.reef.tide-core", "org.example.reef:tide-core"),
            ("org.example.tide.core", "org.example.tide:tide-core"),
            ("org.example.tide-core; singleton:=true", "org.example:tide-core"),
            ("org.tide-core", "org.tide-core:tide-core"),
            ("tide-core", "tide-core"),
            ("org.example.other", "tide-core"),
        ] {
            let manifest = format!("Bundle-SymbolicName: {symbolic}\nBundle-Version: 1.0\n");
            check("tide-core.jar", &manifest, &[], &format!("{name}@1.0"), &[]);
        }
    }

    #[test]
    fn versions_of_osgi_are_read_back() {
        for (osgi, named, expected) in [
            ("31.1.0.jre", "31.1-jre", "31.1-jre"),
            ("1.33.0", "1.33", "1.33"),
            ("4.0.0", "4", "4"),
            ("5.3.20.Final", "5.3.20.Final", "5.3.20.Final"),
            ("1.0.0.beta-2", "1.0-beta.2", "1.0-beta.2"),
            ("1.0.0.20200101", "1.0-20200101", "1.0-20200101"),
            ("1.2.17", "1.2", "1.2.17"),
            ("1.33.1", "1.33", "1.33.1"),
            ("31.1.0.jre", "31.1-android", "31.1.0.jre"),
            ("1.0.0.x", "1.0", "1.0.0.x"),
        ] {
            let manifest = format!("Bundle-Version: {osgi}\n");
            check(&format!("tide-{named}.jar"), &manifest, &[], &format!("tide@{expected}"), &[]);
        }
    }

    #[test]
    fn the_file_name_comes_last() {
        check("tide-1.0.jar", "", &[], "tide@1.0", &[]);
        check("tide-1.0-sources.jar", "", &[], "tide@1.0", &[]);
        check("log4j-1.2-api-2.17.1.jar", "", &[], "org.apache.logging.log4j:log4j-1.2-api@2.17.1", &[]);
        check("tide.jar", "", &[], "", &[]);
        check(".jar", "Implementation-Version: 1.0\n", &[], "", &[]);
    }

    #[test]
    fn well_known_archives_have_their_group() {
        check(
            "log4j-1.2-1.2.17.jar",
            "Bundle-Version: 1.2.17\nBundle-SymbolicName: org.apache.log4j\n",
            &[],
            "log4j:log4j@1.2.17",
            &[],
        );
        check(
            "log4j-1.2.jar",
            "Bundle-Version: 1.2.17\nBundle-SymbolicName: org.apache.log4j\n",
            &[],
            "log4j:log4j@1.2.17",
            &[],
        );
        check(
            "spring-core-5.3.1.jar",
            "Implementation-Title: spring-core\n",
            &[],
            "org.springframework:spring-core@5.3.1",
            &[],
        );
        check(
            "catalina.jar",
            "Implementation-Version: 9.0.31\nBundle-SymbolicName: org.apache.tomcat-catalina\n",
            &[],
            "org.apache.tomcat:tomcat-catalina@9.0.31",
            &[],
        );
    }
}
