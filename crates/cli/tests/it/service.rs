//! A service of the binary's own: started, asked over HTTP, and ended.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::binary::{Home, Run, run};

/// How long anything may take; only a failure takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A password of the administrator's own.
pub(crate) const PASSWORD: &str = "seven quiet harbour walls";

/// A running service.
pub(crate) struct Service {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it printed before it answered.
    pub(crate) banner: String,
    pub(crate) address: SocketAddr,
}

impl Service {
    /// Starts it in `data` and waits until it says where it answers.
    pub(crate) fn start(home: &Home, more: &[&str]) -> Self {
        Self::start_in(home, "data", more)
    }

    /// The same in another directory.
    pub(crate) fn start_in(home: &Home, data: &str, more: &[&str]) -> Self {
        let serve = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--log-format", "json"];
        let own = ["--set", "images.allow=127.0.0.1", "--set", "advisories.offline=true"];
        let mut command = home.command(serve.iter().chain(&own).chain(more));
        let log = File::options().create(true).append(true).open(home.path("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        // The block about the store ends with an empty line; nothing before it waits for anybody.
        while !banner.contains("\n  store ") {
            let length = out.read_line(&mut banner).unwrap();
            assert!(length > 0, "ended early: {banner}{}", fs::read_to_string(home.path("log")).unwrap());
        }
        out.read_line(&mut banner).unwrap();
        let line = banner.lines().find(|line| line.starts_with("  address ")).unwrap();
        let address = line.rsplit('/').next().unwrap().parse().unwrap();
        Self { child, out, banner, address }
    }

    /// The password that is shown below the block, once.
    pub(crate) fn first_password(&mut self) -> String {
        let mut text = String::new();
        while !text.contains("  log in ") {
            assert!(self.out.read_line(&mut text).unwrap() > 0, "{text}");
        }
        self.out.read_line(&mut text).unwrap();
        let line = text.lines().find(|line| line.starts_with("  password")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    pub(crate) fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end: the rest of what it printed.
    pub(crate) fn ended(mut self) -> Run {
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code();
        Run { code, out, err: String::new() }
    }

    /// Ends it without a word (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Reads a stream of events to its end: status, head and the data of each.
    pub(crate) fn stream(&self, line: &str, headers: &str) -> (u16, String, Vec<Value>) {
        let (status, head, text) = self.send(line, headers, "");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        (status, head, data.map(|data| serde_json::from_str(data).unwrap()).collect())
    }

    /// Ends it gracefully.
    pub(crate) fn stop(self) {
        self.signal();
        let run = self.ended();
        assert_eq!(run.code, Some(0), "{run:?}");
    }

    /// Sends a request: status, head and body of the answer.
    pub(crate) fn ask(&self, line: &str, headers: &str, body: &Value) -> (u16, String, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, head, text) = self.send(line, headers, &body);
        (status, head, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn send(&self, line: &str, headers: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (address, length) = (self.address, body.len());
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    /// Logs the administrator in: the header with the cookie.
    pub(crate) fn log_in(&self, password: &str) -> String {
        let login = json!({ "name": "admin", "password": password });
        let (status, head, body) = self.ask("POST /api/portal/v1/session", "", &login);
        assert_eq!(status, 200, "{body}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        format!("cookie: {}\r\n", cookie.split(';').next().unwrap())
    }

    /// Makes the first password the administrator's own, and a token: what the command line needs.
    pub(crate) fn first_token(&mut self) -> String {
        let first = self.first_password();
        let cookie = self.log_in(&first);
        let (status, _, body) = self.ask("GET /api/portal/v1/images", &cookie, &Value::Null);
        assert_eq!((status, &body["code"]), (403, &json!("password-must-change")), "{body}");
        let change = json!({ "old": first, "new": PASSWORD });
        let (status, _, body) = self.ask("PUT /api/portal/v1/me/password", &cookie, &change);
        assert_eq!(status, 204, "{body}");
        let cookie = self.log_in(PASSWORD);
        let order = json!({ "name": "pipeline", "role": "operator" });
        let (status, _, body) = self.ask("POST /api/portal/v1/tokens", &cookie, &order);
        assert_eq!(status, 201, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    /// Runs a command that asks this service.
    pub(crate) fn client(&self, home: &Home, token: &str, args: &[&str]) -> Run {
        let mut command = home.command(args);
        command.env("LAZARET_SERVER", format!("http://{}", self.address)).env("LAZARET_TOKEN", token);
        run(&mut command)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        let _ = self.child.kill();
    }
}
