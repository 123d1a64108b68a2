//! The client: address checks, redirects and retries around the HTTP library.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use reqwest::{
    NoProxy, Proxy, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_LENGTH, HeaderMap, LOCATION},
};
use url::Host;

use crate::{
    AddressPolicy, ClientConfig, ProxyConfig, RetryPolicy,
    error::{Cause, EgressError, Refused, sort},
    redirect,
    request::{Body, Request, host_of},
    response::Response,
    retry, tls,
};

/// Always reached directly, whatever `NO_PROXY` says: a proxy has another loopback.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Bytes of one HTTP/2 download that may be under way.
const STREAM_WINDOW: u32 = 2 << 20;

/// An outbound HTTP client. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    addresses: Arc<AddressPolicy>,
    has_proxy: bool,
    max_redirects: u8,
    retry: RetryPolicy,
}

/// An answer read whole.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// Builds a client.
    ///
    /// # Errors
    /// [`EgressError::Config`] when a proxy URL or a certificate cannot be parsed.
    #[expect(clippy::disallowed_methods, reason = "this is the place that builds clients")]
    pub fn build(config: &ClientConfig) -> Result<Self, EgressError> {
        let proxies = proxies(&config.proxy)?;
        let guard = (!config.addresses.is_any()).then(|| {
            let proxy_hosts = [&config.proxy.http, &config.proxy.https]
                .into_iter()
                .flatten()
                .filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_owned))
                .collect();
            Arc::new(Guard { addresses: config.addresses.clone(), proxy_hosts })
        });

        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("lazaret/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::config(&config.extra_ca)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .tcp_nodelay(true)
            // HTTP/2's own windows of 64 KiB would make the distance the limit of every download.
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(4 * STREAM_WINDOW);
        if let Some(total) = config.total_timeout {
            builder = builder.timeout(total);
        }
        for proxy in proxies {
            builder = builder.proxy(proxy);
        }
        if let Some(guard) = guard {
            builder = builder.dns_resolver(guard);
        }
        if let Some(path) = &config.unix_socket {
            builder = builder.unix_socket(path.as_path());
        }
        let inner = builder
            .build()
            .map_err(|e| EgressError::Config { what: "TLS", cause: Some(e.without_url().into()) })?;
        Ok(Self {
            inner,
            addresses: Arc::new(config.addresses.clone()),
            has_proxy: !config.proxy.is_none(),
            max_redirects: config.max_redirects,
            retry: config.retry.clone(),
        })
    }

    /// Sends a request, following redirects and trying again where that is safe.
    ///
    /// An answer of any status is a success here; after the last attempt a 429 or 503 is handed on as it is.
    pub async fn send(&self, request: Request) -> Result<Response, EgressError> {
        let mut attempt = 1;
        if !request.is_repeatable() {
            return self.send_once(request).await;
        }
        loop {
            let Some(copy) = request.replay() else { return self.send_once(request).await };
            let outcome = self.send_once(copy).await;
            let Some(pause) = self.pause_after(attempt, &outcome) else { return outcome };
            tracing::debug!(
                operation = %request.operation, host = %request.host(), attempt,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "trying again"
            );
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Sends a request and reads its whole body of at most `limit` bytes; a body that breaks off is asked for
    /// again, like a request that fails.
    pub async fn fetch(&self, request: Request, limit: u64) -> Result<Fetched, EgressError> {
        let mut attempt = 1;
        while let Some(copy) = request.is_repeatable().then(|| request.replay()).flatten() {
            // Failures before the body were tried again by `send`.
            let outcome = read(self.send(copy).await?, limit).await;
            match (&outcome, self.retry.pause(attempt, None)) {
                (Err(e), Some(pause)) if e.is_transient() => tokio::time::sleep(pause).await,
                _ => return outcome,
            }
            attempt += 1;
        }
        read(self.send_once(request).await?, limit).await
    }

    fn pause_after(
        &self,
        attempt: u32,
        outcome: &Result<Response, EgressError>,
    ) -> Option<std::time::Duration> {
        match outcome {
            Ok(response) if retry::is_passing(response.status()) => {
                self.retry.pause(attempt, retry::retry_after(response.headers()))
            }
            Err(error) if error.is_transient() => self.retry.pause(attempt, None),
            _ => None,
        }
    }

    async fn send_once(&self, mut request: Request) -> Result<Response, EgressError> {
        for _ in 0..=self.max_redirects {
            self.check(&request.operation, &request.url).await?;
            let replay = request.replay();
            let response = self.exchange(request).await?;
            let Some(sent) = replay else { return Ok(response) };
            let location = response.headers().get(LOCATION);
            match redirect::next(&sent, response.status(), location)? {
                Some(next) => request = next,
                None => return Ok(response),
            }
            // Dropping the answer to the redirect frees or closes its connection.
            drop(response);
        }
        Err(EgressError::Redirect {
            operation: request.operation.clone(),
            host: request.host(),
            why: "is the end of too many redirects",
        })
    }

    async fn exchange(&self, request: Request) -> Result<Response, EgressError> {
        let host = request.host();
        let Request { operation, method, url, headers, body, timeout } = request;
        let mut builder = self.inner.request(method, url).headers(headers);
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        builder = match body {
            Body::Empty => builder,
            Body::Bytes(bytes) => builder.body(bytes),
            Body::Stream { stream, length } => {
                builder.header(CONTENT_LENGTH, length).body(reqwest::Body::wrap_stream(stream))
            }
        };
        match builder.send().await {
            Ok(response) => Ok(Response::new(operation, response)),
            Err(error) => Err(sort(error, &operation, &host)),
        }
    }

    /// Judges what the resolver hook does not see: the scheme, addresses written in the URL, and names that
    /// only a proxy would resolve.
    async fn check(&self, operation: &str, url: &Url) -> Result<(), EgressError> {
        let (true, Some(host)) = (matches!(url.scheme(), "http" | "https"), url.host()) else {
            return Err(EgressError::Url { operation: operation.to_owned() });
        };
        if self.addresses.is_any() {
            return Ok(());
        }
        let refuse = |address| EgressError::AddressRefused {
            operation: operation.to_owned(),
            host: host_of(url),
            address,
        };
        let name = match host {
            Host::Ipv4(v4) => return self.permit(url, IpAddr::V4(v4)).map_err(refuse),
            Host::Ipv6(v6) => return self.permit(url, IpAddr::V6(v6)).map_err(refuse),
            Host::Domain(name) => name,
        };
        if self.has_proxy {
            // A name that only the proxy can resolve is the proxy's to judge.
            if let Ok(addresses) = tokio::net::lookup_host((name, 0)).await {
                for address in addresses {
                    self.permit(url, address.ip()).map_err(refuse)?;
                }
            }
        }
        Ok(())
    }

    fn permit(&self, url: &Url, address: IpAddr) -> Result<(), IpAddr> {
        let permitted = self.addresses.permits(url.host_str().unwrap_or_default(), address);
        if permitted { Ok(()) } else { Err(address) }
    }
}

async fn read(response: Response, limit: u64) -> Result<Fetched, EgressError> {
    let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
    Ok(Fetched { status, headers, url, body: response.read_to_limit(limit).await? })
}

fn proxies(config: &ProxyConfig) -> Result<Vec<Proxy>, EgressError> {
    let no_proxy = NoProxy::from_string(&format!("{},{LOOPBACK}", config.no_proxy));
    let mut proxies = Vec::new();
    for (what, url, is_https) in
        [("proxy for http", &config.http, false), ("proxy for https", &config.https, true)]
    {
        let Some(url) = url else { continue };
        // `host:port` without a scheme is common in the environment.
        let url = if url.contains("://") { url.clone() } else { format!("http://{url}") };
        let proxy = if is_https { Proxy::https(&url) } else { Proxy::http(&url) };
        let proxy = proxy.map_err(|_| EgressError::Config { what, cause: None })?;
        proxies.push(proxy.no_proxy(no_proxy.clone()));
    }
    Ok(proxies)
}

/// Resolves names and lets only permitted addresses through, so that what was judged is what is connected to.
struct Guard {
    addresses: AddressPolicy,
    /// Proxies are named by the administrator, not by users.
    proxy_hosts: Vec<String>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let policy =
            if self.proxy_hosts.contains(&host) { AddressPolicy::Any } else { self.addresses.clone() };
        Box::pin(async move {
            let mut refused = None;
            let mut permitted: Vec<SocketAddr> = Vec::new();
            for address in tokio::net::lookup_host((host.as_str(), 0)).await? {
                if policy.permits(&host, address.ip()) {
                    permitted.push(address);
                } else {
                    refused = Some(address.ip());
                }
            }
            match refused {
                Some(address) if permitted.is_empty() => Err(Cause::from(Refused { address })),
                _ => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}
