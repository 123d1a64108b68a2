//! A scan as a job: its exact status, and everything that a person or a pipeline is told of it.
//!
//! The words are a promise: none is renamed, and what they mean does not change. See the table of statuses in
//! `docs/statuses.md`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Declares an enum of stable words that is stored as a small number.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $code:literal => $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant = $code,)+
        }

        impl $name {
            /// All, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The number that is stored; never changed, never used twice.
            pub const fn code(self) -> i16 {
                self as i16
            }

            /// From the stored number.
            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { what: $what, word: text.chars().take(60).collect(), known: &[$($word),+] }),
                }
            }
        }
    };
}

/// A word that is none of a list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{word:?} is no {what}; known are {}", known.join(", "))]
pub struct UnknownWord {
    /// What was expected.
    pub what: &'static str,
    /// What was given, shortened.
    pub word: String,
    /// What would be right.
    pub known: &'static [&'static str],
}

words! {
    /// Where a scan stands.
    ScanStatus, "scan status" {
        /// No shard for what this image needs: one is being fetched, or none can be.
        DatabaseNotPopulated = 1 => "database_not_populated",
        /// The image is known, and no scan was ever asked for.
        NotScanned = 2 => "not_scanned",
        /// Accepted, waiting.
        Pending = 3 => "pending",
        /// Being scanned.
        Running = 4 => "running",
        /// An attempt was aborted; another follows.
        Retrying = 5 => "retrying",
        /// The report is ready.
        Completed = 6 => "completed",
        /// It came to nothing, and why is known.
        Failed = 7 => "failed",
        /// A person stopped it.
        Cancelled = 8 => "cancelled",
        /// The service is up, but its store, queue or scanners are not. Answered, never stored.
        NotReady = 9 => "not_ready",
        /// The service cannot be reached. Said by clients, never stored.
        Unavailable = 10 => "unavailable",
    }
}

impl ScanStatus {
    /// True when nothing more will happen by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

words! {
    /// Why a scan failed.
    FailureReason, "failure reason" {
        /// No container image, or one in a form that cannot be read.
        UnsupportedImageType = 1 => "unsupported_image_type",
        /// The operating system could not be told, and nothing else could be checked.
        UnknownOs = 2 => "unknown_os",
        /// The registry has no such image.
        ImageNotFound = 3 => "image_not_found",
        /// The registry wants other credentials.
        RegistryUnauthorized = 4 => "registry_unauthorized",
        /// The registry cannot be reached, or only answers with errors.
        RegistryUnavailable = 5 => "registry_unavailable",
        /// A limit of size was met.
        TooLarge = 6 => "too_large",
        /// It took too long.
        Timeout = 7 => "timeout",
        /// The image is damaged, or the scanner could not go on.
        ScannerError = 8 => "scanner_error",
        /// The store refused the report, which is kept as a file.
        StoreError = 9 => "store_error",
        /// A fault of Lazaret or of the machine.
        Internal = 10 => "internal",
    }
}

impl FailureReason {
    /// The reason in words for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::UnsupportedImageType => "unsupported image type",
            Self::UnknownOs => "unknown operating system",
            Self::ImageNotFound => "image not found",
            Self::RegistryUnauthorized => "the registry refused access",
            Self::RegistryUnavailable => "the registry is not available",
            Self::TooLarge => "the image is too large",
            Self::Timeout => "it took too long",
            Self::ScannerError => "the image could not be read",
            Self::StoreError => "the report could not be stored",
            Self::Internal => "an internal error",
        }
    }

    /// What to do next, as one or two sentences.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::UnsupportedImageType => {
                "Name a container image; push or save it again with a current tool when it is one."
            }
            Self::UnknownOs => {
                "Keep /etc/os-release in the image; without it nobody can tell whose advisories apply."
            }
            Self::ImageNotFound => "Check the spelling of the repository and the tag.",
            Self::RegistryUnauthorized => "Check the credentials that the service has for this registry.",
            Self::RegistryUnavailable => "Check that the registry is up, then ask for the scan again.",
            Self::TooLarge => {
                "Check that the image is meant to be this large; an administrator sets the limits."
            }
            Self::Timeout => "Ask for the scan again, or let an administrator raise the time limit.",
            Self::ScannerError => "Push or save the image again; its content is damaged or incomplete.",
            Self::StoreError => {
                "The report is kept as a file: look at the service's log, then retry the scan, which imports it."
            }
            Self::Internal => "Look at the service's log under the scan's id, and ask for the scan again.",
        }
    }
}

words! {
    /// What work comes first.
    JobClass, "job class" {
        /// A person waits.
        Interactive = 0 => "interactive",
        /// A pipeline waits.
        Pipeline = 1 => "pipeline",
        /// An image was pushed, or found in a watched place.
        Push = 2 => "push",
        /// Nobody waits.
        Scheduled = 3 => "scheduled",
    }
}

words! {
    /// What a running scan is doing.
    Phase, "phase" {
        /// The reference is looked up in its registry.
        Resolve = 0 => "resolve",
        /// The layers are read.
        Read = 1 => "read",
        /// Advisories are fetched.
        Advisories = 2 => "advisories",
        /// The packages are matched against the advisories.
        Match = 3 => "match",
        /// The report is stored.
        Store = 4 => "store",
    }
}

words! {
    /// What a job of the queue does.
    JobKind, "job kind" {
        /// Looks a reference up: from a tag to a digest.
        Resolve = 0 => "resolve",
        /// Reads an image's layers.
        Index = 1 => "index",
        /// Matches an inventory against the advisories.
        Match = 2 => "match",
    }
}

words! {
    /// Who may do what; each includes those before it.
    Role, "role" {
        /// Sees statuses and summaries: that an image has three high findings, not which.
        Viewer = 0 => "viewer",
        /// Sees the findings.
        Analyst = 1 => "analyst",
        /// Scans, transfers, deploys and cleans up.
        Operator = 2 => "operator",
        /// Does everything.
        Admin = 3 => "admin",
    }
}

words! {
    /// Why a finding came or went.
    ChangeReason, "reason of a change" {
        /// The component was seen for the first time.
        ComponentNew = 0 => "component_new",
        /// The reference leads to another image now.
        ImageChanged = 1 => "image_changed",
        /// A new advisory, or one that now speaks of this package.
        AdvisoryNew = 2 => "advisory_new",
        /// An advisory says something else now: other versions, another severity, another fix.
        AdvisoryChanged = 3 => "advisory_changed",
        /// The advisory is gone or withdrawn.
        AdvisoryGone = 4 => "advisory_gone",
        /// Another version of an analyzer read the same image differently.
        AnalyzerChanged = 5 => "analyzer_changed",
        /// A risk was accepted, or is not any more.
        Exception = 6 => "exception",
    }
}

words! {
    /// What a webhook can be told of.
    MessageKind, "kind of message" {
        /// A scan has its report.
        ScanCompleted = 0 => "scan.completed",
        /// A scan came to nothing.
        ScanFailed = 1 => "scan.failed",
        /// A scan was stopped by a person.
        ScanCancelled = 2 => "scan.cancelled",
        /// An image has findings that it did not have before.
        FindingsNew = 3 => "findings.new",
        /// Somebody wants to see whether messages arrive.
        Test = 4 => "test",
    }
}

/// How far a running scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanProgress {
    /// Layers that are done.
    pub layers_done: u32,
    /// Layers in all; 0 while not known.
    pub layers: u32,
    /// Stored bytes that were read.
    pub bytes_done: u64,
    /// Stored bytes in all.
    pub bytes: u64,
}

/// What a status is shown with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusFacts<'a> {
    /// Of a failed scan.
    pub reason: Option<FailureReason>,
    /// The attempt that was aborted last, from 1.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// What a failed scan, or an aborted attempt, said of its end.
    pub detail: Option<&'a str>,
}

/// The line that people read: "Scan pending", "Aborted, retrying (2 of 5)".
pub fn status_text(status: ScanStatus, facts: &StatusFacts<'_>) -> String {
    match status {
        ScanStatus::DatabaseNotPopulated => "CVE database not populated yet".to_owned(),
        ScanStatus::NotScanned => "Not scanned".to_owned(),
        ScanStatus::Pending => "Scan pending".to_owned(),
        ScanStatus::Running => "Scanning".to_owned(),
        ScanStatus::Retrying => {
            format!("Aborted, retrying ({} of {})", facts.attempt + 1, facts.max_attempts)
        }
        ScanStatus::Completed => "Scan completed".to_owned(),
        ScanStatus::Failed => {
            let reason = facts.reason.map_or("unknown reason", FailureReason::text);
            format!("Image failed to be scanned: {reason}")
        }
        ScanStatus::Cancelled => "Scan cancelled".to_owned(),
        ScanStatus::NotReady => "Not ready".to_owned(),
        ScanStatus::Unavailable => "Unavailable".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_lead_back() {
        for status in ScanStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(ScanStatus::from_code(status.code()), Some(*status));
        }
        assert_eq!(ScanStatus::from_code(0), None);
        let said = "done".parse::<ScanStatus>().unwrap_err().to_string();
        assert!(
            said.starts_with("\"done\" is no scan status; known are database_not_populated, not_scanned"),
            "{said}"
        );
    }

    #[test]
    fn people_read_these() {
        let facts = StatusFacts { attempt: 1, max_attempts: 5, ..StatusFacts::default() };
        assert_eq!(status_text(ScanStatus::Retrying, &facts), "Aborted, retrying (2 of 5)");
        let facts =
            StatusFacts { reason: Some(FailureReason::UnsupportedImageType), ..StatusFacts::default() };
        let said = status_text(ScanStatus::Failed, &facts);
        assert_eq!(said, "Image failed to be scanned: unsupported image type");
    }

    #[test]
    fn roles_include_one_another() {
        assert!(
            Role::Viewer < Role::Analyst && Role::Analyst < Role::Operator && Role::Operator < Role::Admin
        );
    }
}
