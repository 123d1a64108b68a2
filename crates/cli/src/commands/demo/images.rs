//! Three small images, made in code: what their package managers would have written, and nothing else.

use std::io;

use testkit::{
    image::{ImageBuilder, Published},
    layer::{Compression, Layer, LayerBuilder},
};

/// One image of the demo.
pub(super) struct Sample {
    /// `repository:tag`.
    pub(super) name: &'static str,
    /// What it is, for people.
    pub(super) about: &'static str,
    /// The image.
    pub(super) image: Published,
}

/// All images of the demo.
pub(super) fn build() -> io::Result<Vec<Sample>> {
    Ok(vec![
        Sample {
            name: "shop/web:1.4",
            about: "a Debian 12 web server, not rebuilt for a while, with a Node.js front end",
            image: web()?,
        },
        Sample {
            name: "shop/api:2.0",
            about: "an Alpine 3.20 service with Python packages; its last layer upgrades one and removes another",
            image: api()?,
        },
        Sample {
            name: "shop/web:1.5",
            about: "the web server again, rebuilt on current packages",
            image: web_rebuilt()?,
        },
    ])
}

fn web() -> io::Result<Published> {
    let base = LayerBuilder::new()
        .file("usr/lib/os-release", debian_release())
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file(
            DPKG,
            dpkg(&[
                ("apt", "", "2.6.1"),
                ("libssl3", "openssl", "3.0.11-1~deb12u1"),
                ("zlib1g", "zlib", "1:1.2.13.dfsg-1"),
            ]),
        );
    let install = LayerBuilder::new().file(
        DPKG,
        dpkg(&[
            ("apt", "", "2.6.1"),
            ("libssl3", "openssl", "3.0.11-1~deb12u1"),
            ("zlib1g", "zlib", "1:1.2.13.dfsg-1"),
            ("curl", "", "7.88.1-10+deb12u3"),
            ("libcurl4", "curl", "7.88.1-10+deb12u3"),
            ("node-lodash", "", "4.17.21+dfsg+~cs8.31.198.20210220-9"),
        ]),
    );
    // What the distribution packages is the distribution's matter: it is not reported a second time.
    let install = install
        .file("var/lib/dpkg/info/node-lodash.list", "/.\n/usr/lib/node_modules/lodash/package.json\n")
        .file("usr/lib/node_modules/lodash/package.json", npm("lodash", "4.17.15"));
    let copy = LayerBuilder::new()
        .file("srv/web/node_modules/minimist/package.json", npm("minimist", "1.2.5"))
        .file("srv/web/node_modules/lodash/package.json", npm("lodash", "4.17.20"));
    image(&[
        (base, "ADD rootfs.tar.xz / # debian 12"),
        (install, "RUN apt-get install -y curl node-lodash"),
        (copy, "COPY web /srv/web"),
    ])
}

fn api() -> io::Result<Published> {
    let installed = "P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nL:MIT\n\n\
         P:busybox\nV:1.36.1-r28\nA:x86_64\no:busybox\nL:GPL-2.0-only\n\n\
         P:libssl3\nV:3.3.1-r0\nA:x86_64\no:openssl\nL:Apache-2.0\n\n";
    let base = LayerBuilder::new()
        .file(
            "etc/os-release",
            "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME=\"Alpine Linux v3.20\"\n",
        )
        .file("etc/alpine-release", "3.20.1\n")
        .file("lib/apk/db/installed", installed);
    let site = "usr/lib/python3.12/site-packages";
    let python =
        |name: &str, version: &str| format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n");
    let pip = LayerBuilder::new()
        .file(&format!("{site}/PyYAML-5.3.1.dist-info/METADATA"), python("PyYAML", "5.3.1"))
        .file(&format!("{site}/Jinja2-3.1.2.dist-info/METADATA"), python("Jinja2", "3.1.2"))
        .file(&format!("{site}/requests-2.30.0.dist-info/METADATA"), python("requests", "2.30.0"));
    let fix = LayerBuilder::new()
        .whiteout(&format!("{site}/requests-2.30.0.dist-info"))
        .whiteout(&format!("{site}/Jinja2-3.1.2.dist-info"))
        .file(&format!("{site}/jinja2-3.1.4.dist-info/METADATA"), python("Jinja2", "3.1.4"));
    image(&[
        (base, "ADD alpine-minirootfs-3.20.1-x86_64.tar.gz / # buildkit"),
        (pip, "RUN pip install PyYAML==5.3.1 Jinja2==3.1.2 requests==2.30.0"),
        (fix, "RUN pip install Jinja2==3.1.4 && pip uninstall -y requests"),
    ])
}

fn web_rebuilt() -> io::Result<Published> {
    let base = LayerBuilder::new()
        .file("usr/lib/os-release", debian_release())
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file(
            DPKG,
            dpkg(&[("libssl3", "openssl", "3.0.17-1~deb12u3"), ("libcurl4", "curl", "7.88.1-10+deb12u14")]),
        );
    let copy =
        LayerBuilder::new().file("srv/web/node_modules/minimist/package.json", npm("minimist", "1.2.8"));
    image(&[(base, "ADD rootfs.tar.xz / # debian 12"), (copy, "COPY web /srv/web")])
}

const DPKG: &str = "var/lib/dpkg/status";

const fn debian_release() -> &'static str {
    "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"
}

/// A dpkg status file of (package, source where it differs, version).
fn dpkg(packages: &[(&str, &str, &str)]) -> String {
    let stanza = |(name, source, version): &(&str, &str, &str)| {
        let source = if source.is_empty() { String::new() } else { format!("Source: {source}\n") };
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n{source}Version: {version}\n\
             Maintainer: Debian\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}

fn npm(name: &str, version: &str) -> String {
    format!("{{\"name\": \"{name}\", \"version\": \"{version}\", \"license\": \"MIT\"}}\n")
}

fn image(layers: &[(LayerBuilder, &str)]) -> io::Result<Published> {
    let mut builder = ImageBuilder::new();
    for (layer, created_by) in layers {
        let layer: Layer = layer.clone().finish(Compression::Gzip)?;
        builder = builder.layer(layer, created_by);
    }
    Ok(Published::from(&builder.build()))
}
