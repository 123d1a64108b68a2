//! Ways in which a registry can misbehave.

/// One kind of misbehaviour. Those with a count stop when it is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next requests are answered 429 with this `Retry-After`.
    RateLimit {
        /// How many.
        times: u32,
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The next requests are answered with this status.
    Status {
        /// How many.
        times: u32,
        /// The status code.
        status: u16,
    },
    /// The connection breaks in the middle of the next blobs.
    CutBlob {
        /// How many.
        times: u32,
        /// Bytes of the body that are sent before.
        after: usize,
    },
    /// Blobs stop coming after these bytes, with the connection open.
    StallBlob {
        /// Bytes of the body that are sent before.
        after: usize,
    },
    /// Ranges are ignored: every blob comes whole.
    IgnoreRange,
    /// Blobs and manifests have one byte changed.
    WrongContent,
    /// Blobs are redirected to another port, which refuses requests that carry credentials.
    RedirectBlobs,
    /// Every request is redirected to itself.
    RedirectForever,
    /// Tags are listed in pages of this many, whatever is asked for.
    Pages(usize),
    /// The token service grants nothing.
    NoTokens,
    /// The challenge names another token service.
    Realm(String),
    /// Uploads are sent to the port of redirected blobs, which takes none.
    UploadElsewhere,
}

impl Fault {
    /// Counts a fault down; true when it applies.
    pub(crate) fn strike(&mut self) -> bool {
        match self {
            Self::RateLimit { times, .. } | Self::Status { times, .. } | Self::CutBlob { times, .. } => {
                let applies = *times > 0;
                *times = times.saturating_sub(1);
                applies
            }
            _ => true,
        }
    }
}
