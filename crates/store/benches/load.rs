//! The load benchmark: how long the pages of a large service take, alone and beside a writing scanner, and how long
//! findings take to follow their advisories. `cargo bench -p store --bench load -- [--images N]
//! [--database sqlite|postgres|both] [--requests N]`; `LAZARET_TEST_DATABASE_URL` names another server than a
//! throw-away one, `LAZARET_BENCH_DIR` where the SQLite file lies.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when something is wrong"
)]

#[path = "load/figures.rs"]
mod figures;
#[path = "load/fill.rs"]
mod fill;
#[path = "load/news.rs"]
mod news;
#[path = "load/pages.rs"]
mod pages;
#[path = "load/rematch.rs"]
mod rematch;
#[path = "load/scanner.rs"]
mod scanner;
#[path = "../tests/it/world.rs"]
mod world;

use std::{sync::Arc, time::Duration};

use store::{OpenOptions, Store};
use testkit::postgres::Postgres;

/// What is measured.
#[derive(Clone, Copy, Debug)]
struct Settings {
    images: usize,
    requests: usize,
    sqlite: bool,
    postgres: bool,
}

fn settings() -> Settings {
    // `cargo test` runs it too, without this word: to see that it works.
    let is_bench = std::env::args().any(|word| word == "--bench");
    let (images, requests) = if is_bench { (100_000, 400) } else { (500, 4) };
    let mut settings = Settings { images, requests, sqlite: true, postgres: true };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--images" => settings.images = words.next().and_then(|n| n.parse().ok()).unwrap(),
            "--requests" => settings.requests = words.next().and_then(|n| n.parse().ok()).unwrap(),
            "--database" => {
                let which = words.next().unwrap();
                settings.sqlite = which != "postgres";
                settings.postgres = which != "sqlite";
            }
            _ => {}
        }
    }
    settings
}

fn main() {
    let settings = settings();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    if settings.sqlite {
        let dir = match std::env::var_os("LAZARET_BENCH_DIR") {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        };
        let dir = dir.unwrap();
        let file = dir.path().join("lazaret.db");
        runtime.block_on(run(&OpenOptions::Sqlite { file }, &settings, || {
            let size = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |meta| meta.len());
            size("lazaret.db") + size("lazaret.db-wal")
        }));
    }
    if settings.postgres {
        let Some(database) = Postgres::database().unwrap() else { return };
        let options = OpenOptions::Postgres { url: database.url(), connections: 12 };
        runtime.block_on(run(&options, &settings, || 0));
        database.run("select pg_size_pretty(pg_database_size(current_database()))").unwrap();
    }
}

async fn run(options: &OpenOptions, settings: &Settings, size: impl Fn() -> u64) {
    let store = Store::open(options).await.unwrap();
    let world = Arc::new(world::World::new(fill::scale(settings.images), 1));
    let filled = fill::fill(&store, &world).await;
    println!(
        "\n{}: {} images, {} findings in them, loaded in {:.0} s, {} MB",
        store.kind(),
        settings.images,
        filled.findings,
        filled.took.as_secs_f64(),
        size() >> 20
    );
    store.longest_write();
    let alone = pages::measure(&store, &world, &filled, settings.requests).await;
    let scanner = scanner::Scanner::start(&store, &world, filled.projects[0]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside = pages::measure(&store, &world, &filled, settings.requests).await;
    let scanned = scanner.stop().await;
    figures::print(&alone, &beside);
    println!("  scanner: {scanned}; longest transaction {:?}", store.longest_write());
    let done = rematch::measure(&store).await;
    println!("  re-match: {done}");
    rematch::check(&store, &world, settings.images).await;
    println!("  news: {}", news::measure(&store).await);
    store.close().await;
}
