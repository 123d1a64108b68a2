//! One small image with known findings, and the advisories that make them.

use serde_json::{Value, json};
use testkit::{
    image::{Image, ImageBuilder},
    layer::{Compression, LayerBuilder},
};

/// All findings in the sample image, as [`crate::binary::Run::findings`] lists them.
pub(crate) const FINDINGS: [&str; 4] = [
    "CVE-2020-0001 curl high",
    "CVE-2020-0002 curl medium",
    "CVE-2020-0003 apt low",
    "CVE-2020-0004 minimist critical",
];

/// The files of the sample image, lowest layer first.
pub(crate) const FILES: [&[(&str, &str)]; 3] = [
    &[
        ("etc/os-release", "PRETTY_NAME=\"Debian 12\"\nID=debian\nVERSION_ID=\"12\"\n"),
        (
            "var/lib/dpkg/status",
            "Package: apt\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.6.1\n\n",
        ),
    ],
    &[(
        "var/lib/dpkg/status",
        "Package: apt\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.6.1\n\n\
         Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88.1-10\n\n",
    )],
    &[("srv/node_modules/minimist/package.json", r#"{"name": "minimist", "version": "1.2.5"}"#)],
];

/// An image of some of [`FILES`].
pub(crate) fn of_layers(layers: &[&[(&str, &str)]]) -> ImageBuilder {
    layers.iter().fold(ImageBuilder::new(), |image, files| {
        let layer = files.iter().fold(LayerBuilder::new(), |layer, (path, text)| layer.file(path, *text));
        image.layer(layer.finish(Compression::Gzip).unwrap(), "COPY")
    })
}

/// The sample image: Debian 12 with a Node.js package.
pub(crate) fn image() -> Image {
    of_layers(&FILES).build()
}

/// The advisories, one OSV record each.
pub(crate) fn records() -> Vec<String> {
    vec![
        record("CVE-2020-0001", "Debian:12", "curl", Some("7.88.1-11"), "C:H/I:N/A:N"),
        record("CVE-2020-0002", "Debian:12", "curl", Some("7.88.1-12"), "C:L/I:N/A:N"),
        record("CVE-2020-0003", "Debian:12", "apt", None, "C:N/I:L/A:N"),
        record("CVE-2020-0004", "npm", "minimist", Some("1.2.6"), "C:H/I:H/A:H"),
    ]
}

/// One record. `impact` is the end of the CVSS vector; where nothing is fixed, an attack is harder.
pub(crate) fn record(id: &str, ecosystem: &str, name: &str, fixed: Option<&str>, impact: &str) -> String {
    let mut events = vec![json!({ "introduced": "0" })];
    events.extend(fixed.map(|fixed| json!({ "fixed": fixed })));
    let complexity = if fixed.is_some() { "L" } else { "H" };
    let vector = format!("CVSS:3.1/AV:N/AC:{complexity}/PR:N/UI:N/S:U/{impact}");
    let record: Value = json!({
        "id": id, "modified": "2025-01-01T00:00:00Z", "summary": format!("a flaw of {name}"),
        "severity": [{ "type": "CVSS_V3", "score": vector }],
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": name },
            "ranges": [{ "type": "ECOSYSTEM", "events": events }],
        }],
    });
    record.to_string()
}
