//! What tokens, members and administrators may do, and that the last administrator stays.

use app::accounts::{AccessError, Origin, Rights, Secret, TokenOrder, UserChange, UserOrder};
use model::Role;
use store::{EventFilter, LogPosition, Scope};

use super::{GOOD, HOUR, SECOND, T0, houses, root, secret};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_do_no_more_than_their_owner() {
    for house in houses().await {
        let accounts = &house.accounts;
        let admin = house.user("root", Role::Admin).await.caller;
        let bob = house.user("bob", Role::Operator).await.caller;
        let team = accounts.create_project(&admin, "team", T0).await.unwrap().id;
        accounts.set_member(&admin, "team", "bob", Some(Role::Analyst), T0).await.unwrap();
        let default = accounts.default_project();
        let order =
            |name, role, project, expires_at| TokenOrder { owner: None, name, role, project, expires_at };
        let use_at = |secret: &Secret, at: i64| {
            let secret = secret.clone();
            async move {
                let caller = accounts.token(secret.reveal(), &Origin::default(), T0 + at).await;
                caller.map_err(|error| error.code())
            }
        };

        let all = accounts.create_token(&bob, &order("all", Role::Operator, None, None), T0).await.unwrap();
        assert!(!format!("{all:?}").contains(all.secret.reveal()));
        let caller = use_at(&all.secret, 0).await.unwrap();
        assert_eq!(caller.rights, Rights::Some([(default, Role::Operator), (team, Role::Analyst)].into()));
        assert_eq!(caller.role, Role::Operator);

        let read = accounts.create_token(&bob, &order("read", Role::Viewer, None, None), T0).await.unwrap();
        let caller = use_at(&read.secret, 0).await.unwrap();
        assert_eq!(caller.rights, Rights::Some([(default, Role::Viewer), (team, Role::Viewer)].into()));

        let one =
            accounts.create_token(&bob, &order("one", Role::Analyst, Some(team), None), T0).await.unwrap();
        let caller = use_at(&one.secret, 0).await.unwrap();
        assert_eq!(caller.rights, Rights::Some([(team, Role::Analyst)].into()));
        assert_eq!(caller.scope(), Scope::Projects(vec![team]));
        assert_eq!(caller.may(Role::Viewer, Some(default)), Err(AccessError::Project));
        assert!(caller.may(Role::Analyst, None).is_err());

        // Not more than the owner has, in that project or at all; nothing where the owner is not.
        for (name, role, project, code) in [
            ("a", Role::Admin, None, "token-role-too-large"),
            ("b", Role::Operator, Some(team), "token-role-too-large"),
            ("c", Role::Viewer, Some(9999), "project-not-known"),
            ("all", Role::Viewer, None, "exists"),
            ("", Role::Viewer, None, "name-invalid"),
        ] {
            let refused =
                accounts.create_token(&bob, &order(name, role, project, None), T0).await.unwrap_err();
            assert_eq!(refused.code(), code, "{name}");
        }
        // What the owner loses, the token loses at that moment.
        accounts.set_member(&admin, "team", "bob", None, T0).await.unwrap();
        assert_eq!(use_at(&one.secret, 1).await.unwrap().scope(), Scope::Projects(vec![]));
        let change = UserChange { role: Some(Role::Viewer), ..UserChange::default() };
        accounts.change_user(&admin, "bob", &change, T0).await.unwrap();
        assert_eq!(use_at(&all.secret, 1).await.unwrap().role, Role::Viewer);

        // A token makes no tokens.
        let caller = use_at(&all.secret, 1).await.unwrap();
        let refused = accounts.create_token(&caller, &order("x", Role::Viewer, None, None), T0).await;
        assert_eq!(refused.unwrap_err().code(), "person-needed");

        // An administrator's token that is limited sees all projects, and only looks.
        let look = accounts.create_token(&admin, &order("look", Role::Viewer, None, None), T0).await.unwrap();
        let caller = use_at(&look.secret, 0).await.unwrap();
        assert_eq!((caller.scope(), caller.scope_as(Role::Analyst)), (Scope::All, Scope::Projects(vec![])));
        assert!(accounts.users(&caller, "", 10).await.is_err());

        // A robot that never logs in.
        let robot = UserOrder { name: "ci", email: None, role: Role::Operator, password: false };
        assert!(accounts.create_user(&admin, &robot, T0).await.unwrap().1.is_none());
        let order = TokenOrder { owner: Some("ci"), ..order("pipeline", Role::Operator, None, None) };
        assert_eq!(accounts.create_token(&bob, &order, T0).await.unwrap_err().code(), "role-too-small");
        let pipeline = accounts.create_token(&admin, &order, T0).await.unwrap();
        assert_eq!(use_at(&pipeline.secret, 0).await.unwrap().name, "ci");
        assert_eq!(
            accounts.log_in("ci", &secret(""), &Origin::default(), T0).await.unwrap_err().code(),
            "login-failed"
        );
        let events = house.actions("token:ci/pipeline").await;
        assert_eq!(events, ["token.created"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_end_and_are_revoked() {
    for house in houses().await {
        let accounts = &house.accounts;
        house.user("root", Role::Admin).await;
        let bob = house.user("bob", Role::Viewer).await.caller;
        let eve = house.user("eve", Role::Operator).await.caller;
        let order = |name, expires_at| TokenOrder {
            owner: None,
            name,
            role: Role::Viewer,
            project: None,
            expires_at,
        };
        for end in [T0, T0 - 1, T0 + 11 * 366 * 24 * HOUR] {
            let refused = accounts.create_token(&bob, &order("x", Some(end)), T0).await.unwrap_err();
            assert_eq!(refused.code(), "expiry-invalid");
        }
        let short = accounts.create_token(&bob, &order("short", Some(T0 + HOUR)), T0).await.unwrap();
        let long = accounts.create_token(&bob, &order("long", None), T0).await.unwrap();
        let code = |secret: &Secret, at: i64| {
            let secret = secret.clone();
            async move {
                let caller = accounts.token(secret.reveal(), &Origin::default(), T0 + at).await;
                caller.map_or_else(|error| error.code(), |_| "fine")
            }
        };
        assert_eq!(code(&short.secret, HOUR - 1).await, "fine");
        assert_eq!(code(&short.secret, HOUR).await, "token-invalid");
        for garbage in ["", "lzt_", "Bearer x", &format!("{}x", long.secret.reveal())] {
            assert_eq!(code(&secret(garbage), 0).await, "token-invalid");
        }

        // Use is written down, once a minute.
        let seen = || async { house.store.token(long.token.id).await.unwrap().unwrap().seen_at };
        assert_eq!(seen().await, None);
        for (at, expected) in [(1, 1), (60, 1), (61, 61), (100, 61)] {
            assert_eq!(code(&long.secret, at * SECOND).await, "fine");
            assert_eq!(seen().await, Some(T0 + expected * SECOND), "{at}");
        }

        let foreign = accounts.revoke_token(&eve, long.token.id, T0).await.unwrap_err();
        assert_eq!(foreign.code(), "not-found");
        assert_eq!(accounts.tokens(&eve, Some("bob"), 0, 10).await.unwrap_err().code(), "role-too-small");
        let names: Vec<String> =
            accounts.tokens(&bob, None, 0, 10).await.unwrap().into_iter().map(|token| token.name).collect();
        assert_eq!(names, ["short", "long"]);
        accounts.revoke_token(&bob, long.token.id, T0).await.unwrap();
        assert_eq!(code(&long.secret, 0).await, "token-invalid");
        assert_eq!(house.actions("token:bob/long").await, ["token.created", "token.revoked"]);

        let third = accounts.create_token(&bob, &order("third", None), T0).await.unwrap();
        let change = UserChange { disabled: Some(true), ..UserChange::default() };
        accounts.change_user(&root(), "bob", &change, T0).await.unwrap();
        assert_eq!(code(&third.secret, 0).await, "token-invalid");
        accounts.trim(T0 + 40 * 24 * HOUR).await.unwrap();
        let left = accounts.tokens(&root(), Some("bob"), 0, 10).await.unwrap();
        assert_eq!(left.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["third"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_count_in_projects() {
    for house in houses().await {
        let accounts = &house.accounts;
        let admin = house.user("root", Role::Admin).await.caller;
        let bob = house.user("bob", Role::Viewer).await;
        let caller = || async { accounts.session(&bob.cookie, &Origin::default(), T0).await.unwrap() };
        let default = accounts.default_project();
        assert_eq!(caller().await.scope(), Scope::Projects(vec![default]));
        assert!(caller().await.may(Role::Analyst, Some(default)).is_err());
        let team = accounts.create_project(&admin, "Team", T0).await.unwrap();
        assert_eq!(team.name, "team");
        assert_eq!(accounts.create_project(&admin, "team", T0).await.unwrap_err().code(), "exists");
        assert_eq!(accounts.project(&caller().await, "team").await.unwrap_err().code(), "project-not-known");

        assert!(accounts.set_member(&admin, "team", "bob", Some(Role::Admin), T0).await.unwrap());
        assert!(!accounts.set_member(&admin, "team", "bob", Some(Role::Admin), T0).await.unwrap());
        let now = caller().await;
        assert_eq!(now.scope(), Scope::Projects(vec![default, team.id]));
        assert_eq!(now.scope_as(Role::Operator), Scope::Projects(vec![team.id]));
        // Who administers a project has its members and its part of the log, and nothing else.
        house.user("eve", Role::Viewer).await;
        assert!(accounts.set_member(&now, "team", "eve", Some(Role::Viewer), T0).await.unwrap());
        assert_eq!(accounts.members(&now, "team", "", 10).await.unwrap().len(), 2);
        let refused = accounts.set_member(&now, "default", "eve", Some(Role::Admin), T0).await;
        assert_eq!(refused.unwrap_err().code(), "role-too-small");
        assert_eq!(accounts.create_project(&now, "other", T0).await.unwrap_err().code(), "role-too-small");
        assert_eq!(accounts.users(&now, "", 10).await.unwrap_err().code(), "role-too-small");
        let log = accounts.events(&now, &EventFilter::default(), LogPosition::After(0), 100).await.unwrap();
        let actions: Vec<&str> = log.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["project.created", "member.set", "member.set"]);

        // A membership of the default project replaces one's own role there.
        accounts.set_member(&admin, "default", "bob", Some(Role::Operator), T0).await.unwrap();
        assert!(caller().await.may(Role::Operator, Some(default)).is_ok());
        assert!(caller().await.may(Role::Operator, None).is_err());

        assert_eq!(accounts.delete_project(&admin, "default", T0).await.unwrap_err().code(), "project-fixed");
        accounts.delete_project(&admin, "team", T0).await.unwrap();
        assert_eq!(caller().await.scope(), Scope::Projects(vec![default]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_images_stays() {
    for house in houses().await {
        let team = house.accounts.create_project(&root(), "team", T0).await.unwrap();
        let image = store::NewImage {
            project: team.id,
            reference: "example.com/a:1",
            registry: "example.com",
            repository: "example.com/a",
            tag: Some("1"),
            platform: "",
            source: "submit",
            owner: None,
        };
        let image = house.store.add_image(&image, T0).await.unwrap();
        let refused = house.accounts.delete_project(&root(), "team", T0).await.unwrap_err();
        assert_eq!(refused.code(), "project-in-use");
        house.store.delete_image(image).await.unwrap();
        house.accounts.delete_project(&root(), "team", T0).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    for house in houses().await {
        let accounts = &house.accounts;
        let one = house.user("one", Role::Admin).await.caller;
        // Neither a robot nor an account that is shut could administer.
        let robot = UserOrder { name: "robot", email: None, role: Role::Admin, password: false };
        accounts.create_user(&one, &robot, T0).await.unwrap();
        let shut = UserChange { disabled: Some(true), ..UserChange::default() };
        let less = UserChange { role: Some(Role::Operator), ..UserChange::default() };
        for change in [&shut, &less] {
            assert_eq!(accounts.change_user(&one, "one", change, T0).await.unwrap_err().code(), "last-admin");
        }
        assert_eq!(accounts.delete_user(&one, "one", T0).await.unwrap_err().code(), "last-admin");

        // Of two that take one another's rights away at once, one stays.
        let two = house.user("two", Role::Admin).await.caller;
        let (a, b) = tokio::join!(
            accounts.change_user(&one, "two", &less, T0),
            accounts.change_user(&two, "one", &less, T0)
        );
        let codes: Vec<&str> = [a, b].into_iter().filter_map(|r| r.err().map(|e| e.code())).collect();
        assert_eq!(codes, ["last-admin"]);
        assert_eq!(
            accounts.users(&root(), "", 10).await.unwrap().iter().filter(|a| a.role == Role::Admin).count(),
            2
        );
        accounts.delete_user(&root(), "robot", T0).await.unwrap();
        assert_eq!(accounts.user(&root(), "robot").await.unwrap_err().code(), "not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_listed_and_changed() {
    for house in houses().await {
        let accounts = &house.accounts;
        let admin = house.user("root", Role::Admin).await.caller;
        let bob = house.user("bob", Role::Viewer).await.caller;
        let taken = UserOrder { name: "BOB", email: None, role: Role::Viewer, password: true };
        assert_eq!(accounts.create_user(&admin, &taken, T0).await.unwrap_err().code(), "exists");
        let change = UserChange { email: Some("bob@example.com"), role: Some(Role::Analyst), disabled: None };
        let changed = accounts.change_user(&admin, "bob", &change, T0).await.unwrap();
        assert_eq!((changed.email.as_deref(), changed.role), (Some("bob@example.com"), Role::Analyst));
        let clear = UserChange { email: Some(""), ..UserChange::default() };
        assert_eq!(accounts.change_user(&admin, "bob", &clear, T0).await.unwrap().email, None);
        let page = accounts.users(&admin, "bob", 10).await.unwrap();
        assert_eq!(page.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["root"]);
        // Everybody sees themself, and nobody else.
        assert_eq!(accounts.user(&bob, "bob").await.unwrap().role, Role::Analyst);
        assert_eq!(accounts.user(&bob, "root").await.unwrap_err().code(), "role-too-small");
        for refused in [
            accounts.change_user(&bob, "bob", &change, T0).await.err(),
            accounts.delete_user(&bob, "root", T0).await.err(),
            accounts.reset_password(&bob, "root", T0).await.err(),
            accounts.set_password(&bob, "root", &secret(GOOD), T0).await.err(),
            accounts.create_user(&bob, &taken, T0).await.err(),
        ] {
            assert_eq!(refused.unwrap().code(), "role-too-small");
        }
    }
}
