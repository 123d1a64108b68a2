//! Login through a real OpenID Connect provider, over HTTP.

use app::{
    accounts::{
        Origin, Secret, UserChange, UserOrder,
        oidc::{Departure, Identity, Oidc, OidcConfig, OidcError, Return},
    },
    clock,
};
use egress::{AddressPolicy, Client, ClientConfig, ProxyConfig, Url};
use model::Role;
use serde_json::json;
use store::Micros;
use testkit::oidc::OidcProvider;

use crate::accounts::{House, houses};

const BACK: &str = "http://127.0.0.1:9/login/back";

/// A client that reaches loopback only where it is listed.
fn client(allow: &[&str]) -> Client {
    let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
    Client::build(&ClientConfig::new(AddressPolicy::Guarded { allow }, ProxyConfig::none())).unwrap()
}

fn config(provider: &OidcProvider) -> OidcConfig {
    let url = |text: &str| Url::parse(text).unwrap();
    let (id, secret) = provider.client();
    OidcConfig {
        client_secret: Some(Secret::new(secret.to_owned())),
        role_claim: Some("groups".to_owned()),
        roles: vec![("security".to_owned(), Role::Analyst), ("platform".to_owned(), Role::Operator)],
        default_role: None,
        ..OidcConfig::new(url(&provider.issuer()), id.to_owned(), url(BACK))
    }
}

/// What a browser brings back to that address.
fn brought(location: &str) -> Return {
    let url = Url::parse(location).unwrap();
    assert_eq!(url.as_str().split('?').next(), Some(BACK));
    let get = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    Return {
        state: get("state").unwrap_or_default(),
        code: get("code").map(Secret::new),
        error: get("error"),
        issuer: get("iss"),
    }
}

/// A whole login, as far as the identity.
async fn identify(oidc: &Oidc, provider: &OidcProvider, sub: &str) -> Result<(Identity, String), OidcError> {
    let now = clock::now();
    let departure = oidc.begin("/images", now).await?;
    let back = brought(&provider.visit(departure.url.as_str(), Some(sub)).unwrap());
    oidc.finish(&back, Some(&departure.binding), now).await
}

async fn role_of(house: &House, identity: &Identity, now: Micros) -> (String, Role) {
    let caller = house.accounts.log_in_with(identity, &Origin::default(), now).await.unwrap().caller;
    (caller.name, caller.role)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_provider_log_in() {
    let Some(provider) = OidcProvider::start(BACK).unwrap() else { return };
    let oidc = Oidc::new(config(&provider), client(&["127.0.0.1"]));
    let claims = |groups: &[&str]| json!({ "preferred_username": "Alice", "email": "alice@example.com", "groups": groups });
    provider.set_user("1001", &claims(&["security", "chess"])).unwrap();
    let (alice, return_to) = identify(&oidc, &provider, "1001").await.unwrap();
    assert_eq!(return_to, "/images");
    assert_eq!(alice.subject, format!("{} 1001", provider.issuer()));
    assert_eq!((alice.email.as_deref(), alice.role), (Some("alice@example.com"), Some(Role::Analyst)));

    provider.set_user("1001", &claims(&["platform"])).unwrap();
    let (promoted, _) = identify(&oidc, &provider, "1001").await.unwrap();
    provider.set_user("1001", &claims(&["chess"])).unwrap();
    let refused = identify(&oidc, &provider, "1001").await.unwrap_err();
    assert_eq!(refused.code(), "oidc-no-role");

    let root = app::accounts::Caller::system("system");
    for house in houses().await {
        let (accounts, now) = (&house.accounts, clock::now());
        assert_eq!(role_of(&house, &alice, now).await, ("alice".to_owned(), Role::Analyst));
        // The same person with another role, not another account.
        assert_eq!(role_of(&house, &promoted, now).await, ("alice".to_owned(), Role::Operator));
        assert_eq!(accounts.users(&root, "", 10).await.unwrap().len(), 1);
        assert_eq!(
            house.actions("user:alice").await,
            ["user.created", "login.succeeded", "user.changed", "login.succeeded"]
        );
        // No password opens it, and none is given to it.
        let by_password =
            accounts.log_in("alice", &Secret::new(String::new()), &Origin::default(), now).await;
        assert_eq!(by_password.unwrap_err().code(), "login-failed");
        assert_eq!(accounts.reset_password(&root, "alice", now).await.unwrap_err().code(), "no-password");
        let change = UserChange { disabled: Some(true), ..UserChange::default() };
        accounts.change_user(&root, "alice", &change, now).await.unwrap();
        let shut = accounts.log_in_with(&alice, &Origin::default(), now).await.unwrap_err();
        assert_eq!(shut.code(), "login-failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_opens_nobody_elses_account() {
    let Some(provider) = OidcProvider::start(BACK).unwrap() else { return };
    let oidc = Oidc::new(config(&provider), client(&["127.0.0.1"]));
    let claims = json!({ "preferred_username": "root", "email": "root@example.com", "groups": "security" });
    provider.set_user("1", &claims).unwrap();
    provider.set_user("2", &claims).unwrap();
    let (one, _) = identify(&oidc, &provider, "1").await.unwrap();
    let (two, _) = identify(&oidc, &provider, "2").await.unwrap();
    let system = app::accounts::Caller::system("system");
    for house in houses().await {
        let now = clock::now();
        let local =
            UserOrder { name: "root", email: Some("root@example.com"), role: Role::Admin, password: true };
        house.accounts.create_user(&system, &local, now).await.unwrap();
        assert_eq!(role_of(&house, &one, now).await, ("root@example.com".to_owned(), Role::Analyst));
        assert_eq!(role_of(&house, &two, now).await, ("root@127.0.0.1".to_owned(), Role::Analyst));
        assert_eq!(role_of(&house, &one, now).await.0, "root@example.com");
        assert_eq!(house.accounts.user(&system, "root").await.unwrap().role, Role::Admin);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_belongs_to_its_browser_and_counts_once() {
    let Some(provider) = OidcProvider::start(BACK).unwrap() else { return };
    provider.set_user("1", &json!({ "preferred_username": "a", "groups": ["security"] })).unwrap();
    let oidc = Oidc::new(config(&provider), client(&["127.0.0.1"]));
    let now = clock::now();
    let begin = || oidc.begin("/", now);
    let visit = |departure: &Departure, sub| brought(&provider.visit(departure.url.as_str(), sub).unwrap());
    let code = |result: Result<_, OidcError>| {
        result.map_or_else(|error| error.code(), |_: (Identity, String)| "fine")
    };

    let (one, two) = (begin().await.unwrap(), begin().await.unwrap());
    let (back_one, back_two) = (visit(&one, Some("1")), visit(&two, Some("1")));
    assert_eq!(code(oidc.finish(&back_one, Some(&two.binding), now).await), "oidc-state");
    assert_eq!(code(oidc.finish(&back_one, None, now).await), "oidc-state");
    assert_eq!(code(oidc.finish(&Return::default(), Some(&one.binding), now).await), "oidc-state");
    // An answer in the name of another provider.
    let foreign = begin().await.unwrap();
    let back = Return { issuer: Some("https://evil.example".to_owned()), ..visit(&foreign, Some("1")) };
    assert_eq!(code(oidc.finish(&back, Some(&foreign.binding), now).await), "oidc-state");
    // A code of another login: the provider refuses it for want of the right proof.
    let mixed = Return { code: back_two.code.clone(), ..back_one.clone() };
    assert_eq!(code(oidc.finish(&mixed, Some(&one.binding), now).await), "oidc-status");
    assert_eq!(code(oidc.finish(&back_one, Some(&one.binding), now).await), "oidc-state");

    let three = begin().await.unwrap();
    let back = visit(&three, Some("1"));
    assert_eq!(code(oidc.finish(&back, Some(&three.binding), now).await), "fine");
    assert_eq!(code(oidc.finish(&back, Some(&three.binding), now).await), "oidc-state");
    let four = begin().await.unwrap();
    let denied = visit(&four, None);
    let refused = oidc.finish(&Return { state: state_of(&four), ..denied }, Some(&four.binding), now).await;
    assert_eq!(refused.unwrap_err().to_string(), "the login provider refused: access_denied");

    // A day later the ID token, made now by the provider's clock, has expired by ours.
    let late = now + 24 * 3600 * 1_000_000;
    let five = oidc.begin("/", late).await.unwrap();
    let back = visit(&five, Some("1"));
    assert_eq!(code(oidc.finish(&back, Some(&five.binding), late).await), "oidc-id-token");
}

fn state_of(departure: &Departure) -> String {
    departure.url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_reached_and_believed_only_as_configured() {
    let Some(provider) = OidcProvider::start(BACK).unwrap() else { return };
    provider.set_user("1", &json!({ "preferred_username": "a", "groups": ["security"] })).unwrap();
    // Loopback that is not listed.
    let oidc = Oidc::new(config(&provider), client(&[]));
    assert_eq!(oidc.begin("/", clock::now()).await.unwrap_err().code(), "address-refused");
    // A wrong secret.
    let mut wrong = config(&provider);
    wrong.client_secret = Some(Secret::new("wrong".to_owned()));
    let oidc = Oidc::new(wrong, client(&["127.0.0.1"]));
    let refused = identify(&oidc, &provider, "1").await.unwrap_err();
    let said = refused.to_string();
    assert_eq!((refused.code(), said.contains("invalid_client")), ("oidc-status", true), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    // Another name of the same host is another issuer.
    let mut other = config(&provider);
    other.issuer = Url::parse(&provider.issuer().replace("http://", "http://user@")).unwrap();
    let oidc = Oidc::new(other, client(&["127.0.0.1"]));
    assert_eq!(oidc.begin("/", clock::now()).await.unwrap_err().code(), "oidc-answer");
    // A server that is no provider.
    let mut none = config(&provider);
    none.issuer = Url::parse(&format!("{}/nothing", provider.issuer())).unwrap();
    let oidc = Oidc::new(none, client(&["127.0.0.1"]));
    assert_eq!(oidc.begin("/", clock::now()).await.unwrap_err().code(), "oidc-status");
}
