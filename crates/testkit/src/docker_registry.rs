//! The registry of the distribution project (Debian's `docker-registry`), run on a free loopback port with a
//! store of its own. Tests use it where it is installed.

use std::{
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::tool;

/// The only user of a registry with a password.
pub const USER: &str = "lazaret";
/// Its password.
pub const PASSWORD: &str = "quarantine";
/// `PASSWORD` as htpasswd writes it, with the least costly bcrypt.
const PASSWORD_HASH: &str = "$2b$05$abcdefghijklmnopqrstuuMhcV2ULzE4ozfo9Ej71JMfk20Ym7.CW";
/// How long it may take to accept connections.
const START_TIME: Duration = Duration::from_secs(20);

/// How the registry is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Whether it asks for [`USER`] and [`PASSWORD`].
    pub password: bool,
    /// Whether it speaks TLS, with this certificate.
    pub tls: Option<Certificate>,
}

/// A certificate for `127.0.0.1`, signed by an authority made for the purpose.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The authority's certificate, PEM.
    pub authority: PathBuf,
    /// The server's certificate, PEM.
    pub certificate: PathBuf,
    /// The server's key, PEM.
    pub key: PathBuf,
}

/// A running registry; it is killed when dropped.
pub struct DockerRegistry {
    child: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl DockerRegistry {
    /// Starts it, and waits until it accepts connections. `None`, after a line that says so, when it is not
    /// installed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(setup: &Setup) -> io::Result<Option<Self>> {
        Self::start_telling(setup, None)
    }

    /// The same, and every event is told to that URL at once, with that `Authorization`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_telling(setup: &Setup, told: Option<(&str, &str)>) -> io::Result<Option<Self>> {
        let Some(program) = tool::find_or_skip("docker-registry", "tests on a real registry") else {
            return Ok(None);
        };
        let mut last = io::Error::other("not started");
        // Between choosing a free port and listening on it, somebody else may take it.
        for _ in 0..3 {
            match Self::try_start(&program, setup, told) {
                Ok(registry) => return Ok(Some(registry)),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn try_start(program: &Path, setup: &Setup, told: Option<(&str, &str)>) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = dir.path().join("config.yml");
        let mut text = configuration(dir.path(), address, setup)?;
        if let Some((url, authorization)) = told {
            let _ = write!(
                text,
                "notifications:\n  endpoints:\n    - name: told\n      url: {url}\n      headers:\n        \
                 Authorization: ['{authorization}']\n      timeout: 1s\n      threshold: 5\n      backoff: 1s\n"
            );
        }
        fs::write(&config, text)?;
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log"))?)
            .spawn()?;
        let mut registry = Self { child, address, _dir: dir };
        registry.wait_until_ready()?;
        Ok(registry)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("docker-registry ended ({status})")));
            }
            if begun.elapsed() > START_TIME {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "docker-registry does not accept connections",
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// `127.0.0.1:PORT`, as in image references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(dir: &Path, address: SocketAddr, setup: &Setup) -> io::Result<String> {
    let store = dir.join("store");
    let mut parts = vec![
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n".to_owned(),
        format!(
            "storage:\n  filesystem: {{rootdirectory: '{}'}}\n  delete: {{enabled: true}}\n",
            store.display()
        ),
    ];
    if setup.password {
        let passwords = dir.join("htpasswd");
        fs::write(&passwords, format!("{USER}:{PASSWORD_HASH}\n"))?;
        parts.push(format!("auth:\n  htpasswd: {{realm: test, path: '{}'}}\n", passwords.display()));
    }
    parts.push(format!("http:\n  addr: {address}\n  secret: not-a-secret\n"));
    if let Some(tls) = &setup.tls {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        parts.push(format!("  tls: {{certificate: '{certificate}', key: '{key}'}}\n"));
    }
    Ok(parts.concat())
}

impl Certificate {
    /// Makes one with `openssl`. `None`, after a line that says so, when that is not installed.
    ///
    /// # Errors
    /// When `openssl` fails.
    pub fn create(dir: &Path) -> io::Result<Option<Self>> {
        let Some(openssl) = tool::find_or_skip("openssl", "tests with a private certificate authority")
        else {
            return Ok(None);
        };
        let at = |name: &str| dir.join(name);
        let openssl = |arguments: &str| {
            let mut command = Command::new(&openssl);
            tool::run(command.current_dir(dir).args(arguments.split(' ')))
        };
        fs::write(at("server.ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")?;
        let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!("req -x509 {new} -keyout ca.key -out ca.pem -days 30 -subj /CN=Lazaret-tests"))?;
        openssl(&format!("req {new} -keyout server.key -out server.csr -subj /CN=127.0.0.1"))?;
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.pem",
        )?;
        Ok(Some(Self { authority: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") }))
    }
}
