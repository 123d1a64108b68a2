//! Why the store did not do what it was asked.

use sqlx::error::ErrorKind;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address of the database server is none.
    #[error("the address of the database server is not of the form postgres://user@host/database")]
    Address,
    /// The file beside the database that keeps two processes from changing tables at once.
    #[error("failed to lock the database's directory")]
    File(#[source] std::io::Error),
    /// The tables could not be brought up to date, or are of a newer version.
    #[error("failed to bring the tables up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database refused a statement.
    #[error("the database refused it")]
    Sql(#[source] sqlx::Error),
    /// A stored value is none that this version can read.
    #[error("a stored {0} cannot be read")]
    Value(&'static str),
    /// There is none.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// There is one already.
    #[error("there is such {0} already")]
    Exists(&'static str),
    /// The job was given to another worker, or cancelled: what was done for it does not count.
    #[error("the job is not this worker's any more")]
    Lost,
    /// The advisories of a shard are newer in the store than what was matched with.
    #[error("the findings of {0} stand at another version of its advisories")]
    ShardMoved(String),
    /// The program is ending.
    #[error("the program is shutting down")]
    Stopped,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Stopped,
            other => Self::Sql(other),
        }
    }
}

impl StoreError {
    /// True when the same may succeed when it is tried again: a lock, a deadlock, a lost connection.
    pub fn is_transient(&self) -> bool {
        let Self::Sql(error) = self else { return matches!(self, Self::ShardMoved(_)) };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_) => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
            _ => false,
        }
    }

    /// True when a row of that key is there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.kind() == ErrorKind::UniqueViolation)
    }

    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address => "database-url-invalid",
            Self::Migrate(_) => "database-migration",
            Self::NotFound(_) => "not-found",
            Self::Exists(_) => "exists",
            Self::Lost => "job-lost",
            Self::ShardMoved(_) => "advisories-moved",
            Self::Stopped => "shutting-down",
            Self::File(_) | Self::Sql(_) if self.is_transient() => "store-busy",
            Self::File(_) | Self::Sql(_) | Self::Value(_) => "store-error",
        }
    }
}

/// SQLite: 5 busy, 6 locked, with what extends them in the higher bits. PostgreSQL (appendix A): 08 connection, 40
/// rolled back (deadlock, serialization), 53 resources, 55P03 lock, 57P shutdown.
fn is_transient_code(code: &str) -> bool {
    if let Ok(number) = code.parse::<u32>()
        && code.len() < 5
    {
        return matches!(number & 0xff, 5 | 6);
    }
    ["08", "40", "53", "55P03", "57P"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_deadlocks_pass_by() {
        for (code, transient) in [
            ("5", true),
            ("517", true),
            ("6", true),
            ("13", false),
            ("2067", false),
            ("40P01", true),
            ("40001", true),
            ("57P01", true),
            ("08006", true),
            ("53300", true),
            ("23505", false),
            ("22001", false),
        ] {
            assert_eq!(is_transient_code(code), transient, "{code}");
        }
    }
}
