//! Accounts on both databases: who gets in, and for how long. The time is an argument everywhere, so
//! nothing here waits.

mod audit;
mod rights;

use std::net::IpAddr;

use app::accounts::{
    AccountError, Accounts, AccountsConfig, Caller, HashCost, LoggedIn, Origin, Secret, TokenOrder,
    UserChange, UserOrder,
};
use model::Role;
use store::{EventFilter, LogPosition, OpenOptions, Scope, Store};
use tempfile::TempDir;

use crate::world::{Kind, kinds};

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const HOUR: i64 = 3600 * SECOND;
/// Any time.
pub(super) const T0: i64 = 1_800_000_000 * SECOND;
/// A password that may be one.
pub(super) const GOOD: &str = "seventeen green tides";

/// Accounts on a store of their own.
pub(crate) struct House {
    pub(crate) accounts: Accounts,
    pub(crate) store: Store,
    _dir: TempDir,
    _kind: Kind,
}

pub(crate) async fn houses() -> Vec<House> {
    let mut houses = Vec::new();
    for kind in kinds() {
        let dir = tempfile::tempdir().unwrap();
        let options = match &kind {
            Kind::Lite => OpenOptions::Sqlite { file: dir.path().join("store.sqlite") },
            Kind::Pg(database) => OpenOptions::Postgres { url: database.url(), connections: 4 },
        };
        let store = Store::open(&options).await.unwrap();
        let accounts = Accounts::open(store.clone(), config(), T0).await.unwrap();
        houses.push(House { accounts, store, _dir: dir, _kind: kind });
    }
    houses
}

fn config() -> AccountsConfig {
    AccountsConfig { cost: HashCost { memory: 16, passes: 1 }, ..AccountsConfig::default() }
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

pub(super) fn from(address: &str) -> Origin {
    Origin { address: Some(address.parse::<IpAddr>().unwrap()), request: Some("r-1".to_owned()) }
}

pub(super) fn root() -> Caller {
    Caller::system("system")
}

impl House {
    /// A user with a password of their own, logged in.
    pub(super) async fn user(&self, name: &str, role: Role) -> LoggedIn {
        let order = UserOrder { name, email: None, role, password: true };
        self.accounts.create_user(&root(), &order, T0).await.unwrap();
        self.accounts.set_password(&root(), name, &secret(GOOD), T0).await.unwrap();
        self.accounts.log_in(name, &secret(GOOD), &Origin::default(), T0).await.unwrap()
    }

    /// Actions of the audit log, oldest first.
    pub(crate) async fn actions(&self, object: &str) -> Vec<String> {
        let filter = EventFilter { object: Some(object.to_owned()), ..EventFilter::default() };
        let events = self.accounts.events(&root(), &filter, LogPosition::After(0), 500).await.unwrap();
        events.into_iter().map(|event| event.action).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_must_change_the_password_and_nothing_else() {
    for house in houses().await {
        let accounts = &house.accounts;
        let once = accounts.create_first_admin(T0).await.unwrap().unwrap();
        assert!(accounts.create_first_admin(T0).await.unwrap().is_none());

        let admin = accounts.log_in("Admin", &once, &from("192.0.2.1"), T0).await.unwrap();
        assert!(admin.caller.must_change);
        let refused = accounts.users(&admin.caller, "", 10).await.unwrap_err();
        assert_eq!(refused.code(), "password-must-change");
        assert_eq!(admin.caller.scope(), Scope::Projects(vec![]));
        let order =
            TokenOrder { owner: None, name: "t", role: Role::Viewer, project: None, expires_at: None };
        assert!(accounts.create_token(&admin.caller, &order, T0).await.is_err());

        for (new, code) in [
            ("short", "password-too-short"),
            ("adminadmin12", "password-is-name"),
            (once.reveal(), "password-unchanged"),
        ] {
            let refused = accounts.change_password(&admin.caller, &once, &secret(new), T0).await.unwrap_err();
            assert_eq!(refused.code(), code);
        }
        let wrong =
            accounts.change_password(&admin.caller, &secret("x"), &secret(GOOD), T0).await.unwrap_err();
        assert_eq!(wrong.code(), "password-wrong");
        accounts.change_password(&admin.caller, &once, &secret(GOOD), T0).await.unwrap();

        // The same session goes on, with all rights.
        let caller = accounts.session(&admin.cookie, &Origin::default(), T0).await.unwrap();
        assert!(!caller.must_change);
        assert_eq!(caller.scope(), Scope::All);
        assert_eq!(accounts.users(&caller, "", 10).await.unwrap().len(), 1);
        assert_eq!(
            house.actions("user:admin").await,
            ["user.created", "login.succeeded", "login.failed", "user.password_changed"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_make_one_first_admin() {
    for house in houses().await {
        let other = Accounts::open(house.store.clone(), config(), T0).await.unwrap();
        let (one, two) = tokio::join!(house.accounts.create_first_admin(T0), other.create_first_admin(T0));
        assert_eq!([one.unwrap(), two.unwrap()].iter().flatten().count(), 1);
        assert_eq!(house.store.count_accounts().await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_fail_wait_longer_and_longer() {
    for house in houses().await {
        let accounts = &house.accounts;
        house.user("bob", Role::Viewer).await;
        let try_at = |name: &'static str, password: &'static str, at: i64| async move {
            accounts.log_in(name, &secret(password), &Origin::default(), T0 + at * SECOND).await
        };
        // A name that no account has is answered like one that has.
        for name in ["bob", "nobody"] {
            let wait = |error: AccountError| error.retry_after().unwrap().as_secs();
            for _ in 0..5 {
                assert_eq!(try_at(name, "wrong", 0).await.unwrap_err().code(), "login-failed", "{name}");
            }
            let locked = try_at(name, "wrong", 0).await.unwrap_err();
            assert_eq!(locked.code(), "login-locked");
            assert_eq!(wait(locked), 5);
            // The right password opens nothing either, and waiting is not made longer by trying.
            assert_eq!(wait(try_at(name, GOOD, 1).await.unwrap_err()), 4);
            assert_eq!(try_at(name, "wrong", 5).await.unwrap_err().code(), "login-failed", "{name}");
            assert_eq!(wait(try_at(name, GOOD, 5).await.unwrap_err()), 10);
        }
        try_at("bob", GOOD, 15).await.unwrap();
        // Forgotten: it begins anew.
        for _ in 0..5 {
            assert_eq!(try_at("bob", "wrong", 16).await.unwrap_err().code(), "login-failed");
        }
        assert_eq!(try_at("bob", GOOD, 16).await.unwrap_err().code(), "login-locked");
        // An administrator unlocks at once.
        let change = UserChange { disabled: Some(false), ..UserChange::default() };
        accounts.change_user(&root(), "bob", &change, T0).await.unwrap();
        try_at("bob", GOOD, 16).await.unwrap();

        let filter = EventFilter { action: Some("login.failed".to_owned()), ..EventFilter::default() };
        let events = accounts.events(&root(), &filter, LogPosition::Newest, 100).await.unwrap();
        assert_eq!(events.len(), 17);
        // What was typed as an unknown name may have been a password.
        assert!(events.iter().all(|event| !format!("{event:?}").contains("nobody")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_no_more_than_one_after_another() {
    for house in houses().await {
        house.user("bob", Role::Viewer).await;
        let guess = |_| async {
            house.accounts.log_in("bob", &secret("wrong"), &Origin::default(), T0).await.unwrap_err().code()
        };
        let codes = futures_util::future::join_all((0..24).map(guess)).await;
        assert_eq!(codes.iter().filter(|code| **code == "login-failed").count(), 5, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == "login-locked").count(), 19, "{codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_try_many_names() {
    for house in houses().await {
        let accounts = &house.accounts;
        house.user("bob", Role::Viewer).await;
        let mut codes = Vec::new();
        for number in 0..22 {
            let name = format!("guess{number}");
            let failed = accounts.log_in(&name, &secret("x"), &from("2001:db8::1"), T0).await.unwrap_err();
            codes.push(failed.code());
        }
        assert!(codes[..20].iter().all(|code| *code == "login-failed"), "{codes:?}");
        assert_eq!(codes[20..], ["login-locked", "login-locked"]);
        // Its neighbours in the same network are the same customer; others are not concerned.
        let neighbour = accounts.log_in("bob", &secret(GOOD), &from("2001:db8::2"), T0).await;
        assert_eq!(neighbour.unwrap_err().code(), "login-locked");
        accounts.log_in("bob", &secret(GOOD), &from("2001:db8:0:1::1"), T0).await.unwrap();
        // Logins that succeed use nothing up.
        for _ in 0..40 {
            accounts.log_in("bob", &secret(GOOD), &from("192.0.2.1"), T0).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end() {
    for house in houses().await {
        let accounts = &house.accounts;
        let bob = house.user("bob", Role::Viewer).await;
        let at = |cookie: &Secret, at: i64| {
            let cookie = cookie.clone();
            async move { accounts.session(&cookie, &Origin::default(), T0 + at).await.map_err(|e| e.code()) }
        };
        assert_eq!(at(&bob.cookie, 0).await.unwrap().name, "bob");
        // Slides while it is used, and ends when it is not.
        assert!(at(&bob.cookie, 11 * HOUR).await.is_ok());
        assert!(at(&bob.cookie, 22 * HOUR).await.is_ok());
        assert_eq!(at(&bob.cookie, 34 * HOUR).await.unwrap_err(), "session-over");
        // Never longer than a week, whatever is done.
        let mut hours = 22;
        while hours < 7 * 24 {
            assert!(at(&bob.cookie, hours * HOUR).await.is_ok(), "{hours}");
            hours += 10;
        }
        assert_eq!(at(&bob.cookie, 7 * 24 * HOUR).await.unwrap_err(), "session-over");

        let log_in = async || accounts.log_in("bob", &secret(GOOD), &from("192.0.2.9"), T0).await;
        let (one, two, three) = (log_in().await.unwrap(), log_in().await.unwrap(), log_in().await.unwrap());
        assert_eq!(accounts.sessions(&one.caller, T0 + 1).await.unwrap().len(), 4);
        accounts.log_out(&one.caller, T0).await.unwrap();
        assert_eq!(at(&one.cookie, 1).await.unwrap_err(), "session-over");
        assert!(at(&two.cookie, 1).await.is_ok());
        // Another password ends all but the session that it was changed in.
        accounts
            .change_password(&two.caller, &secret(GOOD), &secret("another green tide"), T0)
            .await
            .unwrap();
        assert!(at(&two.cookie, 1).await.is_ok());
        assert_eq!(at(&three.cookie, 1).await.unwrap_err(), "session-over");
        assert_eq!(accounts.log_out_everywhere(&two.caller, T0).await.unwrap(), 1);
        assert_eq!(at(&two.cookie, 1).await.unwrap_err(), "session-over");
        for cookie in ["", "x", bob.cookie.reveal()] {
            assert_eq!(at(&secret(cookie), 30 * 24 * HOUR).await.unwrap_err(), "session-over");
        }

        let again =
            accounts.log_in("bob", &secret("another green tide"), &Origin::default(), T0).await.unwrap();
        let change = UserChange { disabled: Some(true), ..UserChange::default() };
        house.user("root", Role::Admin).await;
        accounts.change_user(&root(), "bob", &change, T0).await.unwrap();
        assert_eq!(at(&again.cookie, 1).await.unwrap_err(), "session-over");
        let shut = accounts.log_in("bob", &secret("another green tide"), &Origin::default(), T0).await;
        assert_eq!(shut.unwrap_err().code(), "login-failed");

        accounts.trim(T0 + 8 * 24 * HOUR).await.unwrap();
        assert!(house.store.sessions(again.caller.account.unwrap()).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_password_is_replaced() {
    for house in houses().await {
        let accounts = &house.accounts;
        let old = house.user("root", Role::Admin).await;
        for _ in 0..6 {
            let _ = accounts.log_in("root", &secret("wrong"), &Origin::default(), T0).await;
        }
        let once = accounts.reset_password(&root(), "root", T0).await.unwrap();
        assert_eq!(
            accounts.session(&old.cookie, &Origin::default(), T0).await.unwrap_err().code(),
            "session-over"
        );
        assert!(accounts.log_in("root", &secret(GOOD), &Origin::default(), T0).await.is_err());
        let session = accounts.log_in("root", &once, &Origin::default(), T0).await.unwrap();
        assert!(session.caller.must_change);
        assert_eq!(accounts.reset_password(&root(), "nobody", T0).await.unwrap_err().code(), "not-found");
    }
}
