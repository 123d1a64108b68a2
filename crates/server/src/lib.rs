//! Routes of every API (one list), authentication and wiring. Decides nothing that `app` could decide.
//!
//! [`router`] is all routes over one [`AppState`]; [`serve`](serve()) binds a listener, with TLS when told, and ends
//! gracefully. Whoever starts workers and keeps accounts does so outside: nothing here runs a job.

mod auth;
mod etag;
mod extract;
mod metrics;
mod middleware;
mod openapi;
mod page;
mod problem;
mod routes;
mod serve;
mod state;
mod words;

pub use self::{
    metrics::Metrics,
    routes::router,
    serve::{Bound, ServeError, TlsFiles, bind, serve},
    state::{AppState, Settings},
};
