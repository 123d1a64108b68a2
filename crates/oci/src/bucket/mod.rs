//! Archives of images in S3-compatible buckets: `s3://BUCKET/KEY`, and the list of what lies in a bucket.
//!
//! [`Buckets`] is made once and shared. It only ever reads: one object by range requests, and lists. A plain tar
//! is read in place, its layers as streams; a compressed one is streamed to an unnamed file, like a local one.
//! All parts of one object belong to one version of it (`If-Match`); one that changes meanwhile is an error.
//!
//! **Own signatures on [`egress::Client`] instead of the `object_store` library (0.14, read and built).** Its
//! connector trait would send every request through `egress`, without a second TLS stack. But it reads each key
//! of a list into its own normalised path: one key with an empty segment (`a//b`), which S3 permits, fails the
//! whole page, and leading or trailing slashes are lost, so that what was listed cannot be asked for. It also
//! needs `chrono`, which `deny.toml` bans, and adds ten crates to the binary, where two do here (`hmac`,
//! `quick-xml`). What is needed of it is small: GET with a range, one list, and Signature Version 4.
//!
//! Credentials are sent to the endpoint that they are for, nowhere else: redirects are not followed. Metadata
//! services are never asked for any.

mod address;
mod answer;
mod client;
mod error;
mod list;
mod object;
mod options;
mod sign;
mod transfer;
mod xml;

pub use address::ObjectAddress;
pub use client::Buckets;
pub use error::BucketError;
pub use list::{ListedObject, ObjectPage};
pub(crate) use object::Object;
pub use options::{BucketCredentials, BucketOptions};
