//! Version orders: total over all texts. Three lines are compared by every scheme.
#![no_main]

use std::cmp::Ordering;

use advisory::version::{SCHEMES, Scheme};

fn check(scheme: &dyn Scheme, [a, b, c]: [&str; 3]) {
    let name = scheme.name();
    assert_eq!(scheme.compare(a, a), Ordering::Equal, "{name}: {a:?} differs from itself");
    assert_eq!(scheme.compare(a, b), scheme.compare(b, a).reverse(), "{name}: {a:?} {b:?}");
    if scheme.compare(a, b).is_le() && scheme.compare(b, c).is_le() {
        assert!(scheme.compare(a, c).is_le(), "{name}: {a:?} <= {b:?} <= {c:?}");
    }
    let _ = scheme.is_valid(a);
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (Some(a), Some(b), Some(c)) = (lines.next(), lines.next(), lines.next()) else { return };
    for scheme in SCHEMES {
        check(*scheme, [a, b, c]);
        check(*scheme, [b, c, a]);
        check(*scheme, [c, a, b]);
    }
});
