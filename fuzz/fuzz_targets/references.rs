//! Image references, digests, platforms and severities: what is understood is written and read again as the same.
#![no_main]

use std::{fmt::Display, str::FromStr};

use model::{Digest, ImageReference, Platform, Severity};

fn check<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        assert!(written.parse::<T>().is_ok_and(|again| again == value), "{text:?} became {written:?}");
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    check::<ImageReference>(text);
    check::<Digest>(text);
    check::<Platform>(text);
    let _ = text.parse::<Severity>();
});
