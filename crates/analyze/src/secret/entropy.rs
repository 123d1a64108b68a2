//! How evenly the bytes of a text are spread (Shannon, "A Mathematical Theory of Communication", section 6).

/// Entropy in bits a byte, 0 to 8.
pub(super) fn shannon(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let len = bytes.len() as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / len);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_how_even_bytes_are() {
        for (text, expected) in
            [(&b""[..], 0.0), (b"aaaa", 0.0), (b"abab", 1.0), (b"abcd", 2.0), (b"aaab", 0.811_278)]
        {
            assert!((shannon(text) - expected).abs() < 1e-5, "{text:?}: {}", shannon(text));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert!((shannon(&all) - 8.0).abs() < 1e-9);
    }
}
