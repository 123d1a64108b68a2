//! The bytes of a shard: variable-length numbers (LEB128), length-prefixed texts, and a reader that can
//! leave its slice by no means.

/// Reads forward in a slice. Every method answers `None` when the slice ends too early or holds nonsense.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len)?;
        self.rest = tail;
        Some(head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (head, tail) = self.rest.split_first()?;
        self.rest = tail;
        Some(*head)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn index(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    pub(crate) fn fixed32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(crate) fn fixed64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A length-prefixed run of texts.
    pub(crate) fn texts(&mut self) -> Option<Texts<'a>> {
        Some(Texts { cursor: Self::new(self.bytes()?) })
    }
}

/// Borrowed texts, one after the other. A damaged one ends the list.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Texts<'a> {
    pub(crate) const EMPTY: Self = Self { cursor: Cursor::new(&[]) };

    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }

    /// True when there is none.
    pub const fn is_empty(&self) -> bool {
        self.cursor.is_empty()
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.cursor.is_empty() {
            return None;
        }
        let text = self.cursor.text();
        if text.is_none() {
            self.cursor = Cursor::new(&[]);
        }
        text
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        // The mask keeps the value within a byte.
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    // Lossless: no supported platform has a wider usize.
    put_varint(out, len as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// The counterpart of [`Cursor::texts`].
pub(crate) fn put_texts<S: AsRef<str>>(out: &mut Vec<u8>, texts: &[S]) {
    let mut run = Vec::new();
    for text in texts {
        put_text(&mut run, text.as_ref());
    }
    put_bytes(out, &run);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint(), Some(value));
            assert!(cursor.is_empty());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Cursor::new(&[0x80]).varint(), None);
        assert_eq!(Cursor::new(&[0xff; 11]).varint(), None);
        let too_big = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(Cursor::new(&too_big).varint(), None);
        assert_eq!(Cursor::new(&[5, b'a']).bytes(), None);
        assert_eq!(Cursor::new(&[1, 0xff]).text(), None);
        let damaged = Texts::new(&[1, b'a', 9, b'b']);
        assert_eq!(damaged.collect::<Vec<_>>(), ["a"]);
    }
}
