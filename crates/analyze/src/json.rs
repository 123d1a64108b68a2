//! JSON values of unknown shape, read leniently and bounded: where one writer puts a text, others put a list
//! or nothing. What a field means is the analyzer's matter.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most elements or keys that are kept of one value.
const ITEMS_MAX: usize = 400;

/// Any JSON value, reduced to its own texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loose {
    /// The value, when it is a text.
    pub(crate) text: Option<String>,
    /// Its elements that are texts, when it is an array.
    pub(crate) items: Vec<String>,
    /// Its keys, when it is an object.
    pub(crate) keys: Vec<String>,
}

impl Loose {
    /// The bytes of the text, when it is one.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.text.as_deref().map(str::as_bytes)
    }

    /// The text, or the elements.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.text.iter().chain(&self.items).map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose { text: Some(text.to_owned()), ..Loose::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut loose = Loose::default();
        while loose.keys.len() < ITEMS_MAX {
            let Some(key) = map.next_key::<String>()? else { return Ok(loose) };
            map.next_value::<IgnoredAny>()?;
            loose.keys.push(key);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(loose)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        let mut loose = Loose::default();
        while loose.items.len() < ITEMS_MAX {
            let Some(element) = seq.next_element::<Text>()? else { return Ok(loose) };
            loose.items.extend(element.0);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(loose)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Loose, E> {
        Ok(Loose::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Loose, E> {
        Ok(Loose::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Loose, E> {
        Ok(Loose::default())
    }
}

/// A text, or nothing for any other value.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_unit<E: Error>(self) -> Result<Text, E> {
                Ok(Text(None))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduces_any_value_to_its_texts() {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        for (json, text, items, keys) in [
            (r#""a""#, Some("a"), &[][..], &[][..]),
            (r#"["a",1,{"b":"c"},["d"],null,true,1.5,"e"]"#, None, &["a", "e"], &[]),
            (r#"{"a":1,"b":{"c":[]}}"#, None, &[], &["a", "b"]),
            ("null", None, &[], &[]),
            ("-1", None, &[], &[]),
            ("1.5e3", None, &[], &[]),
            ("true", None, &[], &[]),
        ] {
            let expected = Loose { text: text.map(str::to_owned), items: texts(items), keys: texts(keys) };
            assert_eq!(serde_json::from_str::<Loose>(json).unwrap(), expected, "{json}");
        }
        let many = format!("[{}\"x\"]", "\"x\",".repeat(ITEMS_MAX));
        assert_eq!(serde_json::from_str::<Loose>(&many).unwrap().items.len(), ITEMS_MAX);
        let many: String = (0..=ITEMS_MAX).map(|n| format!("\"{n}\":1,")).collect();
        assert_eq!(
            serde_json::from_str::<Loose>(&format!("{{{many}\"x\":1}}")).unwrap().keys.len(),
            ITEMS_MAX
        );
    }
}
