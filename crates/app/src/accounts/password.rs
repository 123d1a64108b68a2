//! Passwords: what may be one, and their hashes (argon2id, RFC 9106).
//!
//! Hashing takes memory and time on purpose. It runs beside the threads that answer requests, few at once, and
//! only so many wait: a storm of logins is refused early and cannot take the machine's memory.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use store::StoredPassword;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    error::AccountError,
    secret::{Secret, random_bytes},
};

/// Least characters of a password (NIST SP 800-63B-4 asks for 15 without a second factor, 8 with one).
pub const MIN_CHARS: usize = 12;
/// Most bytes of a password: enough for any sentence, and too little to keep the hash busy.
pub const MAX_BYTES: usize = 512;

/// Why a password cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too few characters.
    #[error("the password has fewer than {MIN_CHARS} characters")]
    Short,
    /// Too many bytes.
    #[error("the password has more than {MAX_BYTES} bytes")]
    Long,
    /// It is the name, or little more than that.
    #[error("the password is made of the account's name")]
    Name,
    /// One character again and again.
    #[error("the password is one part repeated")]
    Repeated,
    /// It is the one that must be changed.
    #[error("the new password is the old one")]
    Same,
}

impl PasswordFault {
    /// A stable kebab-case code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Short => "password-too-short",
            Self::Long => "password-too-long",
            Self::Name => "password-is-name",
            Self::Repeated => "password-repeated",
            Self::Same => "password-unchanged",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Short | Self::Name | Self::Repeated => {
                "Choose at least 12 characters; some words that do not belong together are easy to keep in mind."
            }
            Self::Long => "Choose a shorter one.",
            Self::Same => "Choose another one.",
        }
    }
}

/// Whether a password may be one for that account.
pub fn check(password: &str, name: &str) -> Result<(), PasswordFault> {
    if password.len() > MAX_BYTES {
        return Err(PasswordFault::Long);
    }
    if password.chars().count() < MIN_CHARS {
        return Err(PasswordFault::Short);
    }
    let (lower, name) = (password.to_lowercase(), name.to_lowercase());
    if is_repeated(&lower) {
        return Err(PasswordFault::Repeated);
    }
    // What is left without the name must be something by itself.
    if name.chars().count() >= 3 && lower.replace(&name, "").chars().count() < MIN_CHARS / 2 {
        return Err(PasswordFault::Name);
    }
    if lower == name {
        return Err(PasswordFault::Name);
    }
    Ok(())
}

/// True when a text is a part of up to four characters again and again.
fn is_repeated(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    (1..=4).any(|period| characters.iter().skip(period).zip(&characters).all(|(a, b)| a == b))
}

/// How costly a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for HashCost {
    /// OWASP's Password Storage Cheat Sheet: 19 MiB and two passes on one lane.
    fn default() -> Self {
        Self { memory: 19 << 10, passes: 2 }
    }
}

/// Hashes passwords, few at once.
pub(crate) struct Hasher {
    params: Params,
    /// Hashes that are made at once.
    slots: Arc<Semaphore>,
    /// Those, and the ones that wait.
    queue: Arc<Semaphore>,
    /// A hash of no password, looked at where there is none: it takes the same time.
    decoy: StoredPassword,
}

/// Whether a password fits.
pub(crate) enum Verdict {
    /// No.
    Wrong,
    /// Yes; with a hash at today's cost when the stored one is at another.
    Right(Option<StoredPassword>),
}

/// Logins that wait for a slot, for each slot.
const WAITING: usize = 32;

impl Hasher {
    pub(crate) fn new(cost: HashCost) -> Result<Self, AccountError> {
        let params = Params::new(cost.memory, cost.passes, 1, None).map_err(|_| AccountError::Random)?;
        let slots = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
        let decoy = hash(&params, &Secret::random()?)?;
        Ok(Self {
            params,
            slots: Arc::new(Semaphore::new(slots)),
            queue: Arc::new(Semaphore::new(slots * WAITING)),
            decoy,
        })
    }

    /// A place among those who wait.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when too many wait.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, AccountError> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| AccountError::Busy)?;
        Ok(Turn { hasher: self, queued })
    }
}

/// The right to hash once.
pub(crate) struct Turn<'a> {
    hasher: &'a Hasher,
    queued: OwnedSemaphorePermit,
}

impl Turn<'_> {
    /// The hash of a new password.
    pub(crate) async fn hash(self, password: &Secret) -> Result<StoredPassword, AccountError> {
        let (params, password) = (self.hasher.params.clone(), password.clone());
        self.run(move || hash(&params, &password)).await?
    }

    /// Whether a password fits a hash. Without a hash it never does, and takes as long.
    pub(crate) async fn verify(
        self,
        password: &Secret,
        stored: Option<&StoredPassword>,
    ) -> Result<Verdict, AccountError> {
        let is_real = stored.is_some();
        let stored = stored.unwrap_or(&self.hasher.decoy).clone();
        let (params, password) = (self.hasher.params.clone(), password.clone());
        self.run(move || {
            let Ok(parsed) = PasswordHash::new(&stored.0) else { return Ok(Verdict::Wrong) };
            // A longer text is none that was ever taken; hashing it would be the attacker's to decide.
            let fits = password.reveal().len() <= MAX_BYTES
                && argon2(&params).verify_password(password.reveal().as_bytes(), &parsed).is_ok();
            if !(fits && is_real) {
                return Ok(Verdict::Wrong);
            }
            let current = Params::try_from(&parsed)
                .is_ok_and(|p| p.m_cost() == params.m_cost() && p.t_cost() == params.t_cost());
            let newer = if current { None } else { Some(hash(&params, &password)?) };
            Ok(Verdict::Right(newer))
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let slot = Arc::clone(&self.hasher.slots).acquire_owned().await.map_err(|_| AccountError::Busy)?;
        let queued = self.queued;
        // The permits go with the work: a caller who goes away does not make room for one more.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((slot, queued));
            result
        });
        done.await.map_err(|_| AccountError::Busy)
    }
}

fn argon2(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

fn hash(params: &Params, password: &Secret) -> Result<StoredPassword, AccountError> {
    let salt = random_bytes::<16>()?;
    let hash = argon2(params).hash_password_with_salt(password.reveal().as_bytes(), &salt);
    hash.map(|hash| StoredPassword(hash.to_string())).map_err(|_| AccountError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_cannot_be_taken() {
        for (password, name, expected) in [
            ("elevenchars", "bob", Err(PasswordFault::Short)),
            ("twelve chars", "bob", Ok(())),
            // Characters are counted, not bytes.
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}a\u{e9}b\u{e9}c\u{e9}", "bob", Err(PasswordFault::Short)),
            ("administrator", "administrator", Err(PasswordFault::Name)),
            ("Administrator1", "administrator", Err(PasswordFault::Name)),
            ("bobbobbobbob", "bob", Err(PasswordFault::Repeated)),
            ("aliceALICEalice", "alice", Err(PasswordFault::Name)),
            ("aaaaaaaaaaaaaaaa", "bob", Err(PasswordFault::Repeated)),
            ("1234123412341234", "bob", Err(PasswordFault::Repeated)),
            ("alice likes green tea", "alice", Ok(())),
            ("a name of one letter", "a", Ok(())),
        ] {
            assert_eq!(check(password, name), expected, "{password}");
        }
        assert_eq!(check(&"long words ".repeat(60), "bob"), Err(PasswordFault::Long));
    }

    fn cheap() -> Hasher {
        Hasher::new(HashCost { memory: 16, passes: 1 }).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_fits_its_hash() {
        let hasher = cheap();
        let secret = |text: &str| Secret::new(text.to_owned());
        let stored = hasher.turn().unwrap().hash(&secret("correct horse")).await.unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{}", stored.0);
        assert!(!format!("{stored:?}").contains("argon2"));
        assert_ne!(hasher.turn().unwrap().hash(&secret("correct horse")).await.unwrap(), stored);

        let fits = |verdict| matches!(verdict, Verdict::Right(None));
        assert!(fits(hasher.turn().unwrap().verify(&secret("correct horse"), Some(&stored)).await.unwrap()));
        assert!(!fits(hasher.turn().unwrap().verify(&secret("correct horsf"), Some(&stored)).await.unwrap()));
        assert!(!fits(hasher.turn().unwrap().verify(&secret(""), Some(&stored)).await.unwrap()));
        assert!(!fits(hasher.turn().unwrap().verify(&secret("correct horse"), None).await.unwrap()));
        let broken = StoredPassword("$argon2id$v=19$broken".to_owned());
        assert!(!fits(hasher.turn().unwrap().verify(&secret("correct horse"), Some(&broken)).await.unwrap()));
    }

    #[tokio::test]
    async fn a_hash_at_another_cost_is_made_anew() {
        let old = cheap().turn().unwrap().hash(&Secret::new("correct horse".to_owned())).await.unwrap();
        let hasher = Hasher::new(HashCost { memory: 32, passes: 2 }).unwrap();
        let verdict = hasher
            .turn()
            .unwrap()
            .verify(&Secret::new("correct horse".to_owned()), Some(&old))
            .await
            .unwrap();
        let Verdict::Right(Some(newer)) = verdict else { panic!("no newer hash") };
        assert!(newer.0.contains("m=32,t=2"));
    }

    #[tokio::test]
    async fn a_storm_is_refused_early() {
        let hasher = cheap();
        let all = u32::try_from(hasher.queue.available_permits()).unwrap();
        let held = Arc::clone(&hasher.queue).try_acquire_many_owned(all).unwrap();
        assert!(matches!(hasher.turn().err(), Some(AccountError::Busy)));
        drop(held);
        let turn = hasher.turn().unwrap();
        assert!(turn.hash(&Secret::new("correct horse".to_owned())).await.is_ok());
        assert_eq!(hasher.queue.available_permits(), usize::try_from(all).unwrap());
    }
}
