//! Updates against a server on loopback: conditional, one export for many shards, and every way to fail.

use std::{sync::Mutex, time::Duration};

use advisory::{database::Database, ecosystem::ShardName};
use egress::{AddressPolicy, Client, ClientConfig, ProxyConfig, RetryPolicy, Url};
use feeds::{Outcome, Progress, ShardUpdate, UpdateConfig, Wanted, feed, update};
use tempfile::TempDir;

use crate::export::{Export, Server, record, zip};

const DEBIAN: &str = "/osv/Debian/all.zip";
const PYPI: &str = "/osv/PyPI/all.zip";

struct Harness {
    server: Server,
    config: UpdateConfig,
    client: Client,
    dir: TempDir,
    database: Database,
}

impl Harness {
    fn new() -> Self {
        let (server, base) = Server::start();
        let retry = RetryPolicy { first_pause: Duration::from_millis(1), ..RetryPolicy::standard() };
        let client = ClientConfig { retry, ..ClientConfig::new(AddressPolicy::Any, ProxyConfig::none()) };
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        server.put(DEBIAN, Export { body: debian("1.1"), etag: "\"d1\"", ..Export::default() });
        let pypi = zip(&[("PYSEC-1", &record("PYSEC-1", &["PyPI"], "Flask", "2"))]);
        server.put(PYPI, Export { body: pypi, etag: "\"p1\"", ..Export::default() });
        Self {
            server,
            config: UpdateConfig::new(base),
            client: Client::build(&client).unwrap(),
            dir,
            database,
        }
    }

    async fn update(&self, names: &[&str]) -> Vec<(String, Outcome)> {
        let wanted: Vec<Wanted> = names.iter().map(|name| Wanted::named(name).unwrap()).collect();
        let feed = feed("osv").unwrap();
        let updates = update(&self.database, &self.client, feed, &wanted, &self.config, &|_| ()).await;
        updates.into_iter().map(|ShardUpdate { shard, outcome }| (shard.to_string(), outcome)).collect()
    }

    /// The fixed version that a shard names, to tell its builds apart.
    fn fixed(&self, shard: &str) -> Option<String> {
        let shard = self.database.shard(&ShardName::new(shard).unwrap()).unwrap()?;
        Some(format!("{:?}", shard.to_advisories().unwrap()[0].affected[0].ranges[0].events[1]))
    }

    /// Files that should not have stayed.
    fn leftovers(&self) -> Vec<String> {
        let named: Vec<String> =
            self.database.status().unwrap().into_values().map(|entry| entry.file).collect();
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.filter(|file| !file.starts_with("manifest.") && !named.contains(file)).collect()
    }
}

fn debian(fixed: &str) -> Vec<u8> {
    zip(&[
        ("DSA-1", &record("DSA-1", &["Debian:11", "Debian:12", "Debian:13"], "tar", fixed)),
        ("DSA-2", &record("DSA-2", &["Debian:12"], "sed", "9")),
    ])
}

fn named(expected: &[(&str, Outcome)]) -> Vec<(String, Outcome)> {
    expected.iter().map(|(name, outcome)| ((*name).to_owned(), outcome.clone())).collect()
}

#[tokio::test]
async fn fetches_only_what_is_asked_for_and_only_when_it_changed() {
    let harness = Harness::new();
    let (updated, unchanged) = (Outcome::Updated, Outcome::Unchanged);
    assert_eq!(
        harness.update(&["debian-12", "pypi"]).await,
        named(&[("debian-12", updated.clone()), ("pypi", updated.clone())])
    );
    assert_eq!(harness.server.log(), [format!("{DEBIAN} 200"), format!("{PYPI} 200")]);
    let status = harness.database.status().unwrap();
    assert_eq!(
        status.keys().collect::<Vec<_>>(),
        ["debian-12", "pypi"],
        "one export, and only the shard asked for"
    );
    assert_eq!(status["debian-12"].advisories, 2);
    assert!(status["pypi"].source.ends_with("/osv/PyPI/all.zip"));

    // Unchanged: one request each, and nothing is built.
    assert_eq!(
        harness.update(&["debian-12", "pypi"]).await,
        named(&[("debian-12", unchanged.clone()), ("pypi", unchanged)])
    );
    assert_eq!(harness.server.log(), [format!("{DEBIAN} 304"), format!("{PYPI} 304")]);
    assert_eq!(harness.database.status().unwrap()["pypi"].digest, status["pypi"].digest);

    // Another release of the same export: it must be fetched again, and the first shard comes with it.
    harness.server.put(DEBIAN, Export { body: debian("1.2"), etag: "\"d2\"", ..Export::default() });
    assert_eq!(harness.update(&["debian-11"]).await, named(&[("debian-11", updated.clone())]));
    assert_eq!(harness.server.log(), [format!("{DEBIAN} 200")]);
    assert_eq!(harness.fixed("debian-12").unwrap(), "Fixed(\"1.2\")");
    assert_eq!(harness.update(&["debian-11", "debian-12"]).await[1].1, Outcome::Unchanged);
    assert_eq!(harness.server.log(), [format!("{DEBIAN} 304")]);

    // A release without advisories is no shard, or an image would seem to be checked.
    assert_eq!(harness.update(&["debian-99"]).await, named(&[("debian-99", Outcome::NotInExport)]));
    assert!(!harness.database.status().unwrap().contains_key("debian-99"));
    assert_eq!(harness.leftovers(), [""; 0]);
    let all = Wanted::of_database(&harness.database).unwrap();
    assert_eq!(
        all.iter().map(|wanted| wanted.export.as_str()).collect::<Vec<_>>(),
        ["Debian", "Debian", "PyPI"]
    );
}

#[tokio::test]
async fn passing_trouble_is_overcome() {
    let harness = Harness::new();
    harness.server.put(
        DEBIAN,
        Export { body: debian("1.1"), etag: "\"d1\"", failures: vec![503, 429], cut: Some(100) },
    );
    assert_eq!(harness.update(&["debian-12"]).await, named(&[("debian-12", Outcome::Updated)]));
    // Refused twice, broken off once, then whole.
    let log = [503, 429, 200, 200].map(|status| format!("{DEBIAN} {status}"));
    assert_eq!(harness.server.log(), log);
    assert_eq!(harness.leftovers(), [""; 0]);
}

#[tokio::test]
async fn whatever_fails_the_old_shard_stays() {
    let mut harness = Harness::new();
    assert_eq!(harness.update(&["debian-12"]).await[0].1, Outcome::Updated);
    let built = harness.database.status().unwrap()["debian-12"].built.clone();
    let good = debian("2.0");
    let mut damaged = good.clone();
    let middle = 60;
    damaged[middle] ^= 0xff;
    let odd = zip(&[("a", "{}"), ("b", "[1]"), ("DSA-1", &record("DSA-1", &["Debian:12"], "tar", "3"))]);
    for (body, why) in [
        (b"<html>no archive".to_vec(), "malformed"),
        (good[..good.len() - 30].to_vec(), "archive"),
        (damaged, "could not be read"),
        (zip(&[]), "no records"),
        (odd, "2 of 3 records are malformed"),
    ] {
        harness.server.put(DEBIAN, Export { body, etag: "\"new\"", ..Export::default() });
        let (_, outcome) = harness.update(&["debian-12"]).await.remove(0);
        let Outcome::Failed { reason, kept } = outcome else { panic!("{outcome:?} instead of {why}") };
        assert!(reason.contains(why), "{reason} does not say {why}");
        assert_eq!(kept.as_ref(), Some(&built));
    }
    harness.server.put(DEBIAN, Export { body: good, failures: vec![404], ..Export::default() });
    let (_, outcome) = harness.update(&["debian-12"]).await.remove(0);
    assert!(matches!(&outcome, Outcome::Failed { reason, .. } if reason.contains("404")), "{outcome:?}");
    harness.config.max_bytes = 50;
    let (_, outcome) = harness.update(&["debian-12"]).await.remove(0);
    assert!(
        matches!(&outcome, Outcome::Failed { reason, .. } if reason.contains("larger than 50")),
        "{outcome:?}"
    );

    assert_eq!(harness.fixed("debian-12").unwrap(), "Fixed(\"1.1\")");
    assert_eq!(harness.leftovers(), [""; 0]);

    // Nothing there to keep, nobody to ask.
    harness.config = UpdateConfig::new(Url::parse("http://127.0.0.1:1/").unwrap());
    let (_, outcome) = harness.update(&["npm"]).await.remove(0);
    assert!(matches!(&outcome, Outcome::Failed { kept: None, .. }), "{outcome:?}");
    harness.config = UpdateConfig::new(Url::parse("http://user:hunter2@127.0.0.1:1/").unwrap());
    let (_, outcome) = harness.update(&["npm"]).await.remove(0);
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
}

#[tokio::test]
async fn progress_is_told() {
    let harness = Harness::new();
    let told = Mutex::new(Vec::new());
    let wanted = [Wanted::named("pypi").unwrap()];
    let tell = |progress: Progress<'_>| {
        let line = match progress {
            Progress::Asking { export } => format!("asking {export}"),
            Progress::Downloading { received, total, .. } if Some(received) == total => {
                "all of it".to_owned()
            }
            Progress::Downloading { .. } => return,
            Progress::Building { export } => format!("building {export}"),
        };
        told.lock().unwrap().push(line);
    };
    update(&harness.database, &harness.client, feed("osv").unwrap(), &wanted, &harness.config, &tell).await;
    assert_eq!(told.into_inner().unwrap(), ["asking PyPI", "all of it", "building PyPI"]);
}
