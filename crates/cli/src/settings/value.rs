//! The types of values: from text, and back to text that may be shown.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use egress::{AllowEntry, Url};

/// What a setting can be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text that is not empty.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A time span: `30s`, `1h30m`.
    Duration,
    /// Bytes: `512MiB`, `2GB`, `1048576`.
    Size,
    /// Texts; in the environment and in flags separated by commas.
    List(Items),
    /// A file or directory.
    Path,
    /// A URL of one of these schemes.
    Url(&'static [&'static str]),
    /// `ADDRESS:PORT`.
    Socket,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What the items of a list can be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Items {
    /// Any text.
    Text,
    /// Hosts, `*.suffix`, addresses and ranges.
    Addresses,
    /// Addresses of single hosts.
    Ips,
    /// `GROUP=ROLE`.
    Roles,
}

/// Roles of people, the weakest first.
pub(crate) const ROLES: &[&str] = &["viewer", "analyst", "operator", "admin"];

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Also of [`Kind::Choice`].
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// Also of [`Kind::Size`], in bytes.
    Number(u64),
    /// A time span.
    Duration(Duration),
    /// Texts.
    List(Vec<String>),
    /// A file or directory.
    Path(PathBuf),
    /// A URL; as given, because some schemes are read by others.
    Url(Url),
    /// An address to listen on.
    Socket(SocketAddr),
}

/// Units of time spans, in milliseconds, the longest first.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Units of sizes, in bytes: IEC 80000-13 and SI.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Kind {
    /// As the documentation names it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Number(min, max) => format!("a number from {min} to {max}"),
            Self::Duration => "a time span such as 30s, 15m or 1h30m".to_owned(),
            Self::Size => "a size such as 512MiB or 2GB".to_owned(),
            Self::List(Items::Text) => "a list".to_owned(),
            Self::List(Items::Addresses) => "a list of hosts, *.suffix, addresses or ranges".to_owned(),
            Self::List(Items::Roles) => format!("a list of GROUP=ROLE with ROLE {}", words(ROLES)),
            Self::List(Items::Ips) => "a list of IP addresses".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Url(schemes) => format!("a URL with {}", words(schemes)),
            Self::Socket => "ADDRESS:PORT".to_owned(),
            Self::Choice(choices) => words(choices),
        }
    }

    /// Reads text.
    ///
    /// # Errors
    /// What it must be; the text itself is not repeated, for it may be a secret.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Self::Bool => text.parse().ok().map(Value::Bool),
            Self::Number(min, max) => {
                text.parse().ok().filter(|number| (min..=max).contains(number)).map(Value::Number)
            }
            Self::Duration => duration(text).map(Value::Duration),
            Self::Size => size(text).map(Value::Number),
            Self::List(_) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                return self.list(items.map(str::to_owned).collect());
            }
            Self::Path => (!text.is_empty()).then(|| Value::Path(text.into())),
            Self::Url(schemes) => {
                Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme())).map(Value::Url)
            }
            Self::Socket => text.parse().ok().map(Value::Socket),
            Self::Choice(choices) => choices.contains(&text).then(|| Value::Text(text.to_owned())),
        };
        value.ok_or_else(|| self.wants())
    }

    /// Takes a list.
    ///
    /// # Errors
    /// When this is no list, or an item cannot be in it.
    pub(crate) fn list(self, items: Vec<String>) -> Result<Value, String> {
        let Self::List(kind) = self else { return Err(self.wants()) };
        let good = |item: &String| match kind {
            Items::Text => !item.is_empty(),
            Items::Addresses => item.parse::<AllowEntry>().is_ok(),
            Items::Ips => item.parse::<IpAddr>().is_ok(),
            Items::Roles => {
                item.rsplit_once('=').is_some_and(|(group, role)| !group.is_empty() && ROLES.contains(&role))
            }
        };
        match items.iter().position(|item| !good(item)) {
            None => Ok(Value::List(items)),
            Some(at) => Err(format!("{} (item {})", self.wants(), at.saturating_add(1))),
        }
    }

    /// The fragment of an error.
    pub(crate) fn wants(self) -> String {
        format!("must be {}", self.name())
    }
}

impl Value {
    /// Text that may be shown: passwords of URLs are masked. Secrets are masked by who knows that they are.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(yes) => yes.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Duration(span) => span_text(*span),
            Self::List(items) => items.join(","),
            Self::Path(path) => path.display().to_string(),
            Self::Url(url) => masked(url),
            Self::Socket(address) => address.to_string(),
        }
    }
}

/// What stands for a secret.
pub(crate) const MASK: &str = "********";

/// The URL without its password, in the authority and in the query.
fn masked(url: &Url) -> String {
    let mut shown = url.clone();
    if url.password().is_some() && shown.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let lower = name.to_ascii_lowercase();
                let hide = ["pass", "secret", "token", "key"].iter().any(|word| lower.contains(word));
                (name.into_owned(), if hide { MASK.to_owned() } else { value.into_owned() })
            })
            .collect();
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    shown.to_string()
}

fn words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

/// Numbers with units, each unit shorter than the one before; `0` needs none.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, factor) = *SPANS.iter().find(|(name, _)| *name == unit)?;
        if factor >= last {
            return None;
        }
        last = factor;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = tail;
    }
    (last != u64::MAX).then(|| Duration::from_millis(total))
}

fn span_text(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in SPANS {
        if rest >= factor {
            let _ = write!(text, "{}{unit}", rest / factor);
            rest %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values() {
        let ms = |ms| Some(Value::Duration(Duration::from_millis(ms)));
        let list = |items: &[&str]| Some(Value::List(items.iter().map(|&item| item.to_owned()).collect()));
        for (kind, text, expected) in [
            (Kind::Duration, "30s", ms(30_000)),
            (Kind::Duration, "1h30m", ms(5_400_000)),
            (Kind::Duration, "250ms", ms(250)),
            (Kind::Duration, "0", ms(0)),
            (Kind::Duration, "30", None),
            (Kind::Duration, "", None),
            (Kind::Duration, "s", None),
            (Kind::Duration, "1m1h", None),
            (Kind::Duration, "1s1s", None),
            (Kind::Duration, "-1s", None),
            (Kind::Duration, "99999999999999999999d", None),
            (Kind::Duration, "9999999999999999d", None),
            (Kind::Size, "2GiB", Some(Value::Number(2 << 30))),
            (Kind::Size, "2 GB", Some(Value::Number(2_000_000_000))),
            (Kind::Size, "77", Some(Value::Number(77))),
            (Kind::Size, "GiB", None),
            (Kind::Size, "2gib", None),
            (Kind::Size, "18446744073709551615TiB", None),
            (Kind::Number(1, 9), "9", Some(Value::Number(9))),
            (Kind::Number(1, 9), "0", None),
            (Kind::Number(1, 9), "10", None),
            (Kind::Number(1, 9), "x", None),
            (Kind::Bool, "true", Some(Value::Bool(true))),
            (Kind::Bool, "yes", None),
            (Kind::Text, "", None),
            (Kind::Path, "", None),
            (Kind::Socket, "127.0.0.1:80", Some(Value::Socket(([127, 0, 0, 1], 80).into()))),
            (Kind::Socket, "localhost", None),
            (Kind::Choice(&["a", "b"]), "b", Some(Value::Text("b".to_owned()))),
            (Kind::Choice(&["a", "b"]), "c", None),
            (Kind::Url(&["https"]), "http://a/", None),
            (Kind::Url(&["https"]), "nothing", None),
            (Kind::List(Items::Text), "a, b,,", list(&["a", "b"])),
            (Kind::List(Items::Text), "", list(&[])),
            (Kind::List(Items::Addresses), "10.0.0.0/8,*.lan", list(&["10.0.0.0/8", "*.lan"])),
            (Kind::List(Items::Addresses), "10.0.0.0/99", None),
            (Kind::List(Items::Ips), "10.0.0.1,::1", list(&["10.0.0.1", "::1"])),
            (Kind::List(Items::Ips), "10.0.0.0/8", None),
            (Kind::List(Items::Roles), "cn=ops=admin", list(&["cn=ops=admin"])),
            (Kind::List(Items::Roles), "ops=king", None),
        ] {
            assert_eq!(kind.parse(text).ok(), expected, "{kind:?} {text:?}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_password_and_reads_back() {
        for (url, shown) in [
            ("https://a/b?c=d", "https://a/b?c=d"),
            ("postgres://u:hunter2@h/d", "postgres://u:********@h/d"),
            ("postgres://h/d?user=u&PassWord=hunter2", "postgres://h/d?user=u&PassWord=********"),
        ] {
            assert_eq!(Value::Url(Url::parse(url).unwrap()).shown(), shown);
        }
        for text in ["1d", "1h30m", "5s", "1s20ms", "0s"] {
            assert_eq!(Kind::Duration.parse(text).unwrap().shown(), text);
        }
    }
}
