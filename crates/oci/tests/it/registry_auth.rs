//! Who gets in, with what, and where credentials go.

use oci::registry::{BlobContent, ConfigFiles, CredentialSource, Credentials};
use testkit::{
    Family,
    image::Published,
    registry::{Auth, Fault, TestRegistry},
};
use tokio::runtime::Runtime;

use crate::fixture::{image, open_with, options, read_all, registries, runtime};

fn start(runtime: &Runtime, auth: Auth) -> TestRegistry {
    let registry = runtime.block_on(TestRegistry::start(auth)).unwrap();
    registry.add("team/app", "1.0", &Published::from(&image(Family::Docker, "amd64")));
    registry
}

fn basic() -> Auth {
    Auth::Basic { user: "ann".into(), password: "s3cret".into() }
}

fn token(login: bool) -> Auth {
    let login = login.then(|| ("ann".to_owned(), "s3cret".to_owned()));
    Auth::Token { login, identity_token: Some("refresh-me".into()) }
}

fn explicit(registry: &TestRegistry, user: &str, password: &str) -> CredentialSource {
    let credentials = Credentials::basic(user, password);
    CredentialSource::Explicit { registry: registry.host(), credentials }
}

/// Opens the image and reads it; yields `ok` or the code of the error.
fn pull(runtime: &Runtime, registry: &TestRegistry, credentials: CredentialSource) -> String {
    let options = options(runtime, &registries(credentials));
    match open_with(&format!("{}/team/app:1.0", registry.host()), &options) {
        Ok(image) => read_all(&image).map_or_else(|e| e.to_string(), |_| "ok".to_owned()),
        Err(e) => {
            for secret in ["s3cret", "wrong", "refresh-me", "czNjcmV0"] {
                assert!(!format!("{e} {e:?}").contains(secret), "{e:?}");
            }
            e.code().to_owned()
        }
    }
}

#[test]
fn anonymous() {
    let runtime = runtime();
    assert_eq!(pull(&runtime, &start(&runtime, Auth::None), CredentialSource::Anonymous), "ok");
    assert_eq!(pull(&runtime, &start(&runtime, token(false)), CredentialSource::Anonymous), "ok");
    for auth in [basic(), token(true)] {
        let registry = start(&runtime, auth);
        assert_eq!(pull(&runtime, &registry, CredentialSource::Anonymous), "registry-unauthorized");
    }
}

#[test]
fn with_a_password() {
    let runtime = runtime();
    for auth in [basic(), token(true)] {
        let registry = start(&runtime, auth);
        assert_eq!(pull(&runtime, &registry, explicit(&registry, "ann", "s3cret")), "ok");
        assert_eq!(pull(&runtime, &registry, explicit(&registry, "ann", "wrong")), "registry-unauthorized");
        let elsewhere = CredentialSource::Explicit {
            registry: "other.example.com".into(),
            credentials: Credentials::basic("ann", "s3cret"),
        };
        assert_eq!(pull(&runtime, &registry, elsewhere), "registry-unauthorized");
    }
}

#[test]
fn a_password_is_not_sent_before_it_is_asked_for() {
    let runtime = runtime();
    let registry = start(&runtime, Auth::None);
    assert_eq!(pull(&runtime, &registry, explicit(&registry, "ann", "s3cret")), "ok");
    assert!(registry.requests().iter().all(|request| request.authorization.is_none()));
}

#[test]
fn with_a_refresh_token() {
    let runtime = runtime();
    let registry = start(&runtime, token(true));
    let source = |token: &str| CredentialSource::Explicit {
        registry: registry.host(),
        credentials: Credentials::IdentityToken(token.into()),
    };
    assert_eq!(pull(&runtime, &registry, source("refresh-me")), "ok");
    assert_eq!(pull(&runtime, &registry, source("another")), "registry-unauthorized");
    let to_service: Vec<_> =
        registry.requests().into_iter().filter(|r| r.path.starts_with("/token")).collect();
    assert!(
        !to_service.is_empty()
            && to_service.iter().all(|r| r.method == "POST" && !r.path.contains("refresh"))
    );
}

#[test]
fn one_token_serves_a_whole_image() {
    let runtime = runtime();
    let registry = start(&runtime, token(true));
    let registries = registries(explicit(&registry, "ann", "s3cret"));
    let options = options(&runtime, &registries);
    for _ in 0..2 {
        read_all(&open_with(&format!("{}/team/app:1.0", registry.host()), &options).unwrap()).unwrap();
    }
    let requests = registry.requests();
    assert_eq!(requests.iter().filter(|r| r.path.starts_with("/token")).count(), 1);
    // Only the token service sees the password.
    for request in &requests {
        let is_basic = request.authorization.as_ref().is_some_and(|value| value.starts_with("Basic"));
        assert_eq!(is_basic, request.path.starts_with("/token"), "{request:?}");
    }
    assert_eq!(requests.iter().filter(|r| r.path == "/v2/team/app/manifests/1.0").count(), 3);
}

#[test]
fn credentials_do_not_follow_redirects() {
    let runtime = runtime();
    for auth in [basic(), token(true)] {
        let registry = start(&runtime, auth);
        registry.fail(Fault::RedirectBlobs);
        assert_eq!(pull(&runtime, &registry, explicit(&registry, "ann", "s3cret")), "ok");
        let redirected: Vec<_> = registry.requests().into_iter().filter(|r| r.storage).collect();
        // The configuration and three layers.
        assert_eq!(redirected.len(), 4);
        assert!(redirected.iter().all(|request| request.authorization.is_none()));
    }
}

#[test]
fn from_configuration_files() {
    let runtime = runtime();
    let registry = start(&runtime, token(true));
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("missing.json"), dir.path().join("config.json"));
    let files =
        CredentialSource::ConfigFiles(ConfigFiles { paths: vec![first, second.clone()], helper_dir: None });
    for (entry, expected) in [
        (r#"{"auth":"YW5uOnMzY3JldA=="}"#, "ok"),
        (r#"{"auth":"YW5uOndyb25n"}"#, "registry-unauthorized"),
        (r#"{"identitytoken":"refresh-me"}"#, "ok"),
        (r#"{"auth":"%%%"}"#, "credentials-unusable"),
        ("{}", "registry-unauthorized"),
    ] {
        let config = format!(r#"{{"auths":{{"http://{}/v2/":{entry}}}}}"#, registry.host());
        std::fs::write(&second, config).unwrap();
        assert_eq!(pull(&runtime, &registry, files.clone()), expected, "{entry}");
    }
    std::fs::write(&second, r#"{"credsStore":"nonexistent-helper"}"#).unwrap();
    assert_eq!(pull(&runtime, &registry, files), "credentials-unusable");
}

#[test]
fn a_token_service_that_grants_nothing() {
    let runtime = runtime();
    let registry = start(&runtime, token(false));
    registry.fail(Fault::NoTokens);
    assert_eq!(pull(&runtime, &registry, CredentialSource::Anonymous), "registry-unauthorized");
}

#[test]
fn passwords_go_to_no_token_service_without_tls() {
    let runtime = runtime();
    let registry = start(&runtime, token(true));
    registry.fail(Fault::Realm("http://auth.example.invalid/token".into()));
    let options = options(&runtime, &registries(explicit(&registry, "ann", "s3cret")));
    let error = open_with(&format!("{}/team/app:1.0", registry.host()), &options).unwrap_err();
    assert_eq!(error.code(), "registry-unauthorized");
    assert!(error.to_string().contains("without TLS"), "{error}");
}

#[test]
fn credentials_do_not_follow_uploads_elsewhere() {
    let runtime = runtime();
    for auth in [basic(), token(true)] {
        let registry = start(&runtime, auth);
        registry.fail(Fault::UploadElsewhere);
        let remote = registries(explicit(&registry, "ann", "s3cret")).registry(&registry.host());
        let digest = testkit::digest_of(b"content");
        let content = BlobContent::Bytes(bytes::Bytes::from_static(b"content"));
        assert!(runtime.block_on(remote.push_blob("team/app", &digest, content)).is_err());
        let elsewhere: Vec<_> = registry.requests().into_iter().filter(|r| r.storage).collect();
        assert_eq!(elsewhere.len(), 1);
        assert_eq!(elsewhere[0].authorization, None);
    }
}
