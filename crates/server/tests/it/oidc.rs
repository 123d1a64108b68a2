//! Logging in through a real OpenID Connect provider, as a browser does.

use app::accounts::{Secret, oidc::OidcConfig};
use egress::{Body, Method, Url};
use model::Role;
use serde_json::json;
use testkit::oidc::OidcProvider;

use crate::{
    accounts::Browser,
    rig::{Answer, Client, World, kinds},
};

/// Where the provider sends browsers; its path is followed at the service, wherever that listens.
const BACK: &str = "http://127.0.0.1:9/api/portal/v1/session/oidc/return";

/// Sends a browser away: the answer itself, not what it leads to.
async fn depart(client: &Client, route: &str) -> Answer {
    // A body that can be sent only once is never redirected.
    let once = Body::stream(futures_util::stream::empty(), 0);
    client.ask(Method::GET, route).body(once).send().await.is(303)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_goes_to_the_provider_and_comes_back_with_a_session() {
    let Some(provider) = OidcProvider::start(BACK).unwrap() else { return };
    let claims =
        json!({ "preferred_username": "alice", "email": "alice@example.com", "groups": ["security"] });
    provider.set_user("1001", &claims).unwrap();
    provider.set_user("1002", &json!({ "preferred_username": "bob", "groups": [] })).unwrap();
    for kind in kinds() {
        let mut world = World::new(kind).await;
        let (id, secret) = provider.client();
        let issuer: Url = provider.issuer().parse().unwrap();
        world.oidc = Some(OidcConfig {
            client_secret: Some(Secret::new(secret.to_owned())),
            role_claim: Some("groups".to_owned()),
            roles: vec![("security".to_owned(), Role::Analyst)],
            default_role: None,
            ..OidcConfig::new(issuer, id.to_owned(), BACK.parse().unwrap())
        });
        let running = world.start(false).await;
        let client = &running.client;
        assert_eq!(client.get("session").await.is(200).json()["oidc"], true);

        let away = depart(client, "session/oidc?return=/images").await;
        let cookie = away.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(away.header("set-cookie").contains("; SameSite=Lax; Max-Age=600"), "{away:?}");
        let back = provider.visit(away.header("location"), Some("1001")).unwrap();
        let back = back.strip_prefix("http://127.0.0.1:9").unwrap().to_owned();
        client.get(&back).await.fails(400, "oidc-state");

        let away = depart(client, "session/oidc?return=/images").await;
        let cookie_now = away.header("set-cookie").split(';').next().unwrap().to_owned();
        assert_ne!(cookie, cookie_now);
        let back = provider.visit(away.header("location"), Some("1001")).unwrap();
        let back = back.strip_prefix("http://127.0.0.1:9").unwrap().to_owned();
        let home = client.ask(Method::GET, &back).header("cookie", &cookie_now).send().await.is(200);
        assert!(home.text.contains("content=\"0;url=/images\""), "{}", home.text);
        let set: Vec<&str> = home.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
        let session = set.iter().find(|line| line.starts_with("lazaret_session=")).unwrap();
        let browser =
            Browser { client: client.clone(), cookie: session.split(';').next().unwrap().to_owned() };
        let me = browser.ask(Method::GET, "me", None).await.is(200).json();
        assert_eq!((&me["name"], &me["role"]), (&json!("alice"), &json!("analyst")), "{me}");
        // An answer counts once.
        client.ask(Method::GET, &back).header("cookie", &cookie_now).send().await.fails(400, "oidc-state");

        let away = depart(client, "session/oidc").await;
        let cookie = away.header("set-cookie").split(';').next().unwrap().to_owned();
        let back = provider.visit(away.header("location"), Some("1002")).unwrap();
        let back = back.strip_prefix("http://127.0.0.1:9").unwrap().to_owned();
        client.ask(Method::GET, &back).header("cookie", &cookie).send().await.fails(403, "oidc-no-role");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_provider_there_is_no_way_to_it() {
    let world = World::new(kinds().remove(0)).await;
    let running = world.start(false).await;
    assert_eq!(running.client.get("session").await.is(200).json()["oidc"], false);
    running.client.get("session/oidc").await.fails(404, "oidc-off");
    running.client.get("session/oidc/return?state=x").await.fails(404, "oidc-off");
    running.stop().await;
}
