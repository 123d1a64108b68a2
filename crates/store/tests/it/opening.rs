//! Opening a store.

use store::{OpenOptions, Store, StoreError};

use crate::rig::{Place, T0, places};

#[test]
fn two_processes_may_bring_the_tables_up_to_date_at_once() {
    for place in places() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(async {
            let options = match place.options() {
                OpenOptions::Postgres { url, .. } => OpenOptions::Postgres { url, connections: 3 },
                lite => lite,
            };
            let open = || Store::open(&options);
            let (a, b, c, d) = tokio::join!(open(), open(), open(), open());
            let stores = [a, b, c, d].map(Result::unwrap);
            for (number, store) in stores.iter().enumerate() {
                store.ensure_project(&format!("p{number}"), T0).await.unwrap();
                store.check().await.unwrap();
            }
            let seen = stores[0].projects(&store::Scope::All, "", 10).await.unwrap();
            assert_eq!(seen.len(), 4);
            for store in &stores {
                store.close().await;
            }
        });
    }
}

#[test]
fn tables_of_a_newer_version_are_refused() {
    for place in places() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            Store::open(&place.options()).await.unwrap().close().await;
            let newer =
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                         values (999, 'later', true, 'x', 0)";
            match &place {
                Place::Lite(dir) => {
                    let url = format!("sqlite://{}", dir.path().join("lazaret.db").display());
                    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
                    sqlx::query(newer).execute(&pool).await.unwrap();
                    pool.close().await;
                }
                Place::Pg(database) => database.run(newer).unwrap(),
            }
            let refused = Store::open(&place.options()).await.err().unwrap();
            assert!(matches!(refused, StoreError::Migrate(_)), "{refused}");
            assert!(!refused.is_transient());
        });
    }
}

#[test]
fn an_address_that_is_none_is_said_without_its_password() {
    let options = OpenOptions::Postgres { url: "pg//alice:secret@host/x".to_owned(), connections: 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(Store::open(&options)).err().unwrap();
    assert!(matches!(error, StoreError::Address));
    assert!(!format!("{error:?} {error}").contains("secret"));
}
