//! `Cargo.lock` (The Cargo Book, "Cargo.toml vs Cargo.lock"): Rust crates. Packages without a source are the
//! project's own.

use model::PackageKind;
use toml::de::DeTable;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// Rust's lock file.
pub static CARGO: LockAnalyzer =
    LockAnalyzer { name: "lock/cargo", is_lock: |name| name == "Cargo.lock", parse };

/// Reads the list of packages.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Cargo);
    let text = utf8(bytes, &mut locked);
    let Ok(document) = DeTable::parse(text) else {
        locked.corrupt("the file is no TOML");
        return locked.finish();
    };
    let packages = document.get_ref().get("package").and_then(|list| list.get_ref().as_array());
    for package in packages.into_iter().flat_map(|list| list.iter()) {
        let Some(table) = package.get_ref().as_table() else { continue };
        let field = |name: &str| table.get(name).and_then(|value| value.get_ref().as_str());
        if field("source").is_none() {
            continue;
        }
        let digest =
            field("checksum").filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        locked.add_with(field("name").unwrap_or_default(), field("version").unwrap_or_default(), |package| {
            package.digest = digest.map(|hex| format!("sha256:{}", hex.to_ascii_lowercase()));
        });
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn crates_with_a_source_are_listed() {
        let file = "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"serde\",\n]\n\n\
                    [[package]]\nname = \"serde\"\nversion = \"1.0.210\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                    checksum = \"c8e3592472072e6e22e0a54d5904d9febf8508f65fb8552499a1abc7d1078c3a\"\n";
        check(parse, file, &[("serde", "1.0.210")]);
    }
}
