//! Recorded licences, whose expressions must be stable, and texts of licences.
#![no_main]

use model::PackageKind;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = analyze::licence::text::parse(data);
    let recorded: Vec<String> = String::from_utf8_lossy(data).lines().map(str::to_owned).collect();
    for kind in [PackageKind::Rpm, PackageKind::Npm] {
        if let Some(found) = analyze::licence::normalise(kind, &recorded) {
            let again = analyze::licence::normalise(kind, std::slice::from_ref(&found));
            assert_eq!(again.as_ref(), Some(&found), "an expression means itself");
        }
    }
});
