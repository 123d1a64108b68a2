//! Where user names, passwords and tokens for a registry come from.
//!
//! Docker's `config.json` and Podman's `auth.json` have one format (containers-auth.json(5)): `auths` with
//! Base64 `user:password` or an identity token, `credHelpers` and `credsStore` naming programs that are asked
//! with the `docker-credential-helpers` protocol.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD, prelude::BASE64_STANDARD_NO_PAD};
use serde::Deserialize;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{error::OciError, manifest::null_as_default};

/// Largest configuration file that is read.
const CONFIG_BYTES: u64 = 4 << 20;
/// How long a credential helper may take: some ask a cloud service.
const HELPER_TIME: Duration = Duration::from_secs(20);
/// The key under which Docker keeps the credentials of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// What is shown to a registry. Never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// User name and password, or a name and an access token.
    Basic {
        /// User name.
        username: String,
        /// Password or access token.
        password: String,
    },
    /// A refresh token of the registry's token service.
    IdentityToken(String),
}

impl Credentials {
    /// User name and password.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { username: username.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// How credentials are found.
#[derive(Clone, Debug)]
pub enum CredentialSource {
    /// None are sent.
    Anonymous,
    /// These, to one registry; other registries are asked anonymously.
    Explicit {
        /// Host and optional port, as in image references.
        registry: String,
        /// What to send there.
        credentials: Credentials,
    },
    /// Those of the person at the command line. Never use this in a service: helpers would be run for
    /// registries that strangers name.
    ConfigFiles(ConfigFiles),
}

/// Configuration files of Docker and Podman, first hit wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    /// The files, whether they exist or not.
    pub paths: Vec<PathBuf>,
    /// Where credential helpers are, instead of on the search path.
    pub helper_dir: Option<PathBuf>,
}

impl ConfigFiles {
    /// Where the tools keep them: `REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` or
    /// `~/.docker/config.json`, then Podman's `auth.json` in the runtime and the configuration directory.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))
    }

    fn from_variables(read: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let home = read("HOME");
        let docker = read("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let config = read("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        let paths = [
            read("REGISTRY_AUTH_FILE"),
            docker.map(|dir| dir.join("config.json")),
            read("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
            config.map(|dir| dir.join("containers/auth.json")),
        ];
        Self { paths: paths.into_iter().flatten().collect(), helper_dir: None }
    }
}

impl CredentialSource {
    /// The credentials for a repository of a registry, as written in image references; `None` when there
    /// are none.
    pub(crate) async fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, OciError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Explicit { registry: own, credentials } => {
                Ok((normal_key(own) == normal_key(registry)).then(|| credentials.clone()))
            }
            Self::ConfigFiles(files) => {
                for path in &files.paths {
                    let error = |why: String| OciError::Credentials {
                        registry: registry.to_owned(),
                        why: format!("{}: {why}", path.display()),
                    };
                    let Some(config) = load_config(path).await.map_err(error)? else { continue };
                    if let Some(found) = config.find(registry, repository, files).await.map_err(error)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default, deserialize_with = "null_as_default")]
    auths: HashMap<String, Auth>,
    #[serde(default, deserialize_with = "null_as_default")]
    cred_helpers: HashMap<String, String>,
    #[serde(default, deserialize_with = "null_as_default")]
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
struct Auth {
    #[serde(default, deserialize_with = "null_as_default")]
    auth: String,
    #[serde(default, deserialize_with = "null_as_default")]
    username: String,
    #[serde(default, deserialize_with = "null_as_default")]
    password: String,
    #[serde(default, deserialize_with = "null_as_default")]
    identitytoken: String,
}

/// Reads a configuration file; `None` when it is not there. The error never quotes its content.
async fn load_config(path: &Path) -> Result<Option<Config>, String> {
    let length = match tokio::fs::metadata(path).await {
        Ok(metadata) => metadata.len(),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(e.to_string()),
    };
    if length > CONFIG_BYTES {
        return Err("the file is too large".to_owned());
    }
    let bytes = tokio::fs::read(path).await.map_err(|e| e.to_string())?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| format!("not the JSON expected, line {} column {}", e.line(), e.column()))
}

impl Config {
    async fn find(
        &self,
        registry: &str,
        repository: &str,
        files: &ConfigFiles,
    ) -> Result<Option<Credentials>, String> {
        let wanted = normal_key(registry);
        if let Some((key, helper)) = self.cred_helpers.iter().find(|(key, _)| normal_key(key) == wanted) {
            return ask_helper(helper, key, files).await;
        }
        // Podman's keys may hold a part of the repository; the longest that fits wins.
        let full = format!("{wanted}/{repository}");
        let best = self
            .auths
            .iter()
            .map(|(key, auth)| (normal_key(key), auth))
            .filter(|(key, _)| {
                full.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|(key, _)| key.len());
        if let Some((_, auth)) = best
            && let Some(credentials) = auth.decode()?
        {
            return Ok(Some(credentials));
        }
        if self.creds_store.is_empty() {
            return Ok(None);
        }
        let key = if wanted == "docker.io" { HUB_KEY } else { registry };
        ask_helper(&self.creds_store, key, files).await
    }
}

impl Auth {
    /// `None` for the empty entries that Docker writes beside a credentials store.
    fn decode(&self) -> Result<Option<Credentials>, String> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if !self.auth.is_empty() {
            let text = self.auth.trim_end_matches('=');
            let decoded = BASE64_STANDARD_NO_PAD.decode(text).or_else(|_| STANDARD.decode(&self.auth));
            let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or("an auth entry is not Base64")?;
            // Some tools pad with a zero byte.
            let (username, password) =
                decoded.trim_end_matches('\0').split_once(':').ok_or("an auth entry is not user:password")?;
            return Ok(Some(Credentials::basic(username, password)));
        }
        if !self.username.is_empty() {
            return Ok(Some(Credentials::basic(&self.username, &self.password)));
        }
        Ok(None)
    }
}

/// Host and path of a key without scheme and trailing slash, with one name for Docker Hub.
fn normal_key(key: &str) -> String {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    // Version suffixes are Docker's, not part of a repository.
    let bare = bare.trim_end_matches("/v1").trim_end_matches("/v2");
    match bare {
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks `docker-credential-<helper>`; `None` when it knows nothing.
async fn ask_helper(helper: &str, key: &str, files: &ConfigFiles) -> Result<Option<Credentials>, String> {
    // A name, not a path: the configuration may come from a shared home directory.
    let plain = !helper.is_empty()
        && helper.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !plain {
        return Err("the name of the credential helper is not a plain name".to_owned());
    }
    let program = format!("docker-credential-{helper}");
    let path = files.helper_dir.as_ref().map_or_else(|| PathBuf::from(&program), |dir| dir.join(&program));
    let asked = tokio::time::timeout(HELPER_TIME, run_helper(&path, key)).await;
    let output = match asked {
        Err(_) => return Err(format!("{program} did not answer within {} s", HELPER_TIME.as_secs())),
        Ok(Err(e)) => return Err(format!("{program} could not be run: {e}")),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        // The protocol knows this one answer for "not mine"; anything else is not repeated, it may be secret.
        let said = String::from_utf8_lossy(&output.stdout);
        if said.trim() == "credentials not found in native keychain" {
            return Ok(None);
        }
        return Err(format!("{program} failed ({})", output.status));
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&output.stdout).map_err(|_| format!("{program} gave no valid answer"))?;
    Ok(match (answer.username.as_str(), answer.secret) {
        (_, secret) if secret.is_empty() => None,
        ("<token>", secret) => Some(Credentials::IdentityToken(secret)),
        (username, secret) => Some(Credentials::basic(username, secret)),
    })
}

async fn run_helper(program: &Path, key: &str) -> io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may answer without reading the question.
        match stdin.write_all(key.as_bytes()).await {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(e),
            _ => {}
        }
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(config: &str, registry: &str, repository: &str, expected: Option<(&str, &str)>) {
        let config: Config = serde_json::from_str(config).unwrap();
        let found = config.find(registry, repository, &ConfigFiles::default()).await.unwrap();
        let expected = expected.map(|(user, password)| match user {
            "<token>" => Credentials::IdentityToken(password.to_owned()),
            _ => Credentials::basic(user, password),
        });
        assert!(found == expected, "{registry}/{repository}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn finds_the_best_entry() {
        let config = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"aHViOnNlY3JldDE="},
            "quay.io":{"auth":"cXVheTpwOmFzcw"},
            "quay.io/team":{"username":"team","password":"t"},
            "r.io:5000":{"identitytoken":"refresh"},
            "empty.io":{}},"credHelpers":null}"#;
        check(config, "docker.io", "library/alpine", Some(("hub", "secret1"))).await;
        check(config, "quay.io", "other/app", Some(("quay", "p:ass"))).await;
        check(config, "quay.io", "team/app", Some(("team", "t"))).await;
        check(config, "quay.io", "teamwork/app", Some(("quay", "p:ass"))).await;
        check(config, "r.io:5000", "a", Some(("<token>", "refresh"))).await;
        check(config, "r.io", "a", None).await;
        check(config, "empty.io", "a", None).await;
        check("{}", "quay.io", "a", None).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn never_quotes_a_broken_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, r#"{"auths":{"r.io":{"auth":"hunter2 is no base64"}}}"#).unwrap();
        let source = CredentialSource::ConfigFiles(ConfigFiles { paths: vec![path], helper_dir: None });
        let error = source.find("r.io", "a").await.unwrap_err();
        assert_eq!(error.code(), "credentials-unusable");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn refuses_helpers_with_a_path() {
        let files = ConfigFiles::default();
        assert!(ask_helper("../evil", "r.io", &files).await.unwrap_err().contains("plain name"));
        assert!(
            ask_helper("nonexistent-helper", "r.io", &files).await.unwrap_err().contains("could not be run")
        );
    }

    /// Has another process write the helper: one that this process wrote could be "busy" when it is run.
    fn write_helper(dir: &Path, body: &str) {
        let path = dir.join("docker-credential-test");
        let script = format!("cat > '{0}' <<'END'\n#!/bin/sh\n{body}\nEND\nchmod +x '{0}'", path.display());
        assert!(std::process::Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn asks_helpers() {
        let dir = tempfile::tempdir().unwrap();
        let files = ConfigFiles { paths: Vec::new(), helper_dir: Some(dir.path().to_owned()) };
        let cases = [
            (r#"read key; echo "{\"Username\":\"$1\",\"Secret\":\"$key\"}""#, Ok(Some(("get", "r.io")))),
            (r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}'"#, Ok(Some(("<token>", "t")))),
            (r#"echo '{"Username":"","Secret":""}'"#, Ok(None)),
            ("echo credentials not found in native keychain; exit 1", Ok(None)),
            ("echo hunter2; echo hunter2 >&2; exit 3", Err("failed")),
            ("echo hunter2", Err("no valid answer")),
        ];
        for (body, expected) in cases {
            write_helper(dir.path(), body);
            let found = ask_helper("test", "r.io", &files).await;
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    let expected = expected.map(|(user, secret)| match user {
                        "<token>" => Credentials::IdentityToken(secret.to_owned()),
                        user => Credentials::basic(user, secret),
                    });
                    assert!(found == expected, "{body}");
                }
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected) && !found.contains("hunter2"), "{found}");
                }
                _ => panic!("{body}"),
            }
        }
    }

    #[test]
    fn looks_where_the_tools_look() {
        let files = ConfigFiles::from_variables(|name| match name {
            "HOME" => Some("/home/u".into()),
            "XDG_RUNTIME_DIR" => Some("/run/u".into()),
            _ => None,
        });
        let expected = [
            "/home/u/.docker/config.json",
            "/run/u/containers/auth.json",
            "/home/u/.config/containers/auth.json",
        ];
        assert_eq!(files.paths, expected.map(PathBuf::from));
    }
}
