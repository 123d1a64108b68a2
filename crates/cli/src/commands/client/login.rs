//! `lazaret login` and `lazaret logout`: a token for this machine, made with a password that is not kept.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    time::Duration,
};

use clap::Args;
use egress::{
    Method,
    header::{COOKIE, HeaderValue, ORIGIN, SET_COOKIE},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Answer, Connection, ServerArgs,
    saved::{self, Saved},
};
use crate::{
    commands::print,
    exit::{Exit, Failure},
};

/// `lazaret login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Who logs in.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) user: String,
    /// What the token is called at the service.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print the token, and keep nothing here: for pipelines.
    #[arg(long)]
    pub(crate) print: bool,
    /// The service.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `lazaret logout`.
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// How to reach the service.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Deserialize)]
struct Me {
    name: String,
    role: String,
    must_change: bool,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: i64,
    token: String,
}

/// Logs in, makes a token and keeps it.
pub(crate) fn login(args: &LoginArgs) -> Result<Exit, Failure> {
    let connection = Connection::open_as(&args.server, None)?;
    let password = ask("LAZARET_PASSWORD", &format!("Password of {}: ", args.user))?;
    let mut session = begin(&connection, &args.user, &password)?;
    if session.me.must_change {
        let new = new_password()?;
        let change = json!({ "old": password, "new": new });
        session.send(&connection, Method::PUT, "me/password", Some(change.to_string()))?.accepted()?;
        session = begin(&connection, &args.user, &new)?;
    }
    let name = args.name.clone().unwrap_or_else(token_name);
    let order = json!({ "name": name, "role": session.me.role });
    let made = session.send(&connection, Method::POST, "tokens", Some(order.to_string()))?;
    let made: Made = made.value()?;
    // The session has done its work; that it stays for a while does no harm.
    let _ = session.send(&connection, Method::DELETE, "session", None);
    if args.print {
        print(&format!("{}\n", made.token))?;
        return Ok(Exit::Pass);
    }
    let server = connection.base().to_string();
    let file =
        saved::save(&Saved { server: server.clone(), token: made.token, id: made.id, name: name.clone() })?;
    print(&format!(
        "Logged in to {server} as {} ({}).\nThe token \"{name}\" is kept in {}; `lazaret logout` revokes it.\n",
        session.me.name,
        session.me.role,
        file.display()
    ))?;
    Ok(Exit::Pass)
}

/// Revokes the token that is kept here, and forgets it.
pub(crate) fn logout(args: &LogoutArgs) -> Result<Exit, Failure> {
    let Some(kept) = saved::load()? else {
        print("Nobody is logged in here.\n")?;
        return Ok(Exit::Pass);
    };
    let connection = Connection::open_as(&args.server, Some(&kept))?;
    let answer = connection.send(Method::DELETE, &format!("tokens/{}", kept.id), &[], None, Duration::ZERO);
    saved::remove()?;
    // A token that is gone already is what was wanted.
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) || matches!(answer.status, 401 | 404) => {
            print(&format!("Logged out of {}.\n", kept.server))?;
            Ok(Exit::Pass)
        }
        Ok(answer) => Err(answer.failure()),
        Err(failure) => Err(Failure {
            hint: format!(
                "The token is forgotten here; revoke \"{}\" at the service when it is back.",
                kept.name
            ),
            ..failure
        }),
    }
}

/// A session, as a browser would have it.
struct Session {
    cookie: HeaderValue,
    me: Me,
}

impl Session {
    fn send(
        &self,
        connection: &Connection,
        method: Method,
        route: &str,
        body: Option<String>,
    ) -> Result<Answer, Failure> {
        connection.exchange(method, route, body, |request| {
            let origin = connection.base().origin().ascii_serialization();
            let request = request.header(COOKIE, self.cookie.clone());
            match HeaderValue::from_str(&origin) {
                Ok(origin) => request.header(ORIGIN, origin),
                Err(_) => request,
            }
        })
    }
}

fn begin(connection: &Connection, name: &str, password: &str) -> Result<Session, Failure> {
    let login = json!({ "name": name, "password": password });
    let answer = connection.exchange(Method::POST, "session", Some(login.to_string()), |request| request)?;
    let me: Me = answer.value()?;
    let cookie = answer.headers.get(SET_COOKIE).and_then(|value| value.to_str().ok()?.split(';').next());
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()).ok_or_else(|| Failure {
        code: "answer-invalid",
        message: "the service began no session".to_owned(),
        hint: "Check that the address is that of a Lazaret service.".to_owned(),
        exit: Exit::Failed,
    })?;
    Ok(Session { cookie, me })
}

/// A name by which a person finds the token among others.
fn token_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    let now = jiff::Timestamp::now();
    format!("cli@{} {now:.0}", if host.is_empty() { "localhost" } else { host })
}

fn new_password() -> Result<String, Failure> {
    const VARIABLE: &str = "LAZARET_NEW_PASSWORD";
    if io::stdin().is_terminal() && std::env::var_os(VARIABLE).is_none() {
        print("This password is for one login. Choose your own.\n")?;
    }
    let new = ask(VARIABLE, "New password: ")?;
    if io::stdin().is_terminal()
        && std::env::var_os(VARIABLE).is_none()
        && ask(VARIABLE, "Once more: ")? != new
    {
        return Err(Failure::usage("password-mismatch", "the two passwords differ", "Try again."));
    }
    Ok(new)
}

/// A password: from the variable, else asked for on the terminal, else a line of standard input.
fn ask(variable: &str, prompt: &str) -> Result<String, Failure> {
    if let Some(value) = std::env::var(variable).ok().filter(|value| !value.is_empty()) {
        return Ok(value);
    }
    let read = if io::stdin().is_terminal() {
        rpassword::prompt_password(prompt)
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    };
    let line = read
        .map_err(|error| Failure::new("password-unreadable", &error, "Type it, or set LAZARET_PASSWORD."))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        let hint = format!("Type it, give it as a line of standard input, or set {variable}.");
        return Err(Failure::usage("password-missing", "no password was given", &hint));
    }
    Ok(line.to_owned())
}
