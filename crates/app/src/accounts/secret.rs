//! What must not be seen: passwords, what cookies hold, API tokens. Shown once to whom it belongs; kept as a hash.

use std::fmt;

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::error::AccountError;

/// What an API token begins with, so that people and scanners of secrets know it.
pub const TOKEN_PREFIX: &str = "lzt_";
/// Characters of 32 random bytes.
const BODY: usize = 43;
/// Characters of a token's checksum: it tells a mistyped token from a revoked one without asking the store.
const CHECKSUM: usize = 6;
/// Characters of a one-time password: letters and digits that are not mistaken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// A secret in clear. Hidden in logs; [`Self::reveal`] shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: for the one it belongs to, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// 256 random bits, as what a cookie holds.
    pub(crate) fn random() -> Result<Self, AccountError> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?)))
    }

    /// An API token: the prefix, 256 random bits, a checksum.
    pub(crate) fn token() -> Result<Self, AccountError> {
        let body = Self::random()?.0;
        let sum = checksum(&body);
        Ok(Self(format!("{TOKEN_PREFIX}{body}{sum}")))
    }

    /// A password for one login, 100 bits, in groups that can be typed: `k3md-...`.
    pub(crate) fn one_time_password() -> Result<Self, AccountError> {
        let mut text = String::with_capacity(24);
        for (idx, byte) in random_bytes::<20>()?.iter().enumerate() {
            if idx > 0 && idx % 5 == 0 {
                text.push('-');
            }
            // 256 is a multiple of 32: every character is equally likely.
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Ok(Self(text))
    }

    /// What is stored in its place. A random secret needs no salt and no slow hash.
    pub(crate) fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// SHA-256 of a text.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// True when a text has the form of an API token, and its checksum fits.
pub fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(TOKEN_PREFIX) else { return false };
    match rest.split_at_checked(BODY) {
        Some((body, sum)) if body.is_ascii() => sum == checksum(body),
        _ => false,
    }
}

fn checksum(body: &str) -> String {
    let mut sum = URL_SAFE_NO_PAD.encode(hash(&format!("{TOKEN_PREFIX}{body}")));
    sum.truncate(CHECKSUM);
    sum
}

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], AccountError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| AccountError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_by_their_form() {
        let token = Secret::token().unwrap();
        let text = token.reveal();
        assert_eq!(text.len(), TOKEN_PREFIX.len() + BODY + CHECKSUM);
        assert!(is_token(text));
        assert_ne!(text, Secret::token().unwrap().reveal());
        for idx in 0..text.len() {
            let mut typo = text.as_bytes().to_vec();
            typo[idx] = if typo[idx] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(typo).unwrap();
            assert!(!is_token(&typo), "{idx}");
        }
        for other in ["", "lzt_", "lzt_\u{e9}", "ghp_0000", &text[..text.len() - 1], &format!("{text}x")] {
            assert!(!is_token(other), "{other}");
        }
        // Forty-three bytes that end within a character.
        assert!(!is_token(&format!("lzt_{}\u{e9}xxxxxx", "a".repeat(42))));
    }

    #[test]
    fn one_time_passwords_can_be_typed() {
        let password = Secret::one_time_password().unwrap();
        let groups: Vec<&str> = password.reveal().split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5, 5, 5, 5]);
        assert!(password.reveal().bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)));
    }

    #[test]
    fn debug_hides() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
