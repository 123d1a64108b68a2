//! Package managers of operating systems, and the distribution itself.

pub mod apk;
pub mod distro;
pub mod dpkg;
pub mod rpm;
