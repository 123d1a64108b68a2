//! What the audit log and the log of user errors hold, and what they must not.

use std::time::Duration;

use app::accounts::{AccountError, Origin, TokenOrder};
use model::Role;
use store::{EventFilter, LogPosition, StoreError, UserErrorFilter};

use super::{GOOD, HOUR, T0, from, houses, root, secret};

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_and_forgets() {
    for house in houses().await {
        let accounts = &house.accounts;
        let bob = house.user("bob", Role::Viewer).await.caller;
        let logged_in =
            accounts.log_in("bob", &secret(GOOD), &from("::ffff:192.0.2.7"), T0 + HOUR).await.unwrap();
        let filter =
            EventFilter { actor: Some("bob".to_owned()), from: Some(T0 + 1), ..EventFilter::default() };
        let [event] = &accounts.events(&bob, &filter, LogPosition::Newest, 10).await.unwrap()[..] else {
            panic!("one event")
        };
        assert_eq!((event.action.as_str(), event.object.as_str()), ("login.succeeded", "user:bob"));
        assert_eq!((event.address.as_deref(), event.request_id.as_deref()), (Some("192.0.2.7"), Some("r-1")));
        assert_eq!((event.at, event.detail.as_str()), (T0 + HOUR, "{\"by\":\"password\"}"));

        // A viewer sees what they did themself, and no more.
        for filter in [
            EventFilter::default(),
            EventFilter { actor: Some("system".to_owned()), ..EventFilter::default() },
        ] {
            let refused = accounts.events(&bob, &filter, LogPosition::Newest, 10).await.unwrap_err();
            assert_eq!(refused.code(), "role-too-small");
        }

        // Pages join without a gap, and the export holds the same.
        for number in 0..25 {
            let note = root().note("scan.initiated", format!("image:{number}"), None, serde_json::json!({}));
            house.store.record(&note.event(), T0 + 2 * HOUR + number).await.unwrap();
        }
        let filter = EventFilter { action: Some("scan.".to_owned()), ..EventFilter::default() };
        let mut position = LogPosition::Newest;
        let mut objects = Vec::new();
        loop {
            let page = accounts.events(&root(), &filter, position, 10).await.unwrap();
            let Some(last) = page.last() else { break };
            position = LogPosition::Before(last.id);
            objects.extend(page.into_iter().map(|event| event.object));
        }
        let expected: Vec<String> = (0..25).rev().map(|number| format!("image:{number}")).collect();
        assert_eq!(objects, expected);
        let mut export = accounts.export_events(&root(), filter).await.unwrap();
        let late = root().note("scan.initiated", "image:late".to_owned(), None, serde_json::json!({}));
        house.store.record(&late.event(), T0).await.unwrap();
        let mut exported = Vec::new();
        loop {
            let part = export.next().await.unwrap();
            if part.is_empty() {
                break;
            }
            exported.extend(part.into_iter().map(|event| event.object));
        }
        objects.reverse();
        assert_eq!(exported, objects);
        let until = EventFilter {
            until: Some(T0 + 2 * HOUR + 3),
            action: Some("scan.initiated".to_owned()),
            ..EventFilter::default()
        };
        assert_eq!(accounts.events(&root(), &until, LogPosition::Newest, 100).await.unwrap().len(), 4);
        // A wild card is none.
        let wild = EventFilter { action: Some("%.".to_owned()), ..EventFilter::default() };
        assert!(accounts.events(&root(), &wild, LogPosition::Newest, 100).await.unwrap().is_empty());

        let scan = uuid::Uuid::now_v7();
        let caller = accounts.session(&logged_in.cookie, &from("192.0.2.7"), T0 + HOUR).await.unwrap();
        accounts
            .note_error(&caller, "image-not-found", "no such image", (Some("a:1"), Some(scan)), T0 + HOUR)
            .await;
        accounts.note_error(&root(), "timeout", "it took too long", (None, None), T0 + HOUR).await;
        let own =
            UserErrorFilter { actor: Some("bob".to_owned()), scan: Some(scan), ..UserErrorFilter::default() };
        let [error] = &accounts.user_errors(&caller, &own, LogPosition::Newest, 10).await.unwrap()[..] else {
            panic!("one error")
        };
        assert_eq!((error.code.as_str(), error.image.as_deref()), ("image-not-found", Some("a:1")));
        assert_eq!((error.request_id.as_str(), error.scan_id), ("r-1", Some(scan)));
        let all = UserErrorFilter::default();
        assert!(accounts.user_errors(&caller, &all, LogPosition::Newest, 10).await.is_err());
        assert_eq!(accounts.user_errors(&root(), &all, LogPosition::Newest, 10).await.unwrap().len(), 2);

        accounts.trim(T0 + 2 * HOUR + 20 + 400 * 24 * HOUR).await.unwrap();
        let left =
            accounts.events(&root(), &EventFilter::default(), LogPosition::After(0), 100).await.unwrap();
        assert_eq!(left.len(), 5);
        assert!(accounts.user_errors(&root(), &all, LogPosition::Newest, 10).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_log() {
    for house in houses().await {
        let accounts = &house.accounts;
        let once = accounts.create_first_admin(T0).await.unwrap().unwrap();
        let admin = accounts.log_in("admin", &once, &Origin::default(), T0).await.unwrap();
        accounts.change_password(&admin.caller, &once, &secret(GOOD), T0).await.unwrap();
        let caller = accounts.session(&admin.cookie, &Origin::default(), T0).await.unwrap();
        let order = TokenOrder { owner: None, name: "t", role: Role::Admin, project: None, expires_at: None };
        let token = accounts.create_token(&caller, &order, T0).await.unwrap();
        let _ = accounts.log_in(GOOD, &secret("typed in the wrong field"), &Origin::default(), T0).await;
        let reset = accounts.reset_password(&caller, "admin", T0).await.unwrap();
        let events =
            accounts.events(&root(), &EventFilter::default(), LogPosition::Newest, 100).await.unwrap();
        assert_eq!(events.len(), 6);
        let shown = format!("{events:?} {admin:?} {token:?} {reset:?} {accounts:?}");
        for hidden in
            [once.reveal(), admin.cookie.reveal(), GOOD, token.secret.reveal(), reset.reveal(), "argon2id"]
        {
            assert!(!shown.contains(hidden), "{hidden}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_says_what_is_missing() {
    for house in houses().await {
        let note = root().note("x", "y".to_owned(), None, serde_json::json!({}));
        let missing = house.store.delete_account(77, &note.event(), T0).await.unwrap_err();
        assert!(matches!(missing, StoreError::NotFound("account")));
        let missing =
            house.store.set_member(77, 77, Some(Role::Viewer), &note.event(), T0).await.unwrap_err();
        assert!(matches!(missing, StoreError::NotFound("project")));
        let missing = house.store.delete_token(77, &note.event(), T0).await.unwrap_err();
        assert!(matches!(missing, StoreError::NotFound("token")));
        // What came to nothing leaves no event.
        assert_eq!(house.store.last_event().await.unwrap(), 0);
        assert_eq!(
            Duration::from_secs(1),
            AccountError::Locked { wait: Duration::from_secs(1) }.retry_after().unwrap()
        );
    }
}
