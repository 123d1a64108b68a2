//! Small Debian images and advisories about what is in them: enough for a service to have something to say.

#![expect(clippy::unwrap_used, reason = "what is made here is never damaged")]

use serde_json::json;

use crate::{
    image::{ImageBuilder, Published},
    layer::{Compression, LayerBuilder},
};

/// An `os-release` file.
pub const DEBIAN: &str = "PRETTY_NAME=\"Debian 12\"\nID=debian\nVERSION_ID=\"12\"\n";

/// A dpkg status file that says these packages are installed.
pub fn dpkg(packages: &[(&str, &str)]) -> String {
    packages
        .iter()
        .map(|(name, version)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            )
        })
        .collect()
}

/// An image with these files, a layer each.
pub fn image(layers: &[&[(&str, &str)]]) -> Published {
    let image = layers.iter().fold(ImageBuilder::new(), |image, files| {
        let layer = files.iter().fold(LayerBuilder::new(), |layer, (path, text)| layer.file(path, *text));
        image.layer(layer.finish(Compression::Gzip).unwrap(), "COPY")
    });
    Published::from(&image.build())
}

/// A Debian image with one package.
pub fn debian(name: &str, version: &str) -> Published {
    image(&[&[("etc/os-release", DEBIAN)], &[("var/lib/dpkg/status", &dpkg(&[(name, version)]))]])
}

/// One OSV record: fixed in that version, of that severity (`L`, `H` impact).
pub fn record(id: &str, ecosystem: &str, name: &str, fixed: &str, impact: char) -> String {
    let vector = format!("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:{impact}/I:{impact}/A:{impact}");
    json!({
        "id": id, "modified": "2026-01-01T00:00:00Z", "summary": format!("a flaw of {name}"),
        "severity": [{ "type": "CVSS_V3", "score": vector }],
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": name },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": fixed }] }],
        }],
    })
    .to_string()
}
