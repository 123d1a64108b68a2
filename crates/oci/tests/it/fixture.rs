//! What the tests share: two small images, ways to open and to read them.

use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

use egress::{AddressPolicy, ClientConfig, ProxyConfig, RetryPolicy};
use oci::{
    Expected, Image, LayerStore, OciError, OpenOptions, Opened, Stage, VerifyingReader, decompress, open,
    registry::{CredentialSource, Registries, RegistryOptions},
};
use testkit::{
    Family,
    image::{Image as TestImage, ImageBuilder},
    layer::{Compression, LayerBuilder},
};
use tokio::runtime::{Builder, Runtime};

/// Three layers, each stored in another way.
pub(crate) fn image(family: Family, architecture: &str) -> TestImage {
    let os_release = format!("ID=test\nVARIANT={architecture}\n");
    let base = LayerBuilder::new().dir("etc").file("etc/os-release", os_release);
    let middle = LayerBuilder::new().file("usr/bin/tool", vec![b'x'; 200_000]);
    let top = LayerBuilder::new().whiteout("usr/bin/tool");
    ImageBuilder::new()
        .family(family)
        .platform(format!("linux/{architecture}").parse().unwrap())
        .layer(base.finish(Compression::Gzip).unwrap(), "ADD base")
        .layer(middle.finish(Compression::Zstd).unwrap(), "COPY tool")
        .layer(top.finish(Compression::None).unwrap(), "RUN rm tool")
        .config("Labels", serde_json::json!({ "made.by": "test" }))
        .build()
}

/// One layer of incompressible bytes, so that it is transferred in many parts.
pub(crate) fn large_image() -> TestImage {
    let mut state: u32 = 1;
    let noise: Vec<u8> = (0..2_000_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let layer = LayerBuilder::new().file("noise", noise).finish(Compression::Gzip).unwrap();
    ImageBuilder::new().layer(layer, "ADD noise").build()
}

/// Opens an image from files.
pub(crate) fn open_file(spec: &str) -> Result<Image, OciError> {
    open_with(
        spec,
        &OpenOptions { platform: Some("linux/amd64".parse().unwrap()), ..OpenOptions::files_only() },
    )
}

/// Opens an image in any way.
pub(crate) fn open_with(spec: &str, options: &OpenOptions) -> Result<Image, OciError> {
    match open(spec, options)? {
        Opened::Image(image) => Ok(*image),
        Opened::Directory(directory) => panic!("{} is a directory", directory.path().display()),
    }
}

/// Reads every layer to its end, checking the digests of what is stored and of what it decompresses to;
/// yields the bytes decompressed.
pub(crate) fn read_all(image: &Image) -> io::Result<u64> {
    let mut total = 0;
    for (i, layer) in image.layers().iter().enumerate() {
        let diff_id = layer.facts.diff_id.clone().unwrap();
        let archive = |reader: &mut dyn Read| VerifyingReader::new(reader, diff_id, None, "archive").finish();
        let Expected { digest, stage, size } = layer.expected.clone();
        total += match stage {
            Stage::Stored => {
                let mut stored = VerifyingReader::new(image.open_layer(i)?, digest, size, "layer");
                let outcome = decompress(&mut stored, "layer").and_then(|mut plain| archive(&mut plain));
                let read = outcome.map_err(|e| stored.explain(e))?;
                assert_eq!(stored.finish()?, layer.facts.size);
                read
            }
            Stage::Uncompressed => archive(&mut decompress(image.open_layer(i)?, "layer")?)?,
        };
    }
    Ok(total)
}

/// The code of the error that reading every layer meets.
pub(crate) fn read_error(image: &Image) -> &'static str {
    let error = read_all(image).unwrap_err();
    OciError::in_io(&error).map_or("io", OciError::code)
}

/// A runtime for registries and clients.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Registries with quick retries and no surroundings.
pub(crate) fn registries(credentials: CredentialSource) -> Arc<Registries> {
    registries_with(credentials, |_| {})
}

/// The same, changed.
pub(crate) fn registries_with(
    credentials: CredentialSource,
    change: impl FnOnce(&mut ClientConfig),
) -> Arc<Registries> {
    let mut client = ClientConfig::new(AddressPolicy::Any, ProxyConfig::none());
    client.retry = RetryPolicy {
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_secs(1),
    };
    change(&mut client);
    Registries::new(RegistryOptions { client, credentials, plain_http: Vec::new() })
}

/// Options for `linux/amd64` with these registries.
pub(crate) fn options(runtime: &Runtime, registries: &Arc<Registries>) -> OpenOptions {
    OpenOptions {
        platform: Some("linux/amd64".parse().unwrap()),
        ..OpenOptions::with_network(runtime.handle().clone(), Arc::clone(registries))
    }
}
