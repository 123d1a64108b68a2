//! Where an answer sends us, and with what we may go there.
//!
//! Redirects are followed here and not by the HTTP library, because every hop's address must be judged first.

use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION},
};

use crate::{
    error::EgressError,
    request::{Body, Request, same_origin},
    response::Response,
};

/// The request that `response` asks for: `Ok(None)` when it is no redirect, or one to be judged by the caller
/// (a redirect of something that cannot be sent twice).
pub(crate) fn next(request: &Request, response: &Response) -> Result<Option<Request>, EgressError> {
    let status = response.status();
    let keeps_method = match status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::SEE_OTHER => false,
        _ => return Ok(None),
    };
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let refuse =
        |why| Err(EgressError::Redirect { operation: request.operation.clone(), host: request.host(), why });
    let Some(mut url) = location.to_str().ok().and_then(|l| request.url.join(l).ok()) else {
        return refuse("redirects to what is no URL");
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refuse("redirects to a URL that is not http(s)");
    }
    if request.url.scheme() == "https" && url.scheme() == "http" {
        return refuse("redirects from https to plain http");
    }
    // Credentials inside a location are the server's idea, not ours. Both calls fail only without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);

    let Some(mut next) = request.replay() else { return Ok(None) };
    let crosses = !same_origin(&request.url, &url);
    if !keeps_method && next.method != Method::HEAD {
        next.method = Method::GET;
        next.body = Body::Empty;
        next.headers.remove(CONTENT_TYPE);
        next.headers.remove(CONTENT_LENGTH);
    }
    if crosses {
        if !next.body.is_empty() {
            return refuse("redirects a request with a body to another host");
        }
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            next.headers.remove(name);
        }
    }
    next.url = url;
    Ok(Some(next))
}
