//! Registries (OCI distribution-spec v1.1, and the Docker registry they grew from): reading, listing, pushing
//! and deleting.
//!
//! [`Registries`] is made once and shared: it holds the HTTP client, the tokens and the choice of credentials.
//! [`Registry`] is one host of it. Credentials go to the host that they are for and to the token service
//! that this host names, nowhere else; plain HTTP is spoken with loopback and with hosts that were named.

mod auth;
mod blob;
mod client;
mod credentials;
mod image;
mod push;
mod reader;
mod status;
mod tags;

pub use client::{FetchedManifest, Registries, Registry, RegistryOptions};
pub(crate) use client::{authority, is_loopback};
pub use credentials::{ConfigFiles, CredentialSource, Credentials};
pub(crate) use image::load;
pub use push::BlobContent;
pub(crate) use reader::{ChannelReader, run};
pub use tags::Listed;
