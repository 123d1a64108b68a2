//! .NET applications and shared frameworks: `NAME.deps.json`, which the SDK writes beside the assemblies (dotnet/sdk
//! documentation, "runtime-configuration-file": `targets` and `libraries`).
//!
//! Reported are the libraries that came as NuGet packages and that the target at run time has; runtime packs, which a
//! self-contained application carries along, are packages of the same name without `runtimepack.`. The file of a
//! shared framework (`shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json`) names the framework's own
//! package, so runtimes are found in the same way. Projects, references to assemblies, and packages that were only
//! needed to compile are left out, and so are lock files and the version resources of assemblies.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use model::{Package, PackageKind, Problem, ProblemCode};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use crate::{
    Analyzer, Content, Entry, EntryKind, Files, Merged, Observation, Want, requires::Requires, text,
};

/// Largest file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// Most libraries that are kept of one target.
const LIBRARIES_MAX: usize = 20_000;

/// Most targets: one for the framework, and one for each runtime that was published for.
const TARGETS_MAX: usize = 16;

/// .NET applications and shared frameworks.
pub struct DotnetAnalyzer;

impl Analyzer for DotnetAnalyzer {
    fn name(&self) -> &'static str {
        "lang/dotnet"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let wanted = entry.kind == EntryKind::File && is_dependency_path(entry.path.as_bytes());
        if wanted { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// True for `NAME.deps.json`.
pub fn is_dependency_path(path: &[u8]) -> bool {
    path.strip_suffix(b".deps.json").is_some_and(|name| !matches!(name.last(), None | Some(b'/')))
}

/// Reads one file. JSON that is no such file names nothing.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return observation;
    }
    let dependencies = match serde_json::from_slice::<Dependencies>(bytes) {
        Ok(dependencies) => dependencies,
        Err(error) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            observation.add_corrupt(format!("not the JSON of a dependency file at {place}"));
            return observation;
        }
    };
    let mut over = dependencies.targets.over || dependencies.libraries.over;
    let runtime = dependencies.runtime.and_then(|target| target.name);
    let target =
        runtime.and_then(|name| dependencies.targets.items.into_iter().find(|(key, _)| *key == name));
    let mut needed: Option<BTreeMap<String, InTarget>> = None;
    if let Some((_, target)) = target {
        over |= target.over;
        needed = Some(target.items.into_iter().collect());
    }
    let mut unnamed = 0_u32;
    for (key, library) in dependencies.libraries.items {
        let is = |kind: &str| library.kind.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(kind));
        let name = match key.strip_prefix("runtimepack.") {
            Some(name) if is("runtimepack") => name,
            None if is("package") => &key,
            _ => continue,
        };
        let in_target = match &mut needed {
            Some(needed) => match needed.remove(&key) {
                Some(in_target) if !in_target.compile_only => in_target,
                _ => continue,
            },
            None => InTarget::default(),
        };
        let parts = name.split_once('/').and_then(|(name, version)| {
            Some((text::token(name.as_bytes())?, text::token(version.as_bytes())?))
        });
        let Some((name, version)) = parts else {
            unnamed += 1;
            continue;
        };
        let mut package = Package::new(PackageKind::Nuget, name, version);
        let mut requires = Requires::default();
        for (name, IgnoredAny) in in_target.dependencies.unwrap_or_default().items {
            requires.add_whole(name.strip_prefix("runtimepack.").unwrap_or(&name).as_bytes());
        }
        package.requires = requires.into_names();
        observation.facts.push(package.into());
    }
    if unnamed > 0 {
        observation.add_corrupt(format!("{unnamed} libraries without a usable name and version"));
    }
    if over {
        let text = "more targets or libraries than the limit; the rest was not read";
        observation.problems.push(Problem::new(ProblemCode::TooManyItems, text));
    }
    observation
}

/// The parts of interest; a missing one is empty.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Dependencies {
    #[serde(rename = "runtimeTarget")]
    runtime: Option<RuntimeTarget>,
    targets: Bounded<Bounded<InTarget, LIBRARIES_MAX>, TARGETS_MAX>,
    libraries: Bounded<Library, LIBRARIES_MAX>,
}

#[derive(Deserialize)]
struct RuntimeTarget {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// A library as a target has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct InTarget {
    dependencies: Option<Bounded<IgnoredAny, 400>>,
    #[serde(rename = "compileOnly")]
    compile_only: bool,
}

/// The first `MAX` entries of an object, in the order of the file.
struct Bounded<T, const MAX: usize> {
    items: Vec<(String, T)>,
    /// There were more.
    over: bool,
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self { items: Vec::new(), over: false }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BoundedVisitor(PhantomData))
    }
}

struct BoundedVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for BoundedVisitor<T, MAX> {
    type Value = Bounded<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut bounded = Bounded::default();
        while bounded.items.len() < MAX {
            let Some(entry) = map.next_entry()? else { return Ok(bounded) };
            bounded.items.push(entry);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            bounded.over = true;
        }
        Ok(bounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile};

    const HARBOUR: &[u8] = include_bytes!("../../testdata/dotnet/harbour.deps.json");

    fn listed(observation: &Observation) -> Vec<String> {
        let line = |fact: &Fact| match fact {
            Fact::Package(p) => {
                format!("{}@{} {}", p.name, p.version, p.requires.join(",")).trim_end().to_owned()
            }
            other => panic!("{other:?}"),
        };
        observation.facts.iter().map(line).collect()
    }

    fn check(json: &str, expected: &[&str]) {
        let observation = parse(json.as_bytes());
        assert_eq!(observation.problems, [], "{json}");
        assert_eq!(listed(&observation), expected, "{json}");
    }

    #[test]
    fn wants_dependency_files() {
        for path in ["app/Harbour.deps.json", "usr/lib/dotnet/shared/A/8.0.1/A.deps.json", "a.deps.json"] {
            assert!(is_dependency_path(path.as_bytes()), "{path}");
        }
        for path in
            ["", "deps.json", ".deps.json", "app/.deps.json", "a.deps.json.bak", "a.runtimeconfig.json"]
        {
            assert!(!is_dependency_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_what_the_target_at_run_time_has() {
        let observation = parse(HARBOUR);
        assert_eq!(observation.problems, []);
        assert_eq!(
            listed(&observation),
            [
                "Microsoft.NETCore.App.Runtime.linux-x64@8.0.1",
                "Tide.Tables@2.1.0 Moon.Phases",
                "Moon.Phases@0.3.0-beta.1",
            ]
        );
    }

    #[test]
    fn reads_a_shared_framework() {
        let framework = r#"{"runtimeTarget":{"name":".NETCoreApp,Version=v8.0/linux-x64"},
            "targets":{".NETCoreApp,Version=v8.0/linux-x64":{"Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"runtime":{}}}},
            "libraries":{"Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"type":"package","sha512":""}}}"#;
        check(framework, &["Microsoft.NETCore.App.Runtime.linux-x64@8.0.1"]);
    }

    #[test]
    fn without_a_known_target_every_package_counts() {
        let libraries = r#""libraries":{"A/1.0":{"type":"Package"},"B/2.0":{"type":"project"},"C/3.0":{}}"#;
        check(&format!("{{{libraries}}}"), &["A@1.0"]);
        check(&format!("\u{feff}{{{libraries}}}"), &["A@1.0"]);
        check(
            &format!(r#"{{"runtimeTarget":{{"name":"x"}},"targets":{{"y":{{}}}},{libraries}}}"#),
            &["A@1.0"],
        );
        check(&format!(r#"{{"runtimeTarget":{{"name":"x"}},"targets":{{"x":{{}}}},{libraries}}}"#), &[]);
    }

    #[test]
    fn other_json_names_nothing() {
        for json in ["", " \n", "{}", "[]", r#"{"a":[1,2]}"#, r#"{"libraries":{}}"#] {
            check(json, &[]);
        }
    }

    #[test]
    fn says_what_it_cannot_read() {
        for json in [
            "7",
            "{",
            r#"{"libraries":[]}"#,
            r#"{"libraries":{"A":{"type":"package"}}}"#,
            r#"{"libraries":{"A/\u0000":{"type":"package"}}}"#,
        ] {
            let observation = parse(json.as_bytes());
            assert_eq!(observation.facts, [], "{json}");
            assert_eq!(observation.problems.len(), 1, "{json}");
        }
    }

    #[test]
    fn keeps_no_more_than_the_limit() {
        let libraries: Vec<String> =
            (0..=LIBRARIES_MAX).map(|number| format!(r#""A{number}/1.0":{{"type":"package"}}"#)).collect();
        let observation = parse(format!(r#"{{"libraries":{{{}}}}}"#, libraries.join(",")).as_bytes());
        assert_eq!(observation.facts.len(), LIBRARIES_MAX);
        assert_eq!(observation.problems.len(), 1);
        assert_eq!(observation.problems[0].code, ProblemCode::TooManyItems);
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[HARBOUR]);
    }
}
