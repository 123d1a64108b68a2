//! Archives of whole images, OCI and Docker: finding the manifest, configuration and layers in them.
#![no_main]

use std::{fs, io::Write as _};

use oci::OpenOptions;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("lazaret-fuzz-{}.tar", std::process::id()));
    let mut file = fs::File::create(&path).expect("a temporary file");
    file.write_all(data).expect("a temporary file");
    for kind in ["docker-archive", "oci-archive"] {
        let _ = oci::open(&format!("{kind}:{}", path.display()), &OpenOptions::files_only());
    }
});
