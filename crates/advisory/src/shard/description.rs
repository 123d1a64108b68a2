//! Descriptions: what people read. They lie in compressed blocks that matching never touches.

use model::Advisory;

use super::wire::{Cursor, put_text, put_texts};

/// A block is closed when it holds this much.
pub(super) const BLOCK_BYTES: usize = 64 << 10;
/// Most bytes that one block may unpack to; one description alone can be large.
pub(super) const MAX_BLOCK_BYTES: usize = 32 << 20;

/// The text of an advisory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Text, often Markdown.
    pub details: String,
    /// URLs with more.
    pub references: Vec<String>,
    /// RFC 3339; empty when unknown.
    pub published: String,
    /// RFC 3339; empty when unknown.
    pub modified: String,
}

pub(super) fn put_description(out: &mut Vec<u8>, advisory: &Advisory) {
    put_text(out, &advisory.details);
    put_texts(out, &advisory.references);
    put_text(out, &advisory.published);
    put_text(out, &advisory.modified);
}

pub(super) fn parse_description(block: &[u8], at: usize) -> Option<Description> {
    let mut cursor = Cursor::new(block.get(at..)?);
    Some(Description {
        details: cursor.text()?.to_owned(),
        references: cursor.texts()?.map(str::to_owned).collect(),
        published: cursor.text()?.to_owned(),
        modified: cursor.text()?.to_owned(),
    })
}
