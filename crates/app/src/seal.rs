//! Secrets that must be kept for a while: sealed with a key that is not in the store.
//!
//! AES-256-GCM with a random nonce before the text. The key comes from a file or the environment; without either,
//! one is made in the data directory, readable by its owner only.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::fill,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// A key that seals.
pub struct SealingKey(LessSafeKey);

/// Why a secret could not be sealed or opened. Says nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key could not be read or made.
    #[error("failed to {0} the sealing key {1}")]
    File(&'static str, String, #[source] std::io::Error),
    /// What was given is no key.
    #[error("the sealing key is not the base64 of 32 bytes")]
    Key,
    /// It was sealed with another key, or is damaged.
    #[error("a stored secret cannot be opened with this key")]
    Open,
    /// The machine yields no random numbers, or the text is too long.
    #[error("failed to seal a secret")]
    Seal,
}

impl SealingKey {
    /// From base64.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealError::Key)?;
        Self::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        if bytes.len() != KEY_LEN {
            return Err(SealError::Key);
        }
        UnboundKey::new(&AES_256_GCM, bytes)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| SealError::Key)
    }

    /// From a file; made when it is not there.
    pub fn load_or_create(file: &Path) -> Result<Self, SealError> {
        let error = |what, error| SealError::File(what, file.display().to_string(), error);
        match fs::read_to_string(file) {
            Ok(text) => return Self::parse(&text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => return Err(error("read", cause)),
        }
        let mut bytes = [0; KEY_LEN];
        fill(&mut bytes).map_err(|_| SealError::Seal)?;
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        match made {
            Ok(mut made) => {
                made.write_all(STANDARD.encode(bytes).as_bytes()).map_err(|cause| error("write", cause))?;
                Self::from_bytes(&bytes)
            }
            // Another process was quicker.
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::parse(&fs::read_to_string(file).map_err(|cause| error("read", cause))?)
            }
            Err(cause) => Err(error("create", cause)),
        }
    }

    /// Seals a text.
    pub fn seal(&self, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce).map_err(|_| SealError::Seal)?;
        let mut sealed = text.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .map_err(|_| SealError::Seal)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] sealed.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| SealError::Open)?;
        Ok(opened.to_vec())
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let key = SealingKey::load_or_create(&file).unwrap();
        let sealed = key.seal(b"secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(SealingKey::load_or_create(&file).unwrap().open(&sealed).unwrap(), b"secret");
        let other = SealingKey::load_or_create(&dir.path().join("other")).unwrap();
        assert!(other.open(&sealed).is_err());
        let mut damaged = sealed;
        damaged[20] ^= 1;
        assert!(key.open(&damaged).is_err());
        assert!(key.open(b"short").is_err());
    }
}
