//! `poetry.lock`, `pdm.lock` and `uv.lock`: Python packages in TOML, all as a list named `package`. Packages of the
//! project itself (uv: a source that is a directory) are left out, and so are those that Poetry marked `dev`.

use model::PackageKind;
use toml::de::{DeTable, DeValue};

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// The lock files of Poetry, PDM and uv.
pub static POETRY: LockAnalyzer = LockAnalyzer {
    name: "lock/poetry",
    is_lock: |name| matches!(name, "poetry.lock" | "pdm.lock" | "uv.lock"),
    parse,
};

/// Where uv says that a package is a part of the project.
const OWN: [&str; 4] = ["virtual", "editable", "directory", "path"];

/// Reads the list of packages.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Pypi);
    let text = utf8(bytes, &mut locked);
    let Ok(document) = DeTable::parse(text) else {
        locked.corrupt("the file is no TOML");
        return locked.finish();
    };
    let packages = document.get_ref().get("package").and_then(|list| list.get_ref().as_array());
    for package in packages.into_iter().flat_map(|list| list.iter()) {
        let Some(table) = package.get_ref().as_table() else { continue };
        let field = |name: &str| table.get(name).and_then(|value| value.get_ref().as_str());
        let source = table.get("source").map(|source| source.get_ref());
        let is_own =
            matches!(source, Some(DeValue::Table(source)) if OWN.iter().any(|key| source.contains_key(*key)));
        let is_dev = field("category") == Some("dev");
        if !is_own && !is_dev {
            locked.add(field("name").unwrap_or_default(), field("version").unwrap_or_default());
        }
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn packages_without_the_project_itself() {
        let file = "version = 1\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\n\n\
                    [[package]]\nname = \"idna\"\nversion = \"3.4\"\nsource = { registry = \"https://pypi.org/simple\" }\n\n\
                    [[package]]\nname = \"pytest\"\nversion = \"7.0\"\ncategory = \"dev\"\n";
        check(parse, file, &[("idna", "3.4")]);
    }
}
