//! Pages of lists: how many, and where the next one begins. A cursor is opaque to clients.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Items of a page unless another number is asked for.
pub(crate) const DEFAULT_LIMIT: u32 = 50;
/// Most items of a page.
pub(crate) const MAX_LIMIT: u32 = 500;

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// What it holds.
    pub(crate) items: Vec<T>,
    /// What to give as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// How many items to give.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        other => {
            Err(Problem::malformed("query-invalid", format!("limit is {other}"), "Ask for 1 to 500 items."))
        }
    }
}

/// A cursor that begins after a position.
pub(crate) fn encode<T: Serialize>(position: &T) -> String {
    // Tuples of texts and numbers always serialize.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// The position of a cursor.
pub(crate) fn decode<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| bytes.len() <= 4096);
    let position = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    position.map(Some).ok_or_else(|| {
        Problem::malformed(
            "cursor-invalid",
            "the cursor is none of this list",
            "Give what `next` of a page said.",
        )
    })
}

/// Where the page after this one begins: after its last item, when it is full.
pub(crate) fn next<T, P: Serialize>(
    found: &[T],
    limit: u32,
    position: impl FnOnce(&T) -> P,
) -> Option<String> {
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    found.last().filter(|_| full).map(|last| encode(&position(last)))
}

/// A list that is at hand as a whole, cut into pages by position.
pub(crate) fn cut<T>(items: Vec<T>, cursor: Option<&str>, limit: u32) -> Result<Page<T>, Problem> {
    let after: usize = decode(cursor)?.unwrap_or(0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let end = after.saturating_add(limit);
    let next = (end < items.len()).then(|| encode(&end));
    Ok(Page { items: items.into_iter().skip(after).take(limit).collect(), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_lead_back() {
        let position = ("a/b:1".to_owned(), 7_i64);
        let cursor = encode(&position);
        assert_eq!(decode(Some(&cursor)).unwrap(), Some(position));
        for bad in ["!", "", "AAAA"] {
            assert_eq!(decode::<(String, i64)>(Some(bad)).unwrap_err().code, "cursor-invalid", "{bad:?}");
        }
    }

    #[test]
    fn lists_are_cut() {
        let first = cut((0..5).collect(), None, 3).unwrap();
        assert_eq!(first.items, [0, 1, 2]);
        let second = cut((0..5).collect(), first.next.as_deref(), 3).unwrap();
        assert_eq!((second.items, second.next), (vec![3, 4], None));
        assert!(limit(Some(0)).is_err() && limit(Some(501)).is_err());
    }
}
