//! The description of the API (OpenAPI 3.1): what the handlers say of themselves, and what is true of all of them.

use formats::FORMATS;
use utoipa::{
    OpenApi, PartialSchema as _, ToSchema as _,
    openapi::{
        Content, Object, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
        path::{HttpMethod, Operation, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem;

/// What there is to say beside the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lazaret",
        description = "What is in every container image, what is wrong with it, and where its scan stands.\n\n\
            Every error is an RFC 9457 problem with a stable `code`. Every answer names its request in `X-Request-Id`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "images", description = "Image records: what the service knows by name"),
        (name = "status", description = "Where an image's scan stands; waiting for its end"),
        (name = "scans", description = "Scans: asking for them, following them, their reports"),
        (name = "vulnerabilities", description = "Which images have a vulnerability or a package"),
        (name = "schedules", description = "Scans of many images: once, or again and again"),
        (name = "watches", description = "Repositories whose new tags are scanned, and what their registries tell"),
        (name = "registries", description = "Registries with stored credentials"),
        (name = "webhooks", description = "Who is told of what happens"),
        (name = "service", description = "The service's own state"),
        (name = "session", description = "Logging in, and who one is"),
        (name = "accounts", description = "Users, tokens, projects and their members"),
        (name = "audit", description = "What was done, and what did not work"),
    )
)]
pub(crate) struct Description;

/// Paths that need nobody to be known.
const OPEN: &[&str] = &["/healthz", "/readyz", "/metrics", "/api/portal/v1/openapi.json", NOTIFICATIONS];
/// Where registries tell of pushes: nobody is known, but a secret of the watch is shown.
const NOTIFICATIONS: &str = "/api/portal/v1/watches/{id}/notifications";

/// Adds what is true of all operations.
pub(crate) fn complete(api: &mut utoipa::openapi::OpenApi, version: &str) {
    version.clone_into(&mut api.info.version);
    let components = api.components.get_or_insert_default();
    let name = problem::Body::name().into_owned();
    components.schemas.insert(name, problem::Body::schema());
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("lzt_...");
    let token = token.description(Some("An API token, made under an account."));
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    let session =
        ApiKeyValue::with_description("lazaret_session", "A session of a browser, begun by logging in.");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    let told = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("lzn_...");
    let told = told.description(Some("The secret of a watch, also as the password of basic authentication."));
    components.add_security_scheme("watch", SecurityScheme::Http(told.build()));
    for (path, item) in &mut api.paths.paths {
        let open = OPEN.contains(&path.as_str());
        for (method, operation) in [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Patch, &mut item.patch),
            (HttpMethod::Delete, &mut item.delete),
        ] {
            if let Some(operation) = operation {
                if path.ends_with("/report") {
                    list_formats(operation);
                }
                let session = path.ends_with("/session");
                let login = session && method == HttpMethod::Post;
                complete_one(operation, open || session && method == HttpMethod::Get, login);
            }
        }
    }
}

/// Reports come in every format of the one list.
fn list_formats(operation: &mut Operation) {
    let Some(RefOr::T(report)) = operation.responses.responses.get_mut("200") else { return };
    let json = report.content.values().find_map(|content| match content {
        RefOr::T(content) => content.schema.clone(),
        RefOr::Ref(_) => None,
    });
    let text: RefOr<Schema> = Object::with_type(Type::String).into();
    let formats = FORMATS.iter().map(|format| {
        let schema = if format.media_type.ends_with("json") { json.clone() } else { Some(text.clone()) };
        (format.media_type.to_owned(), Content::new(schema).into())
    });
    report.content = formats.collect();
}

fn complete_one(operation: &mut Operation, open: bool, login: bool) {
    let parameters = operation.parameters.iter().flatten();
    let (mut query, mut path) = (false, false);
    for parameter in parameters {
        let RefOr::T(parameter) = parameter else { continue };
        query |= matches!(parameter.parameter_in, ParameterIn::Query | ParameterIn::Header);
        path |= parameter.parameter_in == ParameterIn::Path;
    }
    let body = operation.request_body.is_some();
    let mut say = |status: &str, what: &str| {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response(what).into());
    };
    if query || path || body {
        say("400", "The request cannot be understood");
    }
    if !open {
        say("401", "Nobody is known by the request's token or cookie");
        say("403", "The caller's role is too small, or the request comes from another site");
        say("429", "The account asks too much; `Retry-After` says when it may ask again");
        say("503", "The service is not ready; try again");
    }
    if path {
        say("404", "There is none, or not for the caller");
    }
    if body {
        say("413", "The body is too large");
        say("415", "The body is of another media type");
        say("422", "A value of the body cannot be taken");
    }
    if login {
        say("429", "Too many logins failed; `Retry-After` says when the next may be tried");
    }
    say("500", "A fault of the service; its log has more under the request's id");
    if !open && !login {
        let any = [SecurityRequirement::new("token", [""; 0]), SecurityRequirement::new("session", [""; 0])];
        operation.security = Some(any.into());
    }
}

fn response(what: &str) -> Response {
    let schema = Ref::from_schema_name(problem::Body::name());
    ResponseBuilder::new().description(what).content(problem::MEDIA_TYPE, Content::new(Some(schema))).build()
}
