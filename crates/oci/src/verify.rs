//! Bytes that must be what their digest says.

use std::io::{self, Read};

use model::digest::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};

use crate::error::OciError;

/// A running hash of either algorithm.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Begins a hash.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        let digest = match self.0 {
            State::Sha256(hash) => Digest::from_bytes(Algorithm::Sha256, &hash.finalize()),
            State::Sha512(hash) => Digest::from_bytes(Algorithm::Sha512, &hash.finalize()),
        };
        #[expect(
            clippy::expect_used,
            reason = "the hash functions yield just the lengths that Digest asks for"
        )]
        digest.expect("a hash has its algorithm's length")
    }
}

/// The digest of bytes at hand.
pub fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Checks bytes at hand against a digest; `what` names them in the error.
pub fn verify(bytes: &[u8], expected: &Digest, what: &str) -> Result<(), OciError> {
    let actual = digest_of(expected.algorithm(), bytes);
    if actual == *expected {
        return Ok(());
    }
    Err(OciError::DigestMismatch { what: what.to_owned(), expected: expected.clone(), actual })
}

/// Passes bytes through, and turns the end of the stream into an error when length or digest are wrong.
///
/// Nothing that was read before the end is verified: a caller that stops early must call [`Self::finish`].
/// Errors are [`OciError`]s inside `io::Error`.
pub struct VerifyingReader<R> {
    inner: R,
    hasher: Option<Hasher>,
    expected: Digest,
    size: Option<u64>,
    read: u64,
    broken: bool,
    what: String,
}

impl<R: Read> VerifyingReader<R> {
    /// Wraps a reader of `what`, which must have `expected` as digest and, where known, `size` bytes.
    pub fn new(inner: R, expected: Digest, size: Option<u64>, what: impl Into<String>) -> Self {
        let hasher = Some(Hasher::new(expected.algorithm()));
        Self { inner, hasher, expected, size, read: 0, broken: false, what: what.into() }
    }

    /// Bytes passed through so far.
    pub const fn bytes_read(&self) -> u64 {
        self.read
    }

    /// True once the end was reached and everything was right.
    pub const fn is_verified(&self) -> bool {
        self.hasher.is_none()
    }

    /// Reads the rest, as far as the expected size, and checks it; returns the number of bytes in all.
    pub fn finish(&mut self) -> io::Result<u64> {
        let mut buffer = vec![0; 64 << 10];
        while !self.is_verified() {
            match self.read(&mut buffer) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(self.read)
    }

    /// The reason behind an error of a reader above this one, such as a decompressor: the error itself when it
    /// comes from this crate, else what is wrong with the bytes beneath when reading the rest shows something,
    /// else the error.
    pub fn explain(&mut self, error: io::Error) -> io::Error {
        if OciError::in_io(&error).is_some() {
            return error;
        }
        match self.finish() {
            Err(reason) if OciError::in_io(&reason).is_some() => reason,
            _ => error,
        }
    }

    fn size_mismatch(&self, expected: u64) -> io::Error {
        OciError::SizeMismatch { what: self.what.clone(), expected, actual: self.read }.into()
    }

    fn end(&mut self) -> io::Result<usize> {
        let Some(hasher) = self.hasher.clone() else { return Ok(0) };
        if let Some(size) = self.size.filter(|size| *size != self.read) {
            return Err(self.size_mismatch(size));
        }
        let actual = hasher.finish();
        if actual != self.expected {
            let (what, expected) = (self.what.clone(), self.expected.clone());
            return Err(OciError::DigestMismatch { what, expected, actual }.into());
        }
        self.hasher = None;
        Ok(0)
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.broken {
            return Err(io::Error::other(format!("reading {} failed before", self.what)));
        }
        let n = match self.inner.read(buffer) {
            Ok(0) => return self.end(),
            Ok(n) => n,
            Err(e) => {
                // What comes after an error is not the rest of the stream, and its end no end.
                self.broken = e.kind() != io::ErrorKind::Interrupted;
                return Err(e);
            }
        };
        if let (Some(hasher), Some(bytes)) = (&mut self.hasher, buffer.get(..n)) {
            hasher.update(bytes);
        }
        self.read = self.read.saturating_add(n as u64);
        match self.size {
            Some(size) if self.read > size => Err(self.size_mismatch(size)),
            _ => Ok(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(algorithm: Algorithm, content: &[u8], size: Option<u64>, served: &[u8], code: &str) {
        let mut reader = VerifyingReader::new(served, digest_of(algorithm, content), size, "it");
        let mut out = Vec::new();
        let got = reader.read_to_end(&mut out);
        let got = got.map_or_else(|e| OciError::in_io(&e).unwrap().code(), |_| "ok");
        assert_eq!(got, code);
        assert_eq!(reader.is_verified(), code == "ok");
    }

    #[test]
    fn errs_at_the_end() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            check(algorithm, b"hello", Some(5), b"hello", "ok");
            check(algorithm, b"hello", None, b"hello", "ok");
            check(algorithm, b"hello", Some(5), b"hellO", "digest-mismatch");
            check(algorithm, b"hello", Some(5), b"hell", "size-mismatch");
            check(algorithm, b"hello", Some(5), b"hello!", "size-mismatch");
            check(algorithm, b"hello", None, b"hello!", "digest-mismatch");
            check(algorithm, b"", Some(0), b"", "ok");
        }
    }

    #[test]
    fn knows_the_digest_of_nothing() {
        assert_eq!(
            digest_of(Algorithm::Sha256, b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    /// Yields some bytes, then fails once, then seems to be at its end.
    struct Failing(Vec<Option<&'static [u8]>>);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(Some(bytes)) => (&mut &bytes[..]).read(buffer),
                Some(None) => Err(OciError::BlobMissing { what: "it".into() }.into()),
                None => Ok(0),
            }
        }
    }

    #[test]
    fn a_failure_is_no_end() {
        let digest = digest_of(Algorithm::Sha256, b"abc");
        let mut reader = VerifyingReader::new(Failing(vec![None, Some(b"abc")]), digest, Some(3), "it");
        assert_eq!(OciError::in_io(&reader.finish().unwrap_err()).unwrap().code(), "blob-missing");
        assert!(OciError::in_io(&reader.finish().unwrap_err()).is_none());
        assert!(!reader.is_verified());
    }

    #[test]
    fn an_endless_stream_ends_at_its_size() {
        let digest = digest_of(Algorithm::Sha256, b"abc");
        let error = VerifyingReader::new(io::repeat(0), digest, Some(3), "it").finish().unwrap_err();
        assert_eq!(OciError::in_io(&error).unwrap().code(), "size-mismatch");
    }

    #[test]
    fn explains_errors_of_readers_above() {
        let above = || io::Error::other("broken gzip");
        let code = |e: io::Error| OciError::in_io(&e).map_or("none", OciError::code);
        let reader = |content: &'static [u8]| {
            VerifyingReader::new(content, digest_of(Algorithm::Sha256, b"abc"), Some(3), "it")
        };
        assert_eq!(code(reader(b"abc").explain(above())), "none");
        assert_eq!(code(reader(b"abd").explain(above())), "digest-mismatch");
        let own = OciError::BlobMissing { what: "it".into() }.into();
        assert_eq!(code(reader(b"abd").explain(own)), "blob-missing");
    }

    #[test]
    fn finishes_what_was_left() {
        let content = vec![7; 300_000];
        let mut reader =
            VerifyingReader::new(&content[..], digest_of(Algorithm::Sha256, &content), None, "it");
        let mut some = [0; 10];
        reader.read_exact(&mut some).unwrap();
        assert_eq!(reader.finish().unwrap(), 300_000);
        assert!(reader.is_verified());
        let mut wrong = VerifyingReader::new(&b"x"[..], digest_of(Algorithm::Sha256, b"y"), None, "it");
        assert!(wrong.finish().is_err());
        assert!(wrong.finish().is_err());
    }
}
