//! A whole service with its listener: a store, a registry with images made in code, advisories, a worker, people.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use app::{
    Config, Service,
    accounts::{
        Accounts, AccountsConfig, Caller, Secret, TokenOrder, UserOrder,
        oidc::{Oidc, OidcConfig},
    },
    clock,
    config::{AdvisoryConfig, BackgroundConfig, QueueConfig, WorkerConfig},
};
use egress::{
    Body, ClientConfig, Method, RetryPolicy, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use feeds::{BuildOptions, FEEDS};
use model::{Limits, Role};
use serde_json::{Value, json};
use server::{AppState, Settings, TlsFiles};
use store::{OpenOptions, Store};
use tempfile::TempDir;
use testkit::{
    postgres::{Postgres, TestDatabase},
    registry::{Auth, TestRegistry},
    sample::record,
};
use tokio::{sync::watch, task::JoinHandle};

/// How long anything may take; only a failure takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Which database a test runs on.
pub(crate) enum Kind {
    Lite,
    Pg(TestDatabase),
}

/// Every database that is at hand.
pub(crate) fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::Lite];
    kinds.extend(Postgres::database().unwrap().map(Kind::Pg));
    kinds
}

/// Two advisories about curl.
pub(crate) fn curl() -> Vec<String> {
    vec![
        record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H'),
        record("CVE-2026-0002", "Debian:12", "curl", "7.88.1-12", 'L'),
    ]
}

/// What outlives a process of the service.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) registry: TestRegistry,
    pub(crate) kind: Kind,
    pub(crate) settings: Settings,
    pub(crate) max_upload: u64,
    pub(crate) oidc: Option<OidcConfig>,
}

/// What goes on in the background, at the pace of a test; webhooks may lead to loopback.
fn quick() -> BackgroundConfig {
    let mut config = BackgroundConfig::default();
    let poll = Duration::from_millis(20);
    config.notify.allow = vec!["127.0.0.0/8".parse().unwrap()];
    config.notify.timeout = Duration::from_secs(5);
    config.notify.poll = poll;
    config.schedules.poll = poll;
    config.watches.poll = poll;
    config
}

impl World {
    pub(crate) async fn new(kind: Kind) -> Self {
        let registry = TestRegistry::start(Auth::None).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { dir, registry, kind, settings: Settings::default(), max_upload: 1 << 20, oidc: None }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }

    /// Puts these records in the place of the shards that they fill.
    pub(crate) fn advise(&self, records: &[String]) {
        let from = self.dir.path().join("records.jsonl");
        std::fs::write(&from, records.join("\n")).unwrap();
        let built = clock::rfc3339(clock::now());
        let options = BuildOptions { only: None, built, source: "a test".to_owned() };
        feeds::build(&[from], &self.dir.path().join("db"), FEEDS[0], &options).unwrap();
    }

    pub(crate) async fn store(&self) -> Store {
        let options = match &self.kind {
            Kind::Lite => OpenOptions::Sqlite { file: self.dir.path().join("lazaret.db") },
            Kind::Pg(database) => OpenOptions::Postgres { url: database.url(), connections: 10 },
        };
        Store::open(&options).await.unwrap()
    }

    fn config(&self) -> Config {
        Config {
            data: self.data(),
            client: ClientConfig::command_line(),
            plain_http: Vec::new(),
            limits: Limits::standard(),
            advisories: AdvisoryConfig {
                dir: self.dir.path().join("db"),
                base: "http://127.0.0.1:1/".parse().unwrap(),
                offline: true,
                refresh: Duration::from_secs(3600),
                pause: Duration::from_secs(3600),
                watch: Duration::from_millis(20),
            },
            queue: QueueConfig {
                lease: Duration::from_millis(500),
                heartbeat: Duration::from_millis(50),
                max_attempts: 3,
                backoff: Duration::from_millis(10),
                max_backoff: Duration::from_millis(50),
                poll: Duration::from_millis(20),
            },
            workers: WorkerConfig::default(),
            max_upload: self.max_upload,
            buckets: app::config::BucketConfig::default(),
            background: quick(),
        }
    }

    /// The service with its listener; `works` with a worker, too.
    pub(crate) async fn start(&self, works: bool) -> Running {
        self.start_with(works, None).await
    }

    /// The same, by TLS.
    pub(crate) async fn start_with(&self, works: bool, tls: Option<&TlsFiles>) -> Running {
        let service = Service::new(self.store().await, self.config(), None).unwrap();
        let accounts = Accounts::open(service.store.clone(), AccountsConfig::default(), clock::now()).await;
        let accounts = Arc::new(accounts.unwrap());
        let stop = watch::Sender::new(false);
        let mut tasks = Vec::new();
        if works {
            tasks.push(tokio::spawn(app::jobs::worker::work(service.clone(), stop.subscribe())));
            tasks.push(tokio::spawn(app::background::run_all(service.clone(), stop.subscribe())));
        }
        // Who works when nobody does here: another process.
        let working = watch::Sender::new(true);
        let told = working.subscribe();
        let mut state = AppState::new(
            service.clone(),
            Arc::clone(&accounts),
            self.settings.clone(),
            move || *told.borrow(),
            stop.subscribe(),
        );
        if let Some(config) = &self.oidc {
            let client = egress::Client::build(&ClientConfig::command_line()).unwrap();
            state.oidc = Some(Arc::new(Oidc::new(config.clone(), client)));
        }
        let bound = server::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
        let address = bound.address;
        let stopping = stop.subscribe();
        tasks.push(tokio::spawn(async move { server::serve(state, bound, stopping).await.unwrap() }));
        let client = Client::new(format!("http://{address}"), ClientConfig::command_line());
        Running { service, accounts, address, client, working, stop, tasks }
    }
}

/// A running service.
pub(crate) struct Running {
    pub(crate) service: Service,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) address: SocketAddr,
    /// Somebody whom nobody knows.
    pub(crate) client: Client,
    pub(crate) working: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// A client with a token of that role, of a robot that is called like it.
    pub(crate) async fn robot(&self, role: Role) -> Client {
        self.named(role.as_str(), role).await
    }

    /// The same under another name.
    pub(crate) async fn named(&self, name: &str, role: Role) -> Client {
        let system = Caller::system("test");
        let order = UserOrder { name, email: None, role, password: false };
        self.accounts.create_user(&system, &order, clock::now()).await.unwrap();
        let order = TokenOrder { owner: Some(name), name: "test", role, project: None, expires_at: None };
        let made = self.accounts.create_token(&system, &order, clock::now()).await.unwrap();
        self.client.with(&made.secret)
    }

    /// An operator of another project, called `other`, who sees no more than that one.
    pub(crate) async fn stranger(&self) -> Client {
        let (system, now) = (Caller::system("test"), clock::now());
        let project = Some(self.accounts.create_project(&system, "other", now).await.unwrap().id);
        let name = "stranger";
        let order = UserOrder { name, email: None, role: Role::Operator, password: false };
        self.accounts.create_user(&system, &order, now).await.unwrap();
        self.accounts.set_member(&system, "other", name, Some(Role::Operator), now).await.unwrap();
        let order =
            TokenOrder { owner: Some(name), name: "test", role: Role::Operator, project, expires_at: None };
        let made = self.accounts.create_token(&system, &order, now).await.unwrap();
        self.client.with(&made.secret)
    }

    /// Ends as a process does that is killed.
    pub(crate) async fn abandon(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }

    /// Ends as the service does when it is told to.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.service.store.close().await;
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Client {
    http: egress::Client,
    base: String,
    token: Option<String>,
}

/// A question.
pub(crate) struct Question {
    http: egress::Client,
    request: egress::Request,
}

impl Question {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.request = self.request.header(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.request = self.request.body(body);
        self
    }

    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.unwrap()
    }

    pub(crate) async fn try_send(self) -> Result<Answer, egress::EgressError> {
        let answer = self.http.send(self.request).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.read_to_limit(1 << 26).await.unwrap();
        Ok(Answer { status, headers, text: String::from_utf8(bytes.into()).unwrap() })
    }

    /// The answer as it comes.
    pub(crate) async fn open(self) -> egress::Response {
        self.http.send(self.request).await.unwrap()
    }
}

/// What they are told.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer, which must be of that status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// An error, with that status and code.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.is(status).json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        for field in ["type", "title", "detail", "hint", "request_id"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
        }
        body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    /// Nobody; asks once whatever the answer is.
    pub(crate) fn new(base: String, config: ClientConfig) -> Self {
        let retry = RetryPolicy::none();
        let config = ClientConfig { retry, ..config };
        Self { http: egress::Client::build(&config).unwrap(), base, token: None }
    }

    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// The same person at another service.
    pub(crate) fn like(&self, other: &Self) -> Self {
        Self { token: other.token.clone(), ..self.clone() }
    }

    pub(crate) fn with(&self, secret: &Secret) -> Self {
        Self { token: Some(secret.reveal().to_owned()), ..self.clone() }
    }

    /// A question to a route below the base of the API, or with `/` before it, from the root.
    pub(crate) fn ask(&self, method: Method, route: &str) -> Question {
        let path = if route.starts_with('/') { route.to_owned() } else { format!("/api/portal/v1/{route}") };
        let url = format!("{}{path}", self.base).parse().unwrap();
        let request = egress::Request::new("ask", method, url).timeout(PATIENCE + PATIENCE);
        let question = Question { http: self.http.clone(), request };
        match &self.token {
            Some(token) => question.header("authorization", &format!("Bearer {token}")),
            None => question,
        }
    }

    pub(crate) async fn get(&self, route: &str) -> Answer {
        self.ask(Method::GET, route).send().await
    }

    pub(crate) async fn post(&self, route: &str, body: &Value) -> Answer {
        self.send(Method::POST, route, body).await
    }

    pub(crate) async fn send(&self, method: Method, route: &str, body: &Value) -> Answer {
        let question = self.ask(method, route).header("content-type", "application/json");
        question.body(Body::Bytes(body.to_string().into())).send().await
    }

    pub(crate) async fn patch(&self, route: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, route, body).await
    }

    /// Asks until the answer is as it should be in the end.
    pub(crate) async fn until(&self, route: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                last = self.get(route).await.is(200).json();
                if fits(&last) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, asking).await;
        assert!(ended.is_ok(), "{route}: {last}");
        last
    }

    /// Checks that none of these is there for them, whatever they want of it.
    pub(crate) async fn is_kept_from(&self, routes: &[(Method, String)]) {
        for (method, route) in routes {
            let answer = match *method {
                Method::PATCH => self.patch(route, &json!({})).await,
                _ => self.ask(method.clone(), route).send().await,
            };
            answer.fails(404, "not-found");
        }
    }

    pub(crate) async fn delete(&self, route: &str) -> Answer {
        self.ask(Method::DELETE, route).send().await
    }

    /// Asks for a scan: its id.
    pub(crate) async fn submit(&self, image: &str) -> String {
        let answer = self.post("scans", &json!({ "images": [image] })).await.is(202).json();
        answer["scans"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Asks for a scan and waits for its end.
    pub(crate) async fn scan(&self, image: &str) -> Value {
        let id = self.submit(image).await;
        let told = self.get(&format!("scans/{id}?wait=60s")).await.is(200).json();
        assert_eq!(told["scan"], id.as_str(), "{told}");
        told
    }
}
