//! The oracle of the merge: for random stacks of layers, scanning the stack equals scanning the directory that
//! `umoci unpack` makes of it.
//!
//! `LAZARET_STACKS` sets how many stacks are compared (a few hundred by default, 10,000 in the soak), `LAZARET_STACK_SEED`
//! the first seed.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use model::Inventory;
use testkit::{
    layer::{Compression, Layer, LayerBuilder},
    tool,
};

use crate::{image, random::Random, scan, spec, write_layout};

const DIRECTORIES: &[&str] = &[
    "a",
    "b",
    "a/b",
    "usr",
    "usr/lib",
    "lib",
    "opt/app",
    "var/lib/dpkg",
    "srv",
    "etc",
    "usr/lib/apk/db",
    "lib/apk/db",
];

/// Files that an analyzer wants at a fixed place, and those that it wants anywhere.
const FIXED: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "etc/alpine-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/base",
    "var/lib/dpkg/info/p1.list",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
];
const ANYWHERE: &[&str] = &[
    "p1-1.0.dist-info/METADATA",
    "p2.egg-info/PKG-INFO",
    "p3-2.0.egg-info",
    "node_modules/m1/package.json",
    "node_modules/@s/m2/package.json",
    "plain.txt",
    "x",
];

#[test]
fn a_stack_is_the_directory_that_umoci_unpacks() {
    let Some(umoci) = tool::find_or_skip("umoci", "the merge of random stacks was not compared with umoci")
    else {
        return;
    };
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |n| n.parse().unwrap());
    let stacks = number("LAZARET_STACKS", 300);
    let first = number("LAZARET_STACK_SEED", 1);
    let next = AtomicU64::new(first);
    let (compared, packages, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if compared.load(Ordering::Relaxed) >= stacks || seed >= first + 2 * stacks {
                        break;
                    }
                    match compare(&umoci, seed) {
                        Some(found) => {
                            compared.fetch_add(1, Ordering::Relaxed);
                            packages.fetch_add(found, Ordering::Relaxed);
                        }
                        None => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
    });
    let (compared, packages) = (compared.into_inner(), packages.into_inner());
    println!(
        "{compared} stacks compared, {packages} packages in them, {} that umoci refuses",
        refused.into_inner()
    );
    assert!(compared >= stacks, "too many stacks were refused");
    assert!(packages >= compared, "too few packages to prove anything");
}

/// Compares one stack; `None` when umoci refuses it (a link loop, a hard link to nothing).
fn compare(umoci: &Path, seed: u64) -> Option<u64> {
    let directory = tempfile::tempdir().unwrap();
    let layers = Stack::new(seed).build();
    let listing = listing(&layers);
    write_layout(directory.path(), &image(layers));
    let root = directory.path().join("root");
    let unpacked = Command::new(umoci)
        .args(["raw", "unpack", "--image"])
        .arg(format!("{}:t", directory.path().display()))
        .arg(&root)
        .output()
        .unwrap();
    if !unpacked.status.success() {
        let text = String::from_utf8_lossy(&unpacked.stderr).into_owned();
        let known = [
            "too many levels of symbolic links",
            "no such file or directory",
            "not a directory",
            "operation not permitted",
            "file exists",
        ];
        assert!(
            known.iter().any(|reason| text.contains(reason)),
            "seed {seed}: umoci says {text}\n{listing}"
        );
        return None;
    }
    let stack = bare(scan(&spec(directory.path())).unwrap());
    let tree = bare(scan(&format!("dir:{}", root.display())).unwrap());
    assert_eq!(stack, tree, "seed {seed}: left the stack, right the directory\n{listing}");
    Some(stack.packages.len() as u64)
}

/// What must be equal: a directory has no layers.
fn bare(mut inventory: Inventory) -> Inventory {
    for package in &mut inventory.packages {
        package.layer = None;
    }
    inventory.packages.sort();
    inventory.layers.clear();
    for problem in &mut inventory.problems {
        problem.layer = None;
    }
    // A link loop is told of a layer when something should be written through it.
    inventory.problems.retain(|problem| problem.path.is_none());
    inventory.problems.sort();
    inventory.problems.dedup();
    inventory
}

fn listing(layers: &[Layer]) -> String {
    let mut out = String::new();
    for (number, layer) in layers.iter().enumerate() {
        let mut archive = tar::Archive::new(&layer.tar[..]);
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let link =
                entry.link_name().unwrap().map_or_else(String::new, |to| format!(" -> {}", to.display()));
            let kind = entry.header().entry_type();
            let _ = writeln!(out, "  {number} {kind:?} {}{link}", entry.path().unwrap().display());
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File,
    Directory,
    Link,
}

/// Makes layers, and keeps a rough idea of what is where, so that most stacks can be unpacked.
struct Stack {
    random: Random,
    nodes: BTreeMap<String, Node>,
}

impl Stack {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), nodes: BTreeMap::new() }
    }

    fn build(&mut self) -> Vec<Layer> {
        let layers = 1 + self.random.below(5);
        (0..layers).map(|number| self.layer(number)).collect()
    }

    fn layer(&mut self, number: usize) -> Layer {
        let mut layer = LayerBuilder::new();
        for _ in 0..1 + self.random.below(12) {
            layer = self.step(layer, number);
        }
        // The umoci of Debian 12 reads no zstd.
        let compression = *self.random.pick(&[Compression::Gzip, Compression::None]);
        layer.finish(compression).unwrap()
    }

    fn step(&mut self, layer: LayerBuilder, number: usize) -> LayerBuilder {
        let path = self.path();
        let existing: Vec<String> = self.nodes.keys().cloned().collect();
        match self.random.below(20) {
            0 | 1 if number > 0 && !existing.is_empty() => {
                let gone = self.random.pick(&existing).clone();
                self.remove(&gone);
                layer.whiteout(&gone)
            }
            2 if number > 0 => {
                let directory = (*self.random.pick(DIRECTORIES)).to_owned();
                let below = format!("{directory}/");
                self.nodes.retain(|path, _| !path.starts_with(&below));
                layer.opaque(&directory)
            }
            3 | 4 => {
                let directory = (*self.random.pick(DIRECTORIES)).to_owned();
                let layer = self.parents(layer, &directory);
                self.nodes.insert(directory.clone(), Node::Directory);
                layer.dir(&directory)
            }
            5..=7 => {
                let layer = self.parents(layer, &path);
                let target = self.target(&existing, &path);
                self.remove(&path);
                self.nodes.insert(path.clone(), Node::Link);
                layer.symlink(&path, &target)
            }
            8 | 9 => {
                let files: Vec<&String> = self
                    .nodes
                    .iter()
                    .filter(|(_, node)| **node == Node::File)
                    .map(|(path, _)| path)
                    .collect();
                if files.is_empty() {
                    return layer;
                }
                let target = (*self.random.pick(&files)).clone();
                if target == path || target.starts_with(&format!("{path}/")) {
                    return layer;
                }
                let layer = self.parents(layer, &path);
                if !self.nodes.contains_key(&target) {
                    return layer;
                }
                self.remove(&path);
                self.nodes.insert(path.clone(), Node::File);
                layer.hardlink(&path, &target)
            }
            10 => {
                // One kind replaced by another: a directory, with what is in it, by a file.
                let directory = (*self.random.pick(DIRECTORIES)).to_owned();
                let layer = self.parents(layer, &directory);
                self.remove(&directory);
                self.nodes.insert(directory.clone(), Node::File);
                layer.file(&directory, "x")
            }
            _ => {
                let layer = self.parents(layer, &path);
                self.remove(&path);
                self.nodes.insert(path.clone(), Node::File);
                let content = self.content(&path);
                layer.file(&path, content)
            }
        }
    }

    fn path(&mut self) -> String {
        if self.random.once_in(2) {
            return (*self.random.pick(FIXED)).to_owned();
        }
        let directory = *self.random.pick(DIRECTORIES);
        format!("{directory}/{}", self.random.pick(ANYWHERE))
    }

    /// Where a link leads: to something there, to a directory, out of the root, to nothing.
    fn target(&mut self, existing: &[String], path: &str) -> String {
        let up = "../".repeat(path.matches('/').count());
        match self.random.below(8) {
            0 => "nowhere".into(),
            1 => format!("../../../../{}", self.random.pick(DIRECTORIES)),
            2 => format!("/{}", self.random.pick(DIRECTORIES)),
            3 => format!("/{}", self.random.pick(FIXED)),
            4 if !existing.is_empty() => format!("/{}", self.random.pick(existing)),
            5 if !existing.is_empty() => format!("{up}{}", self.random.pick(existing)),
            6 => format!("{up}{}/{}", self.random.pick(DIRECTORIES), self.random.pick(ANYWHERE)),
            _ => format!("{up}{}", self.random.pick(DIRECTORIES)),
        }
    }

    /// Writes directory entries over files in the way, and sometimes for parents that are there.
    fn parents(&mut self, mut layer: LayerBuilder, path: &str) -> LayerBuilder {
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.nodes.get(parent) {
                Some(Node::File) => {
                    self.nodes.insert(parent.to_owned(), Node::Directory);
                    layer = layer.dir(parent);
                }
                Some(Node::Link) if self.random.once_in(3) => {
                    self.nodes.insert(parent.to_owned(), Node::Directory);
                    layer = layer.dir(parent);
                }
                Some(Node::Directory) if self.random.once_in(6) => layer = layer.dir(parent),
                None => drop(self.nodes.insert(parent.to_owned(), Node::Directory)),
                Some(_) => {}
            }
        }
        layer
    }

    fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.nodes.retain(|other, _| other != path && !other.starts_with(&below));
    }

    fn content(&mut self, path: &str) -> String {
        let version = format!("1.{}", self.random.below(4));
        let name = format!("p{}", self.random.below(3));
        // Links may lead one format's path to another's content: sometimes write the wrong one.
        let kind = if self.random.once_in(10) { *self.random.pick(FIXED) } else { path };
        if kind.ends_with("os-release") {
            let id = self.random.pick(&["debian", "alpine", "ubuntu"]);
            format!("ID={id}\nVERSION_ID=\"{version}\"\n")
        } else if kind.ends_with("alpine-release") {
            format!("3.{version}\n")
        } else if kind.contains("dpkg/status") {
            let stanza = |name: &str, version: &str| {
                format!(
                    "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n"
                )
            };
            let second = if self.random.once_in(2) { stanza("second", "7-1") } else { String::new() };
            stanza(&name, &version) + &second
        } else if kind.ends_with(".list") {
            format!("/.\n/usr\n/{}/{}\n", self.random.pick(DIRECTORIES), self.random.pick(ANYWHERE))
        } else if kind.ends_with("apk/db/installed") {
            let directory = self.random.pick(DIRECTORIES);
            format!(
                "P:{name}\nV:{version}-r0\nA:x86_64\no:{name}\nF:{directory}/p1-1.0.dist-info\nR:METADATA\n\n"
            )
        } else if kind.ends_with("package.json") {
            format!("{{\"name\": \"{name}\", \"version\": \"{version}\"}}")
        } else {
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n")
        }
    }
}
