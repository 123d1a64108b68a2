//! What handlers take out of requests, with problem details where axum would answer plain text.

use axum::{
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

/// Parts of the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_problem(&rejection)),
        }
    }
}

fn json_problem(rejection: &JsonRejection) -> Problem {
    let (code, hint) = match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("media-type-unsupported", "Send `Content-Type: application/json`.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "Split the request into smaller ones."),
        StatusCode::UNPROCESSABLE_ENTITY => ("body-invalid", "See the API's description for the fields."),
        _ => ("body-malformed", "Send one JSON value."),
    };
    Problem::new(rejection.status(), code, rejection.body_text(), hint)
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => Err(Problem::malformed(
                "query-invalid",
                error.body_text(),
                "See the API's description for the parameters.",
            )),
            Err(error) => Err(Problem::malformed("query-invalid", error.body_text(), "Check the query.")),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(Problem::malformed("path-invalid", error.body_text(), "Check the id in the path."))
            }
            Err(error) => Err(Problem::malformed("path-invalid", error.body_text(), "Check the path.")),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}
