//! Errors as everybody is told them: problem details (RFC 9457) with a stable code, for every error there is.

use std::time::Duration;

use app::{
    accounts::{AccessError, AccountError},
    report::ReportError,
    status::StatusError,
    submit::SubmitError,
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::problem::explain;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use uuid::Uuid;

/// Media type of problem details.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

tokio::task_local! {
    /// Id of the request that this task answers.
    pub(crate) static REQUEST_ID: String;
}

/// Problem details, as in RFC 9457.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body {
    /// Names the kind of problem: `urn:lazaret:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:lazaret:problem:image_not_known")]
    kind: String,
    /// The HTTP status in words.
    #[schema(example = "Not Found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What happened, for people.
    #[schema(example = "docker.io/library/alpine:3.20 is not known here")]
    detail: String,
    /// The stable code.
    #[schema(example = "image_not_known")]
    code: String,
    /// What to do next.
    #[schema(example = "Check the spelling, or ask for a scan of it.")]
    hint: String,
    /// Id of the request: it stands in the service's log.
    #[schema(example = "0198f2b2c0de7c3f9d1c6a5b4e3f2a10")]
    request_id: String,
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) hint: String,
    retry_after: Option<Duration>,
    /// What it is about, for the log of user errors.
    pub(crate) about: Option<Box<About>>,
}

/// An image, a scan, or both.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) image: Option<String>,
    pub(crate) scan: Option<Uuid>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>, hint: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            detail: detail.into(),
            hint: hint.to_owned(),
            retry_after: None,
            about: None,
        }
    }

    pub(crate) fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            code,
            detail,
            "Check the id; it may be deleted, or in a project that you do not see.",
        )
    }

    pub(crate) fn invalid(code: &str, detail: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail, hint)
    }

    pub(crate) fn malformed(code: &str, detail: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, hint)
    }

    pub(crate) fn image_not_known(id: i64) -> Self {
        Self::not_found("image_not_known", format!("there is no image {id}"))
    }

    pub(crate) fn scan_not_known(id: Uuid) -> Self {
        StatusError::ScanNotKnown(id).into()
    }

    /// Names what it is about.
    pub(crate) fn about(mut self, image: Option<String>, scan: Option<Uuid>) -> Self {
        self.about = Some(Box::new(About { image, scan }));
        self
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Says when to come back.
    pub(crate) fn retry(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            kind: format!("urn:lazaret:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.clone(),
            hint: self.hint.clone(),
            request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
        };
        // Plain strings always serialize.
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lazaret\""));
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (status, hint) = match &error {
            StoreError::NotFound(_) => (StatusCode::NOT_FOUND, "Check the name or the id."),
            StoreError::Exists(_) => (StatusCode::CONFLICT, "Choose another name."),
            StoreError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment."),
            error if error.is_transient() => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment."),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "Look at the service's log under the request's id."),
        };
        if status.is_server_error() {
            tracing::error!(error = %explain(&error), "the store did not do it");
        }
        let retry = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1));
        Self::new(status, error.code(), error.to_string(), hint).retry(retry)
    }
}

impl From<StatusError> for Problem {
    fn from(error: StatusError) -> Self {
        let (image, scan) = match &error {
            StatusError::ImageNotKnown(image) | StatusError::Reference(image) => (Some(image.clone()), None),
            StatusError::ScanNotKnown(scan) => (None, Some(*scan)),
            StatusError::Store(_) => (None, None),
        };
        let status = match error {
            StatusError::ImageNotKnown(_) | StatusError::ScanNotKnown(_) => StatusCode::NOT_FOUND,
            StatusError::Reference(_) => StatusCode::BAD_REQUEST,
            StatusError::Store(error) => return error.into(),
        };
        Self::new(status, error.code(), error.to_string(), error.hint()).about(image, scan)
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let status = match error {
            ReportError::NotReady { .. } => StatusCode::CONFLICT,
            ReportError::Damaged(what) => {
                tracing::error!(what, "what is stored cannot be read");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            ReportError::Store(error) => return error.into(),
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Store(error) => error.into(),
            SubmitError::Reference(ref image, _) => {
                let image = Some(image.clone());
                let hint = "Write [registry/]repository[:tag][@digest] or s3://BUCKET/KEY.";
                Self::invalid(error.code(), error.to_string(), hint).about(image, None)
            }
            SubmitError::Bucket(_) => {
                let hint = "An administrator can list the bucket among those that the service reads.";
                Self::invalid(error.code(), error.to_string(), hint)
            }
            error => {
                tracing::error!(error = %explain(&error), "a request could not be accepted");
                let hint = "Look at the service's log under the request's id.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.code(), error.to_string(), hint)
            }
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let status = match error {
            AccessError::Project => StatusCode::NOT_FOUND,
            AccessError::PasswordMustChange | AccessError::Role { .. } | AccessError::Person => {
                StatusCode::FORBIDDEN
            }
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        use AccountError as E;
        let status = match error {
            E::Access(error) => return error.into(),
            E::Store(error) => return error.into(),
            E::Login | E::Session | E::Token => StatusCode::UNAUTHORIZED,
            E::Locked { .. } | E::Busy => StatusCode::TOO_MANY_REQUESTS,
            E::Password(_) | E::PasswordWrong | E::Name(..) | E::Expiry | E::TokenRole { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            E::TooManyTokens | E::LastAdmin | E::ProjectInUse | E::ProjectFixed(_) | E::NoPassword => {
                StatusCode::CONFLICT
            }
            _ => {
                tracing::error!(error = %explain(&error), "accounts do not work");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.code(), error.to_string(), error.hint()).retry(error.retry_after())
    }
}
