//! PostgreSQL for tests: one throw-away cluster a test process, a database of its own for every test.
//!
//! `LAZARET_TEST_DATABASE_URL` names a server on which databases may be made instead. The cluster listens on
//! loopback and ends, with its files, when the test process does, however that ends: a shell holds a pipe from it.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::tool;

/// Who owns the files of the cluster when the tests run as root, which PostgreSQL refuses.
const NOBODY: u32 = 65534;
/// How long it may take to accept connections.
const START_TIME: Duration = Duration::from_secs(60);

/// Starts the server, waits until the pipe from the test process closes, ends it and removes its files.
const KEEPER: &str = r#"
"$@" >"$DIR/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$DIR"
"#;

/// The cluster of this process.
struct Cluster {
    /// `postgres://user@127.0.0.1:port`
    base: String,
    /// Holds the pipe.
    _keeper: Option<Child>,
}

static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where databases come from.
#[derive(Debug)]
pub struct Postgres;

/// A database; dropped with this.
#[derive(Debug)]
pub struct TestDatabase {
    base: String,
    name: String,
}

impl Postgres {
    /// A fresh database. `None`, after a line that says so, when PostgreSQL is not installed.
    ///
    /// # Errors
    /// When the server does not come up, or refuses.
    pub fn database() -> io::Result<Option<TestDatabase>> {
        let base = {
            let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
            if cluster.is_none() {
                *cluster = match std::env::var("LAZARET_TEST_DATABASE_URL") {
                    Ok(url) => Some(Cluster { base: without_database(&url), _keeper: None }),
                    Err(_) => start()?,
                };
            }
            match &*cluster {
                Some(cluster) => cluster.base.clone(),
                None => return Ok(None),
            }
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lazaret_test_{}_{number}", std::process::id());
        sql(&base, &format!("create database {name}"))?;
        Ok(Some(TestDatabase { base, name }))
    }
}

impl TestDatabase {
    /// `postgres://user@127.0.0.1:port/name`
    pub fn url(&self) -> String {
        format!("{}/{}", self.base, self.name)
    }

    /// Runs statements as somebody beside the service: to break things.
    ///
    /// # Errors
    /// When they fail.
    pub fn run(&self, statements: &str) -> io::Result<()> {
        psql(&self.url(), statements)
    }
}

/// Statements of a transaction that is kept open; it is rolled back with this.
#[derive(Debug)]
pub struct Held(Child);

impl TestDatabase {
    /// Runs statements in a transaction that stays open until the answer is dropped: to lock tables.
    ///
    /// # Errors
    /// When psql does not start, or ends before the statements are carried out.
    pub fn hold(&self, statements: &str) -> io::Result<Held> {
        let mut child = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.as_mut(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        writeln!(stdin, "begin; {statements};\n\\echo held")?;
        let held = Held(child);
        match io::BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line == "held") {
            true => Ok(held),
            false => Err(io::Error::other("psql ended before the statements were carried out")),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // The cluster may be gone already, and with it the database.
        let _ = sql(&self.base, &format!("drop database if exists {} with (force)", self.name));
    }
}

fn without_database(url: &str) -> String {
    match url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| url.len() - rest.len() + at)) {
        Some(at) => url.get(..at).unwrap_or(url).to_owned(),
        None => url.to_owned(),
    }
}

fn sql(base: &str, statement: &str) -> io::Result<()> {
    psql(&format!("{base}/postgres"), statement)
}

fn psql(url: &str, statements: &str) -> io::Result<()> {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statements]);
    tool::run(&mut command).map(drop)
}

/// Debian keeps the programs of the server off the search path, a directory for each version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.filter_map(|dir| Some((dir.file_name().to_str()?.parse::<u32>().ok()?, dir.path()))).max();
    newest
        .map(|(_, dir)| dir.join("bin"))
        .into_iter()
        .chain(tool::find("initdb").and_then(|path| path.parent().map(Path::to_owned)))
        .find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}

fn start() -> io::Result<Option<Cluster>> {
    let (Some(programs), Some(_)) = (programs(), tool::find("psql")) else {
        tool::skip("tests on PostgreSQL: it is not installed (Debian: postgresql)");
        return Ok(None);
    };
    let dir = tempfile::Builder::new().prefix("lazaret-pg-").tempdir()?.keep();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(&dir, Some(NOBODY), Some(NOBODY))?;
    }
    let as_nobody = |program: &Path| -> Vec<String> {
        let program = program.display().to_string();
        if !is_root {
            return vec![program];
        }
        let id = NOBODY.to_string();
        let words = ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", &program];
        words.map(str::to_owned).to_vec()
    };
    let data = dir.join("data");
    let initdb = as_nobody(&programs.join("initdb"));
    let mut command = Command::new(&initdb[0]);
    command.args(&initdb[1..]).args([
        "-U",
        "lazaret",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-D",
    ]);
    tool::run(command.arg(&data).current_dir(&dir))?;

    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut server = as_nobody(&programs.join("postgres"));
    server.extend(["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()]);
    for option in [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", dir.display()),
        "max_connections=200".to_owned(),
        "fsync=off".to_owned(),
        "synchronous_commit=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "shared_buffers=256MB".to_owned(),
    ] {
        server.extend(["-c".to_owned(), option]);
    }
    let keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .args(server)
        .env("DIR", &dir)
        .current_dir(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let cluster = Cluster { base: format!("postgres://lazaret@127.0.0.1:{port}"), _keeper: Some(keeper) };
    let deadline = Instant::now() + START_TIME;
    loop {
        match sql(&cluster.base, "select 1") {
            Ok(()) => return Ok(Some(cluster)),
            Err(error) if Instant::now() > deadline => {
                let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("{error}; the server says: {log}")));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_is_another_one() {
        let Some(one) = Postgres::database().unwrap() else { return };
        let two = Postgres::database().unwrap().unwrap();
        one.run("create table t (a int)").unwrap();
        two.run("create table t (a int)").unwrap();
        assert!(one.run("create table t (a int)").is_err());
        let url = one.url();
        drop(one);
        assert!(psql(&url, "select 1").is_err());
    }

    #[test]
    fn the_database_of_a_url_is_left_out() {
        assert_eq!(without_database("postgres://a:b@c:1/d?e=f"), "postgres://a:b@c:1");
        assert_eq!(without_database("postgres://a@c"), "postgres://a@c");
    }
}
