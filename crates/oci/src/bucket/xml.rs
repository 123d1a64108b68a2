//! The little XML that S3 speaks: elements with text, no attributes of meaning, no declarations of its own.

use quick_xml::{Reader, events::Event};

/// Elements within elements, at most: lists have four.
const DEPTH: usize = 16;

/// What a document is made of.
pub(super) enum Part<'a> {
    /// An element begins.
    Open(&'a str),
    /// An element ends; its text, where it holds nothing but text.
    Close(&'a str, &'a str),
}

/// Walks through a document; an error says in a few words why it is none.
pub(super) fn walk(bytes: &[u8], mut visit: impl FnMut(&Part<'_>)) -> Result<(), &'static str> {
    const BROKEN: &str = "its XML is broken";
    let text = std::str::from_utf8(bytes).map_err(|_| "its XML is not UTF-8")?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut content = String::new();
    let mut depth: usize = 0;
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|_| BROKEN)? {
            Event::Start(start) => {
                depth += 1;
                elements += 1;
                if depth > DEPTH {
                    return Err("its XML is nested too deeply");
                }
                content.clear();
                visit(&Part::Open(start.local_name().as_ref()));
            }
            Event::End(end) => {
                depth = depth.checked_sub(1).ok_or(BROKEN)?;
                visit(&Part::Close(end.local_name().as_ref(), &content));
                content.clear();
            }
            Event::Text(text) => content.push_str(&text),
            Event::CData(text) => content.push_str(&text),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|_| BROKEN)? {
                Some(c) => content.push(c),
                None => content.push_str(match &*reference {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => return Err("its XML names an entity of its own"),
                }),
            },
            Event::Eof if depth == 0 && elements > 0 => return Ok(()),
            Event::Eof => return Err("its XML ends too early"),
            Event::DocType(_) => return Err("its XML has a document type"),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &'static str>) {
        let mut seen = String::new();
        let outcome = walk(text.as_bytes(), |part| match part {
            Part::Open(name) => seen.extend(["<", name]),
            Part::Close(name, text) => seen.extend(["[", text, "]", name, ">"]),
        });
        assert_eq!(outcome.map(|()| seen.as_str()), expected, "{text}");
    }

    #[test]
    fn reads_elements_and_text() {
        check(
            "<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B>a &amp; b&#x1;</B><C/></A>",
            Ok("<A<B[a & b\u{1}]B><C[]C>[]A>"),
        );
        check("<n:A><![CDATA[<x>]]> y</n:A>", Ok("<A[<x> y]A>"));
        check("<A> spaces </A>", Ok("<A[ spaces ]A>"));
    }

    #[test]
    fn refuses_the_rest() {
        for (text, why) in [
            ("", "its XML ends too early"),
            ("text", "its XML ends too early"),
            ("<A><B>", "its XML ends too early"),
            ("<A></B>", "its XML is broken"),
            ("<A>&mine;</A>", "its XML names an entity of its own"),
            ("<!DOCTYPE a [<!ENTITY x \"y\">]><A>&x;</A>", "its XML has a document type"),
        ] {
            check(text, Err(why));
        }
        check(&"<A>".repeat(DEPTH + 1), Err("its XML is nested too deeply"));
        assert!(walk(b"<A>\xff</A>", |_| {}).is_err());
    }
}
