//! Requests with a key that their sender chose: the same request twice is answered the same, and done once.

use crate::{
    Micros,
    db::{Store, execute, read_maybe},
    error::StoreError,
};

/// A request to be remembered.
#[derive(Clone, Copy, Debug)]
pub struct NewIdempotency<'a> {
    /// SHA-256 of the caller and the key that they chose.
    pub key: &'a [u8; 32],
    /// SHA-256 of the request.
    pub request: &'a [u8; 32],
    /// The answer: JSON.
    pub scans: &'a str,
    /// When it may be forgotten.
    pub expires_at: Micros,
}

impl Store {
    /// Remembers the answer to a request. An answer that is remembered under the key already stays; those whose
    /// time is over are forgotten.
    pub async fn remember_request(&self, new: &NewIdempotency<'_>, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(&mut tx, "delete from idempotency where expires_at <= $1", now)?;
        let sql = "insert into idempotency (key, request, scans, expires_at) values ($1, $2, $3, $4)
                   on conflict (key) do nothing";
        execute!(&mut tx, sql, new.key.as_slice(), new.request.as_slice(), new.scans, new.expires_at)?;
        tx.commit().await
    }

    /// The request that came with a key, as SHA-256, and its answer.
    pub async fn remembered_request(
        &self,
        key: &[u8; 32],
        now: Micros,
    ) -> Result<Option<(Vec<u8>, String)>, StoreError> {
        let sql = "select request, scans from idempotency where key = $1 and expires_at > $2";
        read_maybe!(self, sql, key.as_slice(), now)
    }
}
