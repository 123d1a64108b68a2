//! A package with everything around it that decides what is wrong with it.

use serde::{Deserialize, Serialize};

use crate::{distro::Distro, package::Package};

/// What two images share when they have "the same package": whatever is found wrong with it in one of them is
/// wrong with it in the other. Stored once, whatever the number of images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Identity: a hash of everything below that matching looks at.
    pub key: [u8; 16],
    /// The shard that speaks of it, for example `debian-12`; `None` when none does.
    pub shard: Option<String>,
    /// The names under which the shard is asked.
    pub names: Vec<String>,
    /// The package, without path, layer, owner and licences, which differ from image to image.
    pub package: Package,
    /// The distribution, of operating system packages.
    pub distro: Option<Distro>,
    /// Update channels that the image has enabled.
    pub channels: Vec<String>,
}
