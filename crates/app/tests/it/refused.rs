//! A store that refuses: for a moment, or for good.

use model::{FailureReason, ScanStatus};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::world::{Kind, World, debian, kinds, record};

/// Runs statements beside the service, as a broken disk or an administrator would.
async fn interfere(world: &World, sqlite: &str, postgres: &str) {
    match &world.kind {
        Kind::Lite => {
            let file = world.database();
            let sql = sqlite.to_owned();
            let run = move || {
                testkit::tool::run(std::process::Command::new("python3").args([
                "-c",
                "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); c.executescript(sys.argv[2]); c.commit()",
                &file,
                &sql,
            ]))
            };
            tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        }
        Kind::Pg(database) => database.run(postgres).unwrap(),
    }
}

async fn refuse(world: &World, table: &str) {
    interfere(
        world,
        &format!("create trigger refuse before insert on {table} begin select raise(abort, 'the disk is full'); end;"),
        &format!(
            "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
             create trigger refuse before insert on {table} for each row execute function refuse();"
        ),
    )
    .await;
}

async fn accept(world: &World, table: &str) {
    let postgres = format!("drop trigger refuse on {table}; drop function refuse();");
    interfere(world, "drop trigger refuse;", &postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_result_is_kept_and_imported_by_a_retry() {
    for table in ["inventory", "report"] {
        for kind in kinds() {
            let world = World::new(kind).await;
            world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "9", 'H')]);
            world.registry.add("app", "1", &debian("curl", "7"));
            let running = world.start().await;
            refuse(&world, table).await;
            let scan = running.ended(running.submit(&world.reference("app:1")).await).await;
            assert_eq!((scan.status, scan.reason), (ScanStatus::Failed, Some(FailureReason::StoreError)));
            let detail = scan.detail.unwrap();
            assert!(detail.contains("the disk is full") && detail.contains("kept as spool/"), "{detail}");
            let kept: Vec<_> =
                std::fs::read_dir(world.dir.path().join("data/spool")).unwrap().flatten().collect();
            assert_eq!(kept.len(), 1);
            assert_eq!(running.service.store.image(scan.image_id).await.unwrap().unwrap().report_id, None);

            accept(&world, table).await;
            // What the file says now is what the retry tells: nothing is read or matched again.
            let file = kept[0].path();
            let text = std::fs::read_to_string(&file).unwrap();
            let text = text.replace("CVE-2026-0001", "CVE-2026-1000").replace("\"7\"", "\"8\"");
            std::fs::write(&file, text).unwrap();
            let retried = running.completed(running.submit(&world.reference("app:1")).await).await;
            let found = running.service.store.findings_of(retried.inventory_id.unwrap()).await.unwrap();
            let told = (found[0].finding.id.as_str(), found[0].version.as_str());
            let imported = if table == "inventory" { ("CVE-2026-0001", "8") } else { ("CVE-2026-1000", "7") };
            assert_eq!(told, imported);
            assert_eq!(std::fs::read_dir(world.dir.path().join("data/spool")).unwrap().count(), 0);
            running.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_store_is_waited_for() {
    let world = World::new(Kind::Lite).await;
    world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "9", 'H')]);
    world.registry.add("app", "1", &debian("curl", "7"));
    let running = world.start().await;
    let id = running.submit(&world.reference("app:1")).await;
    let scan = running.completed(id).await;
    // Another process holds the file for longer than a statement waits.
    let hold =
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None);
c.execute('begin immediate'); print('held', flush=True); time.sleep(7); c.execute('commit')";
    let mut holder = tokio::process::Command::new("python3")
        .args(["-c", hold, &world.database()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(holder.stdout.take().unwrap());
    said.read_line(&mut String::new()).await.unwrap();
    let refused = running.service.store.check().await;
    assert!(refused.is_err_and(|error| error.is_transient()));
    // Who only reads is not kept waiting.
    assert_eq!(running.scan(id).await, scan);
    let id = running.submit(&world.reference("app:1")).await;
    holder.wait().await.unwrap();
    running.completed(id).await;
    running.stop().await;
}
