//! A login provider for tests: `oidc-provider-mock` on Authlib's OpenID Connect, in Python, on a free loopback port.
//! It wants a registered client with its secret, a nonce, and the proof of PKCE, which the mock by itself ignores.
//! Tests use it where `scripts/test` has installed it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tool;

/// What it writes to its standard error.
const LOG: &str = "log";

/// Serves, then sets one user for each line of its standard input, and ends with it.
const PROGRAM: &str = r#"
import json, os, sys, threading
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc7636 import CodeChallenge
from oidc_provider_mock import _app as mock
from werkzeug.serving import make_server

challenges = {}

class Proof(CodeChallenge):
    def get_authorization_code_challenge(self, code):
        return challenges[code.code][0]
    def get_authorization_code_challenge_method(self, code):
        return challenges[code.code][1]

save = mock.AuthorizationCodeGrant.save_authorization_code
def save_with_challenge(self, code, request):
    data = request.payload.data
    challenges[code] = (data.get("code_challenge"), data.get("code_challenge_method"))
    return save(self, code, request)
mock.AuthorizationCodeGrant.save_authorization_code = save_with_challenge

register = AuthorizationServer.register_grant
def register_with_proof(self, grant, extensions=None):
    if grant is mock.AuthorizationCodeGrant:
        extensions = [*extensions, Proof(required=True)]
    return register(self, grant, extensions)
AuthorizationServer.register_grant = register_with_proof

app = mock.app(require_client_registration=True, require_nonce=True)
server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
clients = app.test_client()
client = clients.post("/oauth2/clients", json={"redirect_uris": [sys.argv[1]]}).get_json()
print(json.dumps({"port": server.server_port, "id": client["client_id"], "secret": client["client_secret"]}), flush=True)
for line in sys.stdin:
    sub, claims = json.loads(line)
    print(clients.put(f"/users/{sub}", json=claims).status_code, flush=True)
os._exit(0)
"#;

/// A running provider; it ends when dropped, and with this process.
pub struct OidcProvider {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    dir: TempDir,
    port: u16,
    client: (String, String),
}

impl OidcProvider {
    /// Starts one that knows one client, whose browsers come back to `redirect_url`. `None`, after a line that says
    /// so, when it is not installed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(redirect_url: &str) -> io::Result<Option<Self>> {
        let Some(python) = tool::python_with("oidc") else {
            tool::skip(
                "tests of the login provider: oidc-provider-mock is not installed (scripts/test tools does)",
            );
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-c", PROGRAM, redirect_url])
            // No settings of this machine, and no proxy between.
            .env_clear()
            .envs([("HOME", dir.path().as_os_str()), ("PYTHONUTF8", "1".as_ref())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join(LOG))?)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        let (stdin, stdout) = pipes.ok_or_else(|| io::Error::other("the provider has no pipes"))?;
        let pipes = Mutex::new((stdin, stdout));
        let mut provider = Self { child, pipes, dir, port: 0, client: (String::new(), String::new()) };
        let said = provider.answer(None)?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        provider.port = said["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or(0);
        provider.client = (text("id"), text("secret"));
        Ok(Some(provider))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Id and secret of the client.
    pub fn client(&self) -> (&str, &str) {
        (&self.client.0, &self.client.1)
    }

    /// Says who a user is: their claims beside `sub`.
    ///
    /// # Errors
    /// When the provider does not take it.
    pub fn set_user(&self, sub: &str, claims: &Value) -> io::Result<()> {
        let said = self.answer(Some(&json!([sub, claims])))?;
        if said == 204 { Ok(()) } else { Err(io::Error::other(format!("the provider answered {said}"))) }
    }

    /// What a browser does at the address to which it was sent: logs in as that user, or with `None` refuses, and
    /// is sent back: to this address.
    ///
    /// # Errors
    /// When the provider does not send it back.
    pub fn visit(&self, url: &str, sub: Option<&str>) -> io::Result<String> {
        let path = url.strip_prefix(&self.issuer()).ok_or_else(|| io::Error::other("another provider"))?;
        let body = sub.map_or_else(|| "action=deny".to_owned(), |sub| format!("sub={sub}"));
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let location = answer.lines().take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        location.ok_or_else(|| io::Error::other(format!("no way back: {answer}{}", self.log())))
    }

    /// Writes a line, if there is one, and reads the answer.
    fn answer(&self, line: Option<&Value>) -> io::Result<Value> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = &mut *pipes;
        if let Some(line) = line {
            writeln!(stdin, "{line}")?;
            stdin.flush()?;
        }
        let mut answer = String::new();
        stdout.read_line(&mut answer)?;
        serde_json::from_str(&answer)
            .map_err(|_| io::Error::other(format!("the provider has failed: {answer}{}", self.log())))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default()
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
