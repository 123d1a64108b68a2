//! The analyzers beside independent readers of the same formats.

#[cfg(test)]
mod dpkg_query;
#[cfg(test)]
mod go_version;
#[cfg(test)]
mod licences;
