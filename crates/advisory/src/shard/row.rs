//! One row: what one advisory says of one package name.
//!
//! A row is its advisory's index, its ecosystem's index and tagged fields. Odd tags change what matches: a
//! reader that does not know one must leave the row out and say so. Even tags can be passed over.

use model::{
    advisory::{Affected, Event, FixState, Qualifiers, Range, RangeKind, Rating, Symbols},
    severity::Severity,
};

use super::wire::{Cursor, Texts, put_bytes, put_len, put_text, put_varint};

mod tag {
    pub(super) const RANGE: u64 = 1;
    pub(super) const VERSIONS: u64 = 3;
    pub(super) const FIX_STATE: u64 = 5;
    pub(super) const ARCHES: u64 = 7;
    pub(super) const MODULE: u64 = 9;
    pub(super) const CHANNEL: u64 = 11;
    pub(super) const TARGET_OS: u64 = 13;
    pub(super) const CPES: u64 = 15;
    pub(super) const RATING: u64 = 2;
    pub(super) const SYMBOLS: u64 = 4;
}

/// Why a row was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The bytes are damaged; the rows after it are lost as well.
    #[error("a damaged row")]
    Corrupt,
    /// A condition that this version does not understand.
    #[error("a row with the unknown condition {0}")]
    UnknownTag(u64),
}

/// A row, borrowed from the file.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Index of the advisory in the shard.
    pub advisory: u32,
    /// What the vendor says of a fix.
    pub fix_state: FixState,
    /// Needed architectures; empty = any.
    pub arches: Texts<'a>,
    /// Needed rpm module `name:stream`.
    pub module: Option<&'a str>,
    /// Needed update channel.
    pub channel: Option<&'a str>,
    /// Target operating systems; empty = any.
    pub target_os: Texts<'a>,
    /// Products that the statement is about; empty = any.
    pub cpes: Texts<'a>,
    /// Affected versions, listed.
    pub versions: Texts<'a>,
    ecosystem: u32,
    rating: Option<&'a [u8]>,
    symbols: Option<&'a [u8]>,
    fields: Cursor<'a>,
}

impl<'a> Row<'a> {
    /// Reads the body of a row; allocates nothing.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, RowError> {
        let mut cursor = Cursor::new(body);
        let advisory = cursor.index().ok_or(RowError::Corrupt)?;
        let ecosystem = cursor.index().ok_or(RowError::Corrupt)?;
        let mut row = Self {
            advisory,
            fix_state: FixState::Unstated,
            arches: Texts::EMPTY,
            module: None,
            channel: None,
            target_os: Texts::EMPTY,
            cpes: Texts::EMPTY,
            versions: Texts::EMPTY,
            ecosystem,
            rating: None,
            symbols: None,
            fields: cursor,
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| RowError::Corrupt);
        while !cursor.is_empty() {
            let tag = cursor.varint().ok_or(RowError::Corrupt)?;
            let payload = cursor.bytes().ok_or(RowError::Corrupt)?;
            match tag {
                tag::RANGE => check_range(payload)?,
                tag::VERSIONS => row.versions = Texts::new(payload),
                tag::FIX_STATE => row.fix_state = fix_state(payload).ok_or(RowError::UnknownTag(tag))?,
                tag::ARCHES => row.arches = Texts::new(payload),
                tag::MODULE => row.module = Some(text(payload)?),
                tag::CHANNEL => row.channel = Some(text(payload)?),
                tag::TARGET_OS => row.target_os = Texts::new(payload),
                tag::CPES => row.cpes = Texts::new(payload),
                tag::RATING => row.rating = Some(payload),
                tag::SYMBOLS => row.symbols = Some(payload),
                unknown if unknown % 2 == 1 => return Err(RowError::UnknownTag(unknown)),
                _ => {}
            }
        }
        Ok(row)
    }

    /// Everything that the row says, as it is written: equal bytes say the same.
    pub(crate) const fn statement(&self) -> &'a [u8] {
        self.fields.rest()
    }

    /// The ranges, in the order in which the advisory gives them.
    pub fn ranges(&self) -> Ranges<'a> {
        Ranges { fields: self.fields }
    }

    /// The severity for just this package.
    pub fn rating(&self) -> Option<Rating> {
        parse_rating(&mut Cursor::new(self.rating?))
    }

    /// The row as a value, without its ecosystem and name.
    pub(super) fn to_affected(self) -> (u32, Affected) {
        let owned = |texts: Texts<'a>| texts.map(str::to_owned).collect();
        let affected = Affected {
            ecosystem: String::new(),
            name: String::new(),
            ranges: self.ranges().map(|range| range.to_range()).collect(),
            versions: owned(self.versions),
            fix_state: self.fix_state,
            severity: self.rating(),
            qualifiers: Qualifiers {
                arches: owned(self.arches),
                module: self.module.map(str::to_owned),
                channel: self.channel.map(str::to_owned),
                target_os: owned(self.target_os),
                symbols: self.symbols.map(parse_symbols).unwrap_or_default(),
                cpes: owned(self.cpes),
            },
        };
        (self.ecosystem, affected)
    }
}

/// The ranges of a row.
#[derive(Clone, Debug)]
pub struct Ranges<'a> {
    fields: Cursor<'a>,
}

impl<'a> Iterator for Ranges<'a> {
    type Item = RangeView<'a>;

    fn next(&mut self) -> Option<RangeView<'a>> {
        while !self.fields.is_empty() {
            let tag = self.fields.varint()?;
            let payload = self.fields.bytes()?;
            if tag == tag::RANGE {
                let mut cursor = Cursor::new(payload);
                let kind = if cursor.byte()? == 1 { RangeKind::Semver } else { RangeKind::Ecosystem };
                return Some(RangeView { kind, events: Events { cursor } });
            }
        }
        None
    }
}

/// One range, borrowed.
#[derive(Clone, Debug)]
pub struct RangeView<'a> {
    /// Which order.
    pub kind: RangeKind,
    /// The events, in the advisory's order.
    pub events: Events<'a>,
}

impl RangeView<'_> {
    fn to_range(&self) -> Range {
        let event = |(kind, version): (EventKind, &str)| {
            let version = version.to_owned();
            match kind {
                EventKind::Introduced => Event::Introduced(version),
                EventKind::Fixed => Event::Fixed(version),
                EventKind::LastAffected => Event::LastAffected(version),
                EventKind::Limit => Event::Limit(version),
            }
        };
        Range { kind: self.kind, events: self.events.clone().map(event).collect() }
    }
}

/// What an event says; see [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The first affected version.
    Introduced,
    /// The first version that is not affected any more.
    Fixed,
    /// The last affected version.
    LastAffected,
    /// Versions from here on are not spoken of.
    Limit,
}

/// The events of a range.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Events<'a> {
    type Item = (EventKind, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = match self.cursor.byte()? {
            0 => EventKind::Introduced,
            1 => EventKind::Fixed,
            2 => EventKind::LastAffected,
            3 => EventKind::Limit,
            _ => return None,
        };
        Some((kind, self.cursor.text()?))
    }
}

/// A range with an event that cannot be read would match wrongly: the row is refused as a whole.
fn check_range(payload: &[u8]) -> Result<(), RowError> {
    let mut cursor = Cursor::new(payload);
    if cursor.byte().is_none_or(|kind| kind > 1) {
        return Err(RowError::UnknownTag(tag::RANGE));
    }
    while !cursor.is_empty() {
        if cursor.byte().is_none_or(|kind| kind > 3) {
            return Err(RowError::UnknownTag(tag::RANGE));
        }
        cursor.text().ok_or(RowError::Corrupt)?;
    }
    Ok(())
}

/// Encodes a row body.
pub(super) fn put_row(out: &mut Vec<u8>, advisory: u32, ecosystem: u32, affected: &Affected) {
    put_varint(out, advisory.into());
    put_varint(out, ecosystem.into());
    let mut payload = Vec::new();
    let mut field = |tag: u64, fill: &dyn Fn(&mut Vec<u8>)| {
        payload.clear();
        fill(&mut payload);
        put_varint(out, tag);
        put_bytes(out, &payload);
    };
    for range in &affected.ranges {
        field(tag::RANGE, &|out| put_range(out, range));
    }
    let qualifiers = &affected.qualifiers;
    for (tag, texts) in [
        (tag::VERSIONS, &affected.versions),
        (tag::ARCHES, &qualifiers.arches),
        (tag::TARGET_OS, &qualifiers.target_os),
        (tag::CPES, &qualifiers.cpes),
    ] {
        if !texts.is_empty() {
            field(tag, &|out| texts.iter().for_each(|text| put_text(out, text)));
        }
    }
    for (tag, text) in [(tag::MODULE, &qualifiers.module), (tag::CHANNEL, &qualifiers.channel)] {
        if let Some(text) = text {
            field(tag, &|out| out.extend_from_slice(text.as_bytes()));
        }
    }
    if affected.fix_state != FixState::Unstated {
        field(tag::FIX_STATE, &|out| out.push(fix_state_byte(affected.fix_state)));
    }
    if let Some(rating) = &affected.severity {
        field(tag::RATING, &|out| put_rating(out, rating));
    }
    if !qualifiers.symbols.is_empty() {
        field(tag::SYMBOLS, &|out| put_symbols(out, &qualifiers.symbols));
    }
}

fn put_range(out: &mut Vec<u8>, range: &Range) {
    out.push(u8::from(range.kind == RangeKind::Semver));
    for event in &range.events {
        let (kind, version) = match event {
            Event::Introduced(version) => (0, version),
            Event::Fixed(version) => (1, version),
            Event::LastAffected(version) => (2, version),
            Event::Limit(version) => (3, version),
        };
        out.push(kind);
        put_text(out, version);
    }
}

const FIX_STATES: [FixState; 8] = [
    FixState::Unstated,
    FixState::Fixed,
    FixState::Affected,
    FixState::WillNotFix,
    FixState::FixDeferred,
    FixState::EndOfLife,
    FixState::UnderInvestigation,
    FixState::NotAffected,
];

fn fix_state_byte(state: FixState) -> u8 {
    // The list is short.
    FIX_STATES.iter().position(|known| *known == state).unwrap_or(0) as u8
}

fn fix_state(payload: &[u8]) -> Option<FixState> {
    FIX_STATES.get(usize::from(*payload.first()?)).copied()
}

pub(crate) fn put_rating(out: &mut Vec<u8>, rating: &Rating) {
    let level = Severity::DESCENDING.iter().position(|known| *known == rating.severity).unwrap_or(0);
    // The list is short.
    out.push(level as u8);
    put_varint(out, rating.score_tenths.map_or(0, |tenths| u64::from(tenths) + 1));
    match &rating.vector {
        Some(vector) => {
            out.push(1);
            put_text(out, vector);
        }
        None => out.push(0),
    }
}

pub(crate) fn parse_rating(cursor: &mut Cursor<'_>) -> Option<Rating> {
    let level = usize::from(cursor.byte()?);
    let severity = Severity::DESCENDING.get(level).copied().unwrap_or_default();
    let score_tenths = match cursor.varint()? {
        0 => None,
        more => u8::try_from(more - 1).ok(),
    };
    let vector = match cursor.byte()? {
        0 => None,
        _ => Some(cursor.text()?.to_owned()),
    };
    Some(Rating { severity, vector, score_tenths })
}

fn put_symbols(out: &mut Vec<u8>, symbols: &[Symbols]) {
    for symbol in symbols {
        put_text(out, &symbol.path);
        put_len(out, symbol.names.len());
        for name in &symbol.names {
            put_text(out, name);
        }
    }
}

fn parse_symbols(payload: &[u8]) -> Vec<Symbols> {
    let mut cursor = Cursor::new(payload);
    let mut symbols = Vec::new();
    while !cursor.is_empty() {
        let (Some(path), Some(count)) = (cursor.text(), cursor.varint()) else { break };
        let mut names = Vec::new();
        for _ in 0..count {
            let Some(name) = cursor.text() else { return symbols };
            names.push(name.to_owned());
        }
        symbols.push(Symbols { path: path.to_owned(), names });
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = vec![0, 0];
        for (tag, payload) in fields {
            put_varint(&mut out, *tag);
            put_bytes(&mut out, payload);
        }
        out
    }

    #[test]
    fn unknown_conditions_leave_the_row_out_and_unknown_remarks_do_not() {
        assert_eq!(Row::parse(&body(&[(101, b"x")])).unwrap_err(), RowError::UnknownTag(101));
        assert!(Row::parse(&body(&[(100, b"x"), (tag::CHANNEL, b"pro")])).unwrap().channel == Some("pro"));
        assert_eq!(Row::parse(&body(&[(tag::FIX_STATE, &[99])])).unwrap_err(), RowError::UnknownTag(5));
        assert_eq!(Row::parse(&body(&[(tag::RANGE, &[0, 9, 0])])).unwrap_err(), RowError::UnknownTag(1));
    }

    #[test]
    fn damaged_rows_are_refused() {
        for bad in [&[][..], &[0], &[0, 0, 1], &[0, 0, 1, 9, 0], &[0, 0, 9, 1, 0xff], &[0, 0, 1, 3, 0, 0, 9]]
        {
            assert_eq!(Row::parse(bad).unwrap_err(), RowError::Corrupt, "{bad:?}");
        }
    }
}
