//! A server of S3 (`moto`, in Python) on a free loopback port, with one bucket. Tests use it where `scripts/test`
//! has installed it.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tool;

/// The bucket that is there from the beginning.
pub const BUCKET: &str = "quarantine";
/// Its region.
pub const REGION: &str = "us-east-1";

/// What it writes to its standard error.
const LOG: &str = "log";

/// Serves, then carries out one command for each line of its standard input, and ends with it.
const PROGRAM: &str = r#"
import json, sys
import boto3
from botocore.config import Config
from moto import settings
from moto.server import ThreadedMotoServer

bucket, region, signed = sys.argv[1:4]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()

def client(service, key, secret):
    return boto3.client(service, endpoint_url=f"http://{host}:{port}", region_name=region,
                        aws_access_key_id=key, aws_secret_access_key=secret,
                        config=Config(proxies={}, s3={"addressing_style": "path"}))

iam = client("iam", "setup", "setup")
allow = lambda action: json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": action, "Resource": "*"}]})
keys = []
for user, action in (("owner", "s3:*"), ("stranger", "s3:ListAllMyBuckets")):
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=allow(action))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys.append([key["AccessKeyId"], key["SecretAccessKey"]])
if signed == "signed":
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
s3 = client("s3", *keys[0])
acl = "private" if signed == "signed" else "public-read"
s3.create_bucket(Bucket=bucket, ACL=acl)
print(json.dumps({"port": port, "keys": keys}), flush=True)
for line in sys.stdin:
    key, file = json.loads(line)
    with open(file, "rb") as body:
        etag = s3.put_object(Bucket=bucket, Key=key, Body=body, ACL=acl)["ETag"]
    print(json.dumps(etag), flush=True)
"#;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
}

/// A running server; it ends when dropped, and with this process.
pub struct Bucket {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    dir: TempDir,
    endpoint: String,
    owner: AccessKey,
    stranger: AccessKey,
}

impl Bucket {
    /// Starts a server that gives everything to everybody. `None`, after a line that says so, when it is not
    /// installed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> io::Result<Option<Self>> {
        Self::start_with("open")
    }

    /// The same, but it verifies every signature, and gives the bucket to [`Self::owner`] only.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_signed() -> io::Result<Option<Self>> {
        Self::start_with("signed")
    }

    fn start_with(mode: &str) -> io::Result<Option<Self>> {
        // Another moto, found by chance, might judge signatures in another way.
        let Some(python) = tool::python_with("moto") else {
            tool::skip("tests on a bucket: the S3 server moto is not installed (scripts/test tools does)");
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let mut child = Command::new(python)
            .args(["-c", PROGRAM, BUCKET, REGION, mode])
            // No settings of this machine, and no proxy between.
            .env_clear()
            .envs([("HOME", dir.path().as_os_str()), ("PYTHONUTF8", "1".as_ref())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join(LOG))?)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        let (stdin, mut stdout) = pipes.ok_or_else(|| io::Error::other("the server has no pipes"))?;
        let said = read_answer(&mut stdout).map_err(|error| with_log(&error, dir.path()))?;
        let key = |n: usize| {
            let text = |i: usize| said["keys"][n][i].as_str().map(str::to_owned);
            let key = text(0).zip(text(1)).map(|(id, secret)| AccessKey { id, secret });
            key.ok_or_else(|| io::Error::other("moto gave no access key"))
        };
        let (owner, stranger) = (key(0)?, key(1)?);
        let endpoint = format!("http://127.0.0.1:{}", said["port"]);
        Ok(Some(Self { child, pipes: Mutex::new((stdin, stdout)), dir, endpoint, owner, stranger }))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Who may do everything.
    pub const fn owner(&self) -> &AccessKey {
        &self.owner
    }

    /// Who is known, but may not read the bucket.
    pub const fn stranger(&self) -> &AccessKey {
        &self.stranger
    }

    /// Puts an object into [`BUCKET`]; yields its tag.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn put(&self, key: &str, content: &[u8]) -> io::Result<String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = &mut *pipes;
        let file = self.dir.path().join("object");
        fs::write(&file, content)?;
        writeln!(stdin, "{}", json!([key, file.to_string_lossy()]))?;
        stdin.flush()?;
        let etag = read_answer(stdout).map_err(|error| with_log(&error, self.dir.path()))?;
        Ok(etag.as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error with what the server wrote to its standard error.
fn with_log(error: &io::Error, dir: &Path) -> io::Error {
    let log = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
    io::Error::other(format!("{error}: {log}"))
}

fn read_answer(stdout: &mut BufReader<ChildStdout>) -> io::Result<Value> {
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|_| io::Error::other("the S3 server has failed"))
}
