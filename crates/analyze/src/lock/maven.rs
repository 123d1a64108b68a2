//! `pom.xml` (Maven, "POM Reference"): the dependencies that a project names itself, with versions that the same file
//! gives literally or by its own properties. It is no lock file: what those dependencies bring along, and versions
//! that a parent gives, are not in it, and so not told here.

use std::collections::HashMap;

use model::PackageKind;
use quick_xml::{Reader, events::Event};

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// Maven's project file.
pub static MAVEN: LockAnalyzer =
    LockAnalyzer { name: "lock/maven", is_lock: |name| name == "pom.xml", parse };

/// Deepest nesting of elements that is followed.
const DEPTH: usize = 64;
/// Most properties of one file.
const PROPERTIES: usize = 10_000;

#[derive(Default)]
struct Dependency {
    group: String,
    artifact: String,
    version: String,
    scope: String,
}

/// Reads `project/dependencies` and versions from `project/dependencyManagement`.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Maven);
    let text = utf8(bytes, &mut locked);
    let mut reader = Reader::from_str(text);
    reader.config_mut().trim_text(true);
    let mut path: Vec<String> = Vec::new();
    let mut properties: HashMap<String, String> = HashMap::new();
    let mut current = Dependency::default();
    let (mut named, mut managed) = (Vec::new(), HashMap::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                if path.len() >= DEPTH {
                    locked.corrupt("the file nests too deep");
                    break;
                }
                path.push(element.local_name().as_ref().to_owned());
            }
            Ok(Event::Text(value)) => {
                let value = value.trim().to_owned();
                let parts: Vec<&str> = path.iter().map(String::as_str).collect();
                match parts.as_slice() {
                    ["project", "properties", name] if properties.len() < PROPERTIES => {
                        properties.insert((*name).to_owned(), value);
                    }
                    ["project", field @ ("version" | "groupId")]
                    | ["project", "parent", field @ ("version" | "groupId")] => {
                        properties.entry(format!("project.{field}")).or_insert(value);
                    }
                    ["project", "dependencies", "dependency", field]
                    | ["project", "dependencyManagement", "dependencies", "dependency", field] => {
                        match *field {
                            "groupId" => current.group = value,
                            "artifactId" => current.artifact = value,
                            "version" => current.version = value,
                            "scope" => current.scope = value,
                            _ => {}
                        }
                    }
                    _ => {}
                }
            }
            Ok(Event::End(_)) => {
                if path.last().is_some_and(|name| name == "dependency") {
                    let dependency = std::mem::take(&mut current);
                    match path.len() {
                        3 => named.push(dependency),
                        4 => {
                            managed.insert((dependency.group, dependency.artifact), dependency.version);
                        }
                        _ => {}
                    }
                }
                path.pop();
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) => {
                locked.corrupt("the file is no XML");
                break;
            }
        }
    }
    for dependency in named {
        if matches!(dependency.scope.as_str(), "test" | "provided" | "system") {
            continue;
        }
        let version = match dependency.version.as_str() {
            "" => managed
                .get(&(dependency.group.clone(), dependency.artifact.clone()))
                .map_or("", String::as_str),
            version => version,
        };
        let resolve = |text: &str| -> Option<String> {
            let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
                return (!text.is_empty() && !text.contains(['$', '[', '('])).then(|| text.to_owned());
            };
            properties.get(name).filter(|value| !value.contains('$')).cloned()
        };
        if let (Some(group), Some(version)) = (resolve(&dependency.group), resolve(version)) {
            locked.add(&format!("{group}:{}", dependency.artifact), &version);
        }
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn versions_that_the_file_itself_gives() {
        let dependency = |group: &str, artifact: &str, more: &str| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>{more}</dependency>\n"
            )
        };
        let file = format!(
            "<?xml version=\"1.0\"?>\n<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n<groupId>org.own</groupId><version>1.0</version>\n\
             <properties><log.version>2.17.1</log.version></properties>\n<dependencyManagement><dependencies>\n{}</dependencies></dependencyManagement>\n\
             <dependencies>\n{}{}{}{}{}</dependencies>\n</project>\n",
            dependency("a", "managed", "<version>3</version>"),
            dependency("org.apache.logging.log4j", "log4j-core", "<version>${log.version}</version>"),
            dependency("a", "managed", ""),
            dependency("a", "inherited", ""),
            dependency("junit", "junit", "<version>4</version><scope>test</scope>"),
            dependency("${project.groupId}", "own", "<version>${project.version}</version><type>jar</type>"),
        );
        check(
            parse,
            &file,
            &[("org.apache.logging.log4j:log4j-core", "2.17.1"), ("a:managed", "3"), ("org.own:own", "1.0")],
        );
    }
}
