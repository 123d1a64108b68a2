//! A container engine: Podman's API on a socket of its own, with a store of its own. Tests use it where it is
//! installed; no container is ever started.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::tool;

/// How long it may take to accept connections.
const START_TIME: Duration = Duration::from_secs(60);

/// A running engine; it is killed when dropped.
pub struct Podman {
    program: PathBuf,
    child: Child,
    dir: TempDir,
}

impl Podman {
    /// Starts it, and waits until it accepts connections. `None`, after a line that says so, when it is not
    /// installed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> io::Result<Option<Self>> {
        let Some(program) = tool::find_or_skip("podman", "tests on a container engine") else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let child = command(&program, dir.path())
            .args(["system", "service", "-t", "0"])
            .arg(format!("unix://{}", dir.path().join("podman.sock").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut engine = Self { program, child, dir };
        let deadline = Instant::now() + START_TIME;
        while UnixStream::connect(engine.socket()).is_err() {
            if let Some(status) = engine.child.try_wait()? {
                return Err(io::Error::other(format!("podman ended with {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "podman does not listen"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(engine))
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("podman.sock")
    }

    /// Loads an archive of an image, and answers with what Podman says of it: its name.
    ///
    /// # Errors
    /// When Podman refuses it.
    pub fn load(&self, archive: &Path) -> io::Result<String> {
        let mut load = command(&self.program, self.dir.path());
        let output = tool::run(load.args(["load", "-q", "-i"]).arg(archive))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.trim().trim_start_matches("Loaded image: ").to_owned())
    }
}

fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(dir.join("root")).arg("--runroot").arg(dir.join("run"));
    command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]);
    command
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
