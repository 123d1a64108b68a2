//! How the program ends: every exit code, and every error as a person sees it, in one place.

use std::process::ExitCode;

use model::problem::explain;

use crate::output::columns::printable;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and nothing speaks against it.
    Pass = 0,
    /// Done, and `--fail-on` is met.
    Policy = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The work could not be done.
    Failed = 3,
    /// The scan that was waited for was not over in time.
    TimedOut = 4,
    /// There is no advisory database for this image, so it cannot be said to be clean; or the service is not
    /// ready, or cannot be reached. Trying again may help.
    NotReady = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that a person is shown: what happened, a stable code, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Kebab-case, stable.
    pub(crate) code: &'static str,
    /// The whole chain of causes as one line.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: String,
    /// How the program ends.
    pub(crate) exit: Exit,
}

impl Failure {
    /// From any error; its causes are joined with colons.
    pub(crate) fn new(code: &'static str, error: &dyn std::error::Error, hint: &str) -> Self {
        Self { code, message: explain(error), hint: hint.to_owned(), exit: Exit::Failed }
    }

    /// A wrong use of the command line.
    pub(crate) fn usage(code: &'static str, message: impl Into<String>, hint: &str) -> Self {
        Self { code, message: message.into(), hint: hint.to_owned(), exit: Exit::Usage }
    }

    /// Two lines for standard error. The message may hold text of an image or a registry.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error[{}]: {}\n", self.code, printable(&self.message));
        if !self.hint.is_empty() {
            text.push_str("  next: ");
            text.push_str(&self.hint);
            text.push('\n');
        }
        text
    }
}

impl From<oci::OciError> for Failure {
    fn from(error: oci::OciError) -> Self {
        Self::new(error.code(), &error, error.hint())
    }
}
