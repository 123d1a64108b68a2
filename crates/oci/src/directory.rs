//! A root file system in a directory, walked without ever leaving it: every name is opened relative to its
//! parent, links are never followed, devices and FIFOs are never opened.
//!
//! Links are reported as they are; what they mean inside the image is for the engine to decide.

use std::{
    fs::File,
    io,
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use model::{
    limits::Limits,
    problem::{Problem, ProblemCode},
};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, fstatfs, openat, readlinkat, statat},
    io::Errno,
};

use crate::error::OciError;

/// Problems kept word by word; the rest is counted.
const PROBLEMS: usize = 100;

/// File systems that hold no files of an image (linux/magic.h): proc, sysfs, cgroup 1 and 2, devpts, debugfs,
/// tracefs, securityfs, bpf.
const PSEUDO: [u64; 9] =
    [0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270, 0x1cd1, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0xcafe_4a11];

/// An opened root directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory; its entries follow.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block or character device.
    Device,
    /// A FIFO or a socket.
    Other,
}

/// One entry, valid while it is visited.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Path relative to the root, with `/` between its parts and none before them.
    pub path: &'a [u8],
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a regular file.
    pub size: u64,
    /// Permission bits, with set-user-id and its kin.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Where a symbolic link points, unresolved.
    pub link_target: Option<&'a [u8]>,
    /// Device and inode: equal for hard links to one file.
    pub inode: (u64, u64),
    /// Names that the file has.
    pub links: u64,
    parent: BorrowedFd<'a>,
    name: &'a [u8],
}

impl Entry<'_> {
    /// Opens a regular file for reading. Fails when it was exchanged for something else since it was listed.
    pub fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(self.parent, self.name, flags, Mode::empty())?;
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || inode(&stat) != self.inode {
            return Err(io::Error::other("the file was replaced while it was read"));
        }
        Ok(fd.into())
    }
}

impl Directory {
    /// Opens a root directory. A link is followed here and nowhere else: the user named it.
    pub fn open(path: &Path) -> Result<Self, OciError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { path: path.to_owned(), fd }),
            Err(Errno::NOENT) => Err(OciError::PathNotFound { path: path.to_owned() }),
            Err(Errno::NOTDIR) => Err(OciError::NotAnImage {
                what: path.display().to_string(),
                why: "dir: needs a directory".to_owned(),
            }),
            Err(e) => Err(OciError::Path { operation: "open", path: path.to_owned(), cause: e.into() }),
        }
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Visits every entry, parents before their entries, each directory sorted by the bytes of its names.
    ///
    /// What cannot be read, is too deep or beyond the limits is returned as problems. The visitor ends the
    /// walk by breaking.
    pub fn walk(
        &self,
        limits: &Limits,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Problem>, OciError> {
        let root_error =
            |e: Errno| OciError::Path { operation: "read", path: self.path.clone(), cause: e.into() };
        let root = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).map_err(root_error)?;
        let device = fstat(&root).map_err(root_error)?.st_dev;
        let mut walk = Walk {
            limits,
            problems: Vec::new(),
            more_problems: 0,
            entries: 0,
            path: Vec::new(),
            stack: Vec::new(),
        };
        let names = list(&root).map_err(root_error)?;
        walk.stack.push(Level { fd: root, device, names: names.into_iter(), path_len: 0 });
        walk.run(visit);
        if walk.more_problems > 0 {
            let message = format!("{} more files and directories could not be read", walk.more_problems);
            walk.problems.push(Problem::new(ProblemCode::PathRefused, message));
        }
        Ok(walk.problems)
    }
}

struct Walk<'a> {
    limits: &'a Limits,
    problems: Vec<Problem>,
    more_problems: usize,
    entries: u64,
    path: Vec<u8>,
    stack: Vec<Level>,
}

/// One directory on the way down.
struct Level {
    fd: OwnedFd,
    device: u64,
    names: std::vec::IntoIter<Vec<u8>>,
    path_len: usize,
}

impl Walk<'_> {
    fn run(&mut self, visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) {
        while let Some(level) = self.stack.last_mut() {
            self.path.truncate(level.path_len);
            let Some(name) = level.names.next() else {
                self.stack.pop();
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            if self.entries >= self.limits.layer_entries {
                let message =
                    format!("more than {} entries; the rest was left out", self.limits.layer_entries);
                self.problems.push(Problem::new(ProblemCode::LayerLimit, message));
                return;
            }
            self.entries += 1;
            match self.step(&name, visit) {
                Ok(ControlFlow::Continue(Some(next))) => self.stack.push(next),
                Ok(ControlFlow::Continue(None)) => {}
                Ok(ControlFlow::Break(())) => return,
                // What vanished in the meantime was not part of the image.
                Err(Errno::NOENT) => {}
                Err(e) => self.problem(&format!("cannot be read: {}", io::Error::from(e))),
            }
        }
    }

    /// Visits one entry; yields the next level when it is a directory to descend into.
    fn step(
        &mut self,
        name: &[u8],
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<(), Option<Level>>, Errno> {
        let Some(level) = self.stack.last() else { return Ok(ControlFlow::Continue(None)) };
        if self.path.len() > self.limits.path_bytes || self.stack.len() > self.limits.path_depth {
            self.problem("is longer or deeper than the limit");
            return Ok(ControlFlow::Continue(None));
        }
        let stat = statat(&level.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Symlink,
            FileType::BlockDevice | FileType::CharacterDevice => EntryKind::Device,
            _ => EntryKind::Other,
        };
        let link_target = match kind {
            EntryKind::Symlink => Some(readlinkat(&level.fd, name, Vec::new())?),
            _ => None,
        };
        let entry = Entry {
            path: &self.path,
            kind,
            size: if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 },
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            link_target: link_target.as_deref().map(std::ffi::CStr::to_bytes),
            inode: inode(&stat),
            links: stat.st_nlink as u64,
            parent: level.fd.as_fd(),
            name,
        };
        if visit(entry).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if kind != EntryKind::Directory {
            return Ok(ControlFlow::Continue(None));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&level.fd, name, flags, Mode::empty())?;
        let device = fstat(&fd)?.st_dev;
        if device != level.device && fstatfs(&fd).is_ok_and(|s| PSEUDO.contains(&(s.f_type as u64))) {
            return Ok(ControlFlow::Continue(None));
        }
        let names = list(&fd)?.into_iter();
        Ok(ControlFlow::Continue(Some(Level { fd, device, names, path_len: self.path.len() })))
    }

    fn problem(&mut self, message: &str) {
        if self.problems.len() >= PROBLEMS {
            self.more_problems += 1;
            return;
        }
        let path: String = String::from_utf8_lossy(&self.path).chars().take(1024).collect();
        self.problems.push(Problem::new(ProblemCode::PathRefused, message).at_path(path));
    }
}

fn inode(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// The names in a directory, sorted.
fn list(fd: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn walk(root: &Path, limits: &Limits) -> (Vec<String>, Vec<Problem>) {
        let mut seen = Vec::new();
        let problems = Directory::open(root)
            .unwrap()
            .walk(limits, &mut |entry| {
                let target = entry.link_target.map(|t| format!(" -> {}", String::from_utf8_lossy(t)));
                let path = String::from_utf8_lossy(entry.path).into_owned();
                seen.push(format!("{:?} {path}{} {}", entry.kind, target.unwrap_or_default(), entry.size));
                ControlFlow::Continue(())
            })
            .unwrap();
        (seen, problems)
    }

    #[test]
    fn visits_sorted_and_never_follows() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("b/c")).unwrap();
        std::fs::write(at("b/c/file"), "hello").unwrap();
        std::fs::write(at("b-file"), "").unwrap();
        std::fs::hard_link(at("b/c/file"), at("hard")).unwrap();
        symlink(outside.path(), at("a-link")).unwrap();
        symlink("..", at("b/up")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let (seen, problems) = walk(root.path(), &Limits::standard());
        let outside = outside.path().display();
        assert_eq!(
            seen,
            [
                format!("Symlink a-link -> {outside} 0"),
                "Directory b 0".into(),
                "Directory b/c 0".into(),
                "File b/c/file 5".into(),
                "Symlink b/up -> .. 0".into(),
                "File b-file 0".into(),
                "Other fifo 0".into(),
                "File hard 5".into(),
            ]
        );
        assert!(problems.is_empty());
    }

    #[test]
    fn opens_files_and_knows_hard_links() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a"), "hello").unwrap();
        std::fs::hard_link(root.path().join("a"), root.path().join("b")).unwrap();
        let mut inodes = Vec::new();
        Directory::open(root.path())
            .unwrap()
            .walk(&Limits::standard(), &mut |entry| {
                assert_eq!(io::read_to_string(entry.open().unwrap()).unwrap(), "hello");
                assert_eq!(entry.links, 2);
                inodes.push(entry.inode);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(inodes.len(), 2);
        assert_eq!(inodes[0], inodes[1]);
    }

    #[test]
    fn a_file_exchanged_for_a_link_is_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a");
        std::fs::write(&file, "hello").unwrap();
        let mut opened = None;
        Directory::open(root.path())
            .unwrap()
            .walk(&Limits::standard(), &mut |entry| {
                std::fs::remove_file(&file).unwrap();
                symlink("/etc/passwd", &file).unwrap();
                opened = Some(entry.open().is_ok());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(opened, Some(false));
    }

    #[test]
    fn meets_its_limits() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b/c/d")).unwrap();
        let limits = Limits { path_depth: 2, ..Limits::standard() };
        let (seen, problems) = walk(root.path(), &limits);
        assert_eq!(seen, ["Directory a 0", "Directory a/b 0"]);
        assert_eq!(problems[0].code, ProblemCode::PathRefused);
        assert_eq!(problems[0].path.as_deref(), Some("a/b/c"));
        let limits = Limits { layer_entries: 3, ..Limits::standard() };
        let (seen, problems) = walk(root.path(), &limits);
        assert_eq!((seen.len(), problems[0].code), (3, ProblemCode::LayerLimit));
    }

    #[test]
    fn says_what_is_no_directory() {
        let code = |path: &Path| Directory::open(path).unwrap_err().code();
        assert_eq!(code(Path::new("/nonexistent/root")), "path-not-found");
        assert_eq!(code(Path::new("/dev/null")), "not-an-image");
    }

    #[test]
    fn breaks_when_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        let mut count = 0;
        Directory::open(root.path())
            .unwrap()
            .walk(&Limits::standard(), &mut |_| {
                count += 1;
                ControlFlow::Break(())
            })
            .unwrap();
        assert_eq!(count, 1);
    }
}
