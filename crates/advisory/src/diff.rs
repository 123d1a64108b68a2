//! What two versions of a shard say differently: the package names whose look-up could end otherwise.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use crate::shard::{Shard, Texts};

/// Names that `new` speaks of otherwise than `old`, in byte order: names that came, went, or whose rows, or the
/// ids, severities or titles of the advisories behind them, changed. Reads every row of both once.
pub fn changed_names(old: &Shard, new: &Shard) -> Vec<String> {
    let mut before: BTreeMap<&str, u128> = old.names().map(|name| (name, fingerprint(old, name))).collect();
    let mut changed = Vec::new();
    for name in new.names() {
        if before.remove(name) != Some(fingerprint(new, name)) {
            changed.push(name.to_owned());
        }
    }
    changed.extend(before.into_keys().map(str::to_owned));
    changed.sort();
    changed
}

/// Everything that a look-up of a name can answer with. Rows keep the order in which they were written, which is
/// the advisories' order and no statement: they are added up.
fn fingerprint(shard: &Shard, name: &str) -> u128 {
    let mut sum = 0_u128;
    for row in shard.rows(name) {
        let mut hash = Xxh3::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
        };
        match row {
            Ok(row) => {
                part(row.statement());
                part(shard.title(row.advisory).as_bytes());
                if let Some(view) = shard.advisory(row.advisory) {
                    part(view.id.as_bytes());
                    for list in [view.aliases, view.upstream, view.related] {
                        list_parts(list, &mut part);
                    }
                    part(view.rating_bytes());
                }
            }
            Err(error) => part(error.to_string().as_bytes()),
        }
        sum = sum.wrapping_add(hash.digest128());
    }
    sum
}

fn list_parts(list: Texts<'_>, part: &mut impl FnMut(&[u8])) {
    for text in list {
        part(text.as_bytes());
    }
    part(&[0xff]);
}

#[cfg(test)]
mod tests {
    use model::{
        Advisory, Severity,
        advisory::{Affected, Event, Range, Rating},
    };

    use super::*;
    use crate::{ecosystem::ShardName, shard::ShardWriter};

    fn advisory(id: &str, name: &str, fixed: &str) -> Advisory {
        let events = vec![Event::Introduced("0".into()), Event::Fixed(fixed.into())];
        let ranges = vec![Range { events, ..Range::default() }];
        let affected = Affected { ecosystem: "npm".into(), name: name.into(), ranges, ..Affected::default() };
        Advisory { id: id.into(), affected: vec![affected], ..Advisory::default() }
    }

    fn changed(old: &[Advisory], new: &[Advisory]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let shard = |advisories: &[Advisory], built: &str| {
            let mut writer = ShardWriter::new(ShardName::new("npm").unwrap(), "npm");
            for advisory in advisories {
                writer.push(advisory).unwrap();
            }
            Shard::open(&writer.finish(dir.path(), "a test", built).unwrap().path).unwrap()
        };
        changed_names(&shard(old, "2026-01-02T03:04:05Z"), &shard(new, "2026-01-03T03:04:05Z"))
    }

    #[test]
    fn only_what_a_look_up_can_tell_counts() {
        let old = [
            advisory("CVE-2026-1", "a", "2"),
            advisory("CVE-2026-2", "b", "2"),
            advisory("CVE-2026-3", "c", "2"),
        ];
        assert_eq!(changed(&old, &old), [""; 0]);
        let mut turned = old.clone();
        turned.reverse();
        assert_eq!(changed(&old, &turned), [""; 0]);
        let shown = |new: &[Advisory]| changed(&old, new).join(" ");
        assert_eq!(shown(&[advisory("CVE-2026-1", "a", "3"), old[1].clone(), old[2].clone()]), "a");
        assert_eq!(shown(&old[..2]), "c");
        assert_eq!(shown(&[&old[..], &[advisory("CVE-2026-4", "d", "1")]].concat()), "d");
        assert_eq!(shown(&[&old[..], &[advisory("CVE-2026-4", "b", "1")]].concat()), "b");
        let rated = Advisory {
            severity: Rating { severity: Severity::High, ..Rating::default() },
            ..advisory("CVE-2026-1", "a", "2")
        };
        assert_eq!(shown(&[rated, old[1].clone(), old[2].clone()]), "a");
        let named = Advisory { aliases: vec!["GHSA-1".into()], ..advisory("CVE-2026-2", "b", "2") };
        assert_eq!(shown(&[old[0].clone(), named, old[2].clone()]), "b");
        let titled = Advisory { summary: "worse than it seemed".into(), ..advisory("CVE-2026-3", "c", "2") };
        assert_eq!(shown(&[old[0].clone(), old[1].clone(), titled]), "c");
        let withdrawn = Advisory { details: "more text".into(), ..advisory("CVE-2026-3", "c", "2") };
        assert_eq!(shown(&[old[0].clone(), old[1].clone(), withdrawn]), "");
    }
}
