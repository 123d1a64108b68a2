//! From what a user typed to an opened source.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{limits::Limits, platform::Platform, reference::ImageReference};
use tokio::runtime::Handle;

use crate::{
    archive::Archive,
    bucket::{BucketError, Buckets, Object, ObjectAddress},
    daemon::{self, Daemons, Engine},
    directory::Directory,
    docker,
    error::OciError,
    image::Image,
    layout::{self, DirectoryFiles},
    registry::{self, Registries},
    resolve::Wish,
};

/// How to open an image.
#[derive(Clone)]
pub struct OpenOptions {
    /// The platform to choose from an index. `None` means this machine's (on Linux), or whatever an image
    /// without alternatives is made for.
    pub platform: Option<Platform>,
    /// Bounds for documents and the number of layers.
    pub limits: Limits,
    /// How to reach registries; without it only files are read.
    pub network: Option<Network>,
    /// Where a compressed archive is decompressed to, unnamed; it should be on disk, not in memory.
    pub temp_dir: PathBuf,
}

/// What is needed to reach registries.
#[derive(Clone)]
pub struct Network {
    /// A multi-threaded runtime that runs the transfers.
    pub runtime: Handle,
    /// Client, credentials, tokens.
    pub registries: Arc<Registries>,
    /// How to reach buckets; without it no `s3://` source is read.
    pub buckets: Option<Arc<Buckets>>,
    /// Where container engines of this machine listen; without it none is asked.
    pub daemons: Option<Daemons>,
}

impl OpenOptions {
    /// Files only, with the standard limits.
    pub fn files_only() -> Self {
        Self { platform: None, limits: Limits::standard(), network: None, temp_dir: default_temp_dir() }
    }

    /// Files and registries, with the standard limits; [`Self::with_buckets`] adds buckets.
    pub fn with_network(runtime: Handle, registries: Arc<Registries>) -> Self {
        Self {
            network: Some(Network { runtime, registries, buckets: None, daemons: None }),
            ..Self::files_only()
        }
    }

    /// Buckets too, where there is a network.
    #[must_use]
    pub fn with_buckets(mut self, buckets: Arc<Buckets>) -> Self {
        if let Some(network) = &mut self.network {
            network.buckets = Some(buckets);
        }
        self
    }
}

impl OpenOptions {
    /// Container engines of this machine too, where there is a network: for the command line, never for a service.
    #[must_use]
    pub fn with_daemons(mut self, daemons: Daemons) -> Self {
        if let Some(network) = &mut self.network {
            network.daemons = Some(daemons);
        }
        self
    }
}

/// `TMPDIR` when it is set, else `/var/tmp`, which unlike `/tmp` is never kept in memory.
fn default_temp_dir() -> PathBuf {
    let var_tmp = Path::new("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && var_tmp.is_dir() {
        var_tmp.into()
    } else {
        std::env::temp_dir()
    }
}

/// What was opened.
#[derive(Debug)]
pub enum Opened {
    /// A container image.
    Image(Box<Image>),
    /// A root file system in a directory.
    Directory(Directory),
}

/// What a text means, before anything is read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spec {
    Layout(PathBuf, Option<String>),
    OciArchive(PathBuf, Option<String>),
    DockerArchive(PathBuf, Option<String>),
    Directory(PathBuf),
    /// A path to be recognised by its content.
    Bare(PathBuf, Option<String>),
    /// An image of an engine on this machine.
    Daemon(Engine, String),
    /// What follows `s3://`.
    Object(String),
    Registry(String),
}

/// Opens what `spec` names:
///
/// - `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`: an OCI image layout,
/// - `docker-archive:FILE[:NAME]`: what `docker save` writes,
/// - `dir:PATH`: a root file system,
/// - `docker:IMAGE`, `podman:IMAGE`: an image of that engine on this machine,
/// - `s3://BUCKET/KEY[#NAME]`: an archive of either kind in a bucket,
/// - a path that exists, or begins with `/`, `./` or `../`: one of these, recognised by its content (a root
///   file system only where it can be nothing but a path),
/// - everything else, or `docker://REFERENCE`: an image in a registry.
///
/// Blocks while documents are read, also from the network: it is meant for threads of the engine, not for
/// async tasks.
pub fn open(spec: &str, options: &OpenOptions) -> Result<Opened, OciError> {
    let wish = Wish {
        reference: spec.to_owned(),
        platform: options.platform.clone(),
        limits: options.limits.clone(),
    };
    let image = |image: Image| Opened::Image(Box::new(image));
    match parse_spec(spec, &|path| path.symlink_metadata().is_ok()) {
        Spec::Layout(path, name) => {
            require_directory(&path)?;
            layout::load(DirectoryFiles::new(path), name.as_deref(), wish).map(image)
        }
        Spec::OciArchive(path, name) => {
            let archive = Archive::load(&path, &options.limits, &options.temp_dir)?;
            layout::load(archive, name.as_deref(), wish).map(image)
        }
        Spec::DockerArchive(path, name) => {
            let archive = Archive::load(&path, &options.limits, &options.temp_dir)?;
            open_archive(archive, name.as_deref(), wish).map(image)
        }
        Spec::Directory(path) => Directory::open(&path).map(Opened::Directory),
        Spec::Bare(path, name) => open_path(&path, name.as_deref(), wish, options),
        Spec::Daemon(engine, name) => open_daemon(engine, &name, wish, options).map(image),
        Spec::Object(text) => open_object(&text, wish, options).map(image),
        Spec::Registry(text) => {
            let reference: ImageReference =
                text.parse().map_err(|cause| OciError::Reference { spec: text.clone(), cause })?;
            let network = options
                .network
                .as_ref()
                .ok_or_else(|| OciError::NoNetwork { image: reference.to_string() })?;
            registry::load(&reference, network, wish).map(image)
        }
    }
}

fn open_path(path: &Path, name: Option<&str>, wish: Wish, options: &OpenOptions) -> Result<Opened, OciError> {
    let image = |image: Image| Opened::Image(Box::new(image));
    let metadata = path.metadata().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => OciError::PathNotFound { path: path.to_owned() },
        _ => OciError::Path { operation: "inspect", path: path.to_owned(), cause: e },
    })?;
    if metadata.is_dir() {
        let files = DirectoryFiles::new(path.to_owned());
        if name.is_some() || layout::is_layout(&files) {
            return layout::load(files, name, wish).map(image);
        }
        // `nginx` may mean the image or a directory of that name. Guessing wrong would scan the wrong thing.
        if !is_path(&wish.reference) {
            return Err(OciError::NotAnImage {
                what: path.display().to_string(),
                why: "it is a directory here that holds no image".to_owned(),
            });
        }
        return Directory::open(path).map(Opened::Directory);
    }
    let archive = Archive::load(path, &options.limits, &options.temp_dir)?;
    open_archive(archive, name, wish).map(image)
}

fn open_daemon(engine: Engine, name: &str, wish: Wish, options: &OpenOptions) -> Result<Image, OciError> {
    let network = options.network.as_ref();
    let (Some(network), Some(daemons)) = (network, network.and_then(|network| network.daemons.as_ref()))
    else {
        return Err(OciError::NoNetwork { image: wish.reference });
    };
    let export = daemon::export(engine, name, daemons, &network.runtime)?;
    let archive = Archive::load_stream(export.reader, export.path, &options.limits, &options.temp_dir)?;
    open_archive(archive, None, wish)
}

fn open_object(text: &str, wish: Wish, options: &OpenOptions) -> Result<Image, OciError> {
    let (address, name) = ObjectAddress::parse(text)?;
    let not_set_up = || BucketError::NotSetUp { object: address.to_string() };
    let network = options.network.as_ref().ok_or_else(not_set_up)?;
    let buckets = network.buckets.as_ref().ok_or_else(not_set_up)?;
    let path = PathBuf::from(address.to_string());
    let object = Object::open(&network.runtime, buckets, address)?;
    let archive = Archive::load_object(object, path, &options.limits, &options.temp_dir)?;
    open_archive(archive, name.as_deref(), wish)
}

/// True for what can only be a path.
fn is_path(spec: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| spec.starts_with(start)) || matches!(spec, "." | "..")
}

/// An archive of either kind: the layout is preferred, because it has a manifest with a digest.
fn open_archive(archive: Archive, name: Option<&str>, wish: Wish) -> Result<Image, OciError> {
    if layout::is_layout(&archive) {
        layout::load(archive, name, wish)
    } else {
        docker::load(archive, name, wish)
    }
}

fn require_directory(path: &Path) -> Result<(), OciError> {
    if path.as_os_str().is_empty() {
        return Err(OciError::NotAnImage {
            what: "oci:".to_owned(),
            why: "it names no directory".to_owned(),
        });
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(OciError::NotAnImage {
            what: path.display().to_string(),
            why: "it is a file; an OCI layout is a directory (oci-archive: names one in a file)".to_owned(),
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(OciError::PathNotFound { path: path.to_owned() })
        }
        Err(e) => Err(OciError::Path { operation: "inspect", path: path.to_owned(), cause: e }),
    }
}

fn parse_spec(spec: &str, exists: &dyn Fn(&Path) -> bool) -> Spec {
    let named = |rest: &str| split_name(rest, exists);
    if let Some(rest) = spec.strip_prefix("docker://") {
        return Spec::Registry(rest.to_owned());
    }
    if let Some(rest) = spec.strip_prefix("s3://") {
        return Spec::Object(rest.to_owned());
    }
    for (prefix, engine) in [("docker:", Engine::Docker), ("podman:", Engine::Podman)] {
        if let Some(rest) = spec.strip_prefix(prefix) {
            return Spec::Daemon(engine, rest.to_owned());
        }
    }
    for (prefix, build) in [
        ("oci:", Spec::Layout as fn(PathBuf, Option<String>) -> Spec),
        ("oci-archive:", Spec::OciArchive),
        ("docker-archive:", Spec::DockerArchive),
    ] {
        if let Some(rest) = spec.strip_prefix(prefix) {
            let (path, name) = named(rest);
            return build(path, name);
        }
    }
    if let Some(rest) = spec.strip_prefix("dir:") {
        return Spec::Directory(rest.into());
    }
    let (path, name) = named(spec);
    // `alpine:3.20` beside a directory `alpine` is a reference; `alpine` alone is the directory.
    if is_path(spec) || (!spec.is_empty() && name.is_none() && exists(&path)) {
        return Spec::Bare(path, name);
    }
    Spec::Registry(spec.to_owned())
}

/// Splits `PATH[:NAME]`. Both may hold colons: the shortest path that exists wins, unless the whole does.
fn split_name(text: &str, exists: &dyn Fn(&Path) -> bool) -> (PathBuf, Option<String>) {
    if exists(Path::new(text)) {
        return (text.into(), None);
    }
    let splits = || text.match_indices(':').map(|(i, _)| (&text[..i], &text[i + 1..]));
    let found = splits().find(|(path, name)| !name.is_empty() && exists(Path::new(path)));
    // Nothing exists: the message should name the path without what looks like a tag.
    match found
        .or_else(|| splits().next_back().filter(|(path, name)| !path.is_empty() && !name.contains('/')))
    {
        Some((path, name)) if !name.is_empty() => (path.into(), Some(name.to_owned())),
        _ => (text.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, there: &[&str], expected: &Spec) {
        assert_eq!(parse_spec(spec, &|path| there.iter().any(|t| Path::new(t) == path)), *expected, "{spec}");
    }

    #[test]
    fn tells_sources_apart() {
        let name = |text: &str| Some(text.to_owned());
        check("oci:a/b:1.0", &["a/b"], &Spec::Layout("a/b".into(), name("1.0")));
        check("oci:a/b", &["a/b"], &Spec::Layout("a/b".into(), None));
        check("oci:missing:1.0", &[], &Spec::Layout("missing".into(), name("1.0")));
        check("oci-archive:x.tar", &["x.tar"], &Spec::OciArchive("x.tar".into(), None));
        check(
            "docker-archive:x.tar:alpine:3.20",
            &["x.tar"],
            &Spec::DockerArchive("x.tar".into(), name("alpine:3.20")),
        );
        check("docker-archive:od:d.tar", &["od:d.tar"], &Spec::DockerArchive("od:d.tar".into(), None));
        check("dir:/x:y", &[], &Spec::Directory("/x:y".into()));
        check("s3://ship/a.tar#web:1", &["s3:"], &Spec::Object("ship/a.tar#web:1".into()));
        check("docker:alpine:3.20", &[], &Spec::Daemon(Engine::Docker, "alpine:3.20".into()));
        check("podman:localhost/a", &[], &Spec::Daemon(Engine::Podman, "localhost/a".into()));
        check("docker://alpine", &["docker:"], &Spec::Registry("alpine".into()));
        check("alpine:3.20", &["alpine"], &Spec::Registry("alpine:3.20".into()));
        check("alpine", &["alpine"], &Spec::Bare("alpine".into(), None));
        check("alpine", &[], &Spec::Registry("alpine".into()));
        check("127.0.0.1:5000/a:1", &[], &Spec::Registry("127.0.0.1:5000/a:1".into()));
        check("./alpine", &[], &Spec::Bare("./alpine".into(), None));
        check("../layout:1.0", &["../layout"], &Spec::Bare("../layout".into(), name("1.0")));
        check("/nowhere.tar", &[], &Spec::Bare("/nowhere.tar".into(), None));
        check(".", &["."], &Spec::Bare(".".into(), None));
        check("", &[""], &Spec::Registry(String::new()));
    }
}
