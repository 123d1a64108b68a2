//! Compact forms of stored values: lists of ids, compressed documents, hexadecimal text for lists in parameters.

use std::fmt::Write as _;

use crate::error::StoreError;

/// Inflated documents are refused beyond this.
const MAX_DOCUMENT: usize = 256 << 20;

/// Ascending ids as differences in LEB128. 100 ids that lie close take about 150 bytes.
pub(crate) fn pack_ids(ids: &[i64]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(ids.len() * 2);
    let mut last = 0;
    for &id in ids {
        let mut rest = u64::try_from(id - last).unwrap_or(0);
        last = id;
        while rest >= 0x80 {
            packed.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        packed.push(rest as u8);
    }
    packed
}

/// What [`pack_ids`] packed.
pub(crate) fn unpack_ids(packed: &[u8]) -> Result<Vec<i64>, StoreError> {
    let damaged = || StoreError::Value("list of findings");
    let (mut ids, mut last, mut value, mut shift) = (Vec::new(), 0_i64, 0_u64, 0);
    for byte in packed {
        if shift > 56 {
            return Err(damaged());
        }
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            last = i64::try_from(value).ok().and_then(|value| last.checked_add(value)).ok_or_else(damaged)?;
            ids.push(last);
            (value, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok(ids) } else { Err(damaged()) }
}

/// Compresses a document.
pub(crate) fn compress(document: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(document, 3).map_err(StoreError::File)
}

/// What [`compress`] compressed.
pub(crate) fn decompress(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(packed, MAX_DOCUMENT).map_err(|_| StoreError::Value("document"))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A JSON list of numbers, as both databases take lists in one parameter.
pub(crate) fn id_list(ids: impl IntoIterator<Item = i64>) -> String {
    let mut text = String::from("[");
    for (idx, id) in ids.into_iter().enumerate() {
        let comma = if idx == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{id}");
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back() {
        for ids in [vec![], vec![1], vec![1, 2, 3, 130, 70_000, i64::from(u32::MAX) * 9]] {
            assert_eq!(unpack_ids(&pack_ids(&ids)).unwrap(), ids);
        }
        assert!(unpack_ids(&[0x80]).is_err());
        assert!(unpack_ids(&[0xff; 40]).is_err());
    }
}
