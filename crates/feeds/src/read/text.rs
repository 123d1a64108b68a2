//! JSON text: one value, an array of them, or one a line.

use std::io::{self, BufRead, Read as _};

use serde_json::value::RawValue;

use super::{MAX_RECORD, Place, ReadError, Sink};

/// True when the name says that the text holds one value a line.
pub(super) fn is_lines(name: &str) -> bool {
    name.contains(".jsonl") || name.contains(".ndjson")
}

/// Hands over every value. Nothing is parsed but the frame: a value that is no JSON is handed over as it is.
pub(super) fn read(
    reader: &mut dyn BufRead,
    is_lines: bool,
    place: Place<'_>,
    sink: &mut Sink<'_>,
) -> io::Result<()> {
    if is_lines {
        return read_lines(reader, place, sink);
    }
    let mut document = Vec::new();
    reader.take(MAX_RECORD as u64 + 1).read_to_end(&mut document)?;
    if document.len() > MAX_RECORD {
        // Only lines can be longer than one record.
        let mut whole = io::Cursor::new(document).chain(reader);
        return read_lines(&mut whole, place, sink);
    }
    read_document(&document, place, sink);
    Ok(())
}

/// One value, an array, or lines after all.
pub(super) fn read_document(document: &[u8], place: Place<'_>, sink: &mut Sink<'_>) {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document).trim_ascii();
    if document.is_empty() {
        return;
    }
    if document.starts_with(b"[")
        && let Ok(values) = serde_json::from_slice::<Vec<&RawValue>>(document)
    {
        for (line, value) in (1..).zip(values) {
            sink(&Place { line, ..place }, Ok(value.get().as_bytes()));
        }
        return;
    }
    let mut values = serde_json::Deserializer::from_slice(document).into_iter::<&RawValue>();
    let is_several = values.next().is_some_and(|first| first.is_ok())
        && document.get(values.byte_offset()..).is_some_and(|rest| !rest.trim_ascii().is_empty());
    if is_several {
        // Reading from memory cannot fail.
        let _ = read_lines(&mut io::Cursor::new(document), place, sink);
    } else {
        sink(&place, Ok(document));
    }
}

fn read_lines(reader: &mut dyn BufRead, place: Place<'_>, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader.take(MAX_RECORD as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        let place = Place { line: number, ..place };
        if line.len() > MAX_RECORD && !line.ends_with(b"\n") {
            sink(&place, Err(ReadError::TooLarge));
            reader.skip_until(b'\n')?;
            continue;
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if !text.is_empty() {
            sink(&place, Ok(text));
        }
    }
    Ok(())
}
