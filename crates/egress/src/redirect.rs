//! Where an answer sends us, and with what we may go there.
//!
//! Redirects are followed here and not by the HTTP library, because every hop's address must be judged first.

use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue, PROXY_AUTHORIZATION},
};

use crate::{
    error::EgressError,
    request::{Body, Request, same_origin},
};

/// The request that an answer to `request` asks for: `Ok(None)` when it is no redirect, or one to be judged by
/// the caller (a redirect of something that cannot be sent twice).
pub(crate) fn next(
    request: &Request,
    status: StatusCode,
    location: Option<&HeaderValue>,
) -> Result<Option<Request>, EgressError> {
    let keeps_method = match status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::SEE_OTHER => false,
        _ => return Ok(None),
    };
    let Some(location) = location else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;

    /// Redirects a request from `from` by `status` to `location`; yields method, URL and which of the
    /// credentials are left, or why not.
    fn check(method: &Method, from: &str, status: u16, location: &str, expected: &str) {
        let mut request = Request::new("test", method.clone(), Url::parse(from).unwrap());
        for name in [AUTHORIZATION, COOKIE] {
            request = request.header(name, HeaderValue::from_static("secret"));
        }
        if *method == Method::PUT {
            request = request.body(Body::Bytes(bytes::Bytes::from_static(b"body")));
        }
        let location = HeaderValue::from_str(location).unwrap();
        let got = match next(&request, StatusCode::from_u16(status).unwrap(), Some(&location)) {
            Ok(None) => "none".to_owned(),
            Ok(Some(next)) => {
                let secrets =
                    [AUTHORIZATION, COOKIE].iter().filter(|n| next.headers.contains_key(*n)).count();
                format!("{} {} {secrets}", next.method, next.url)
            }
            Err(e) => e.to_string().split_once("a.io ").unwrap().1.to_owned(),
        };
        assert_eq!(got, expected, "{method} {from} {status} {location:?}");
    }

    #[test]
    fn keeps_credentials_at_their_origin() {
        let get = &Method::GET;
        check(get, "https://a.io/x", 302, "/y", "GET https://a.io/y 2");
        check(get, "https://a.io/x", 307, "https://a.io:443/y", "GET https://a.io/y 2");
        check(get, "https://a.io/x", 307, "https://b.io/y", "GET https://b.io/y 0");
        check(get, "https://a.io/x", 307, "https://a.io:444/y", "GET https://a.io:444/y 0");
        check(get, "http://a.io/x", 301, "https://a.io/y", "GET https://a.io/y 0");
        check(get, "https://a.io/x", 308, "https://u:p@b.io/y", "GET https://b.io/y 0");
        check(get, "https://a.io/x", 200, "/y", "none");
        check(get, "https://a.io/x", 304, "/y", "none");
        check(&Method::HEAD, "https://a.io/x", 303, "/y", "HEAD https://a.io/y 2");
    }

    #[test]
    fn refuses_bad_ways() {
        let get = &Method::GET;
        check(get, "https://a.io/x", 302, "http://a.io/y", "redirects from https to plain http");
        check(get, "https://a.io/x", 302, "file:///etc/passwd", "redirects to a URL that is not http(s)");
        check(get, "https://a.io/x", 302, "https://[bad/", "redirects to what is no URL");
        let put = &Method::PUT;
        check(
            put,
            "https://a.io/x",
            307,
            "https://b.io/y",
            "redirects a request with a body to another host",
        );
        check(put, "https://a.io/x", 307, "/y", "PUT https://a.io/y 2");
        check(put, "https://a.io/x", 303, "https://b.io/y", "GET https://b.io/y 0");
    }
}
