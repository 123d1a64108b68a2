//! Packages of programming languages, as they are installed in images.

pub mod binary;
pub mod bitnami;
pub mod conda;
pub mod dotnet;
pub mod java;
pub mod node;
pub mod php;
pub mod program;
pub mod python;
pub mod ruby;

/// True when some language analyzer may want this path (text or bytes, relative to the root): package
/// managers of operating systems keep the owners of just these files ([`crate::Fact::Owns`]).
///
/// Called for every path of every file list, so it decides by a few bytes at the end. A language analyzer
/// that is added gets a term here; the registration test holds both sides together.
pub fn may_be_package_file(path: impl AsRef<[u8]>) -> bool {
    let path = path.as_ref();
    python::is_metadata_path(path)
        || node::is_manifest_path(path)
        || java::is_archive_path(path)
        || dotnet::is_dependency_path(path)
        || binary::is_program_path(path)
        || program::is_listed_path(path)
        || ruby::is_specification_path(path)
        || php::is_installed_path(path)
        || conda::is_record_path(path)
        || bitnami::is_document_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_files_of_each_language() {
        assert!(may_be_package_file("usr/lib/python3/dist-packages/six-1.16.0.egg-info"));
        assert!(may_be_package_file(b"usr/lib/node_modules/npm/package.json"));
        assert!(!may_be_package_file("usr/lib/python3/dist-packages/six.py"));
        assert!(!may_be_package_file(""));
    }
}
