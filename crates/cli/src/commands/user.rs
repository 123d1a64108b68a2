//! `lazaret user`: accounts, on the service's own store, for when nobody can log in.

use app::{
    accounts::{Accounts, Caller, UserOrder},
    clock,
};
use clap::{Args, Subcommand};
use model::Role;
use store::Account;

use super::{
    network, print, screen_width,
    serve::{account_failure, assemble},
};
use crate::{
    exit::{Exit, Failure},
    output::columns::{Cell, layout},
    settings::{flags::ServeFlags, typed::Settings},
};

/// What the audit log says who did it.
const ACTOR: &str = "lazaret";
/// Users that are read at once.
const PAGE: u32 = 500;

/// `lazaret user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List the users.
    List(UserListArgs),
    /// Make a user; prints a password for one login.
    Create(UserCreateArgs),
    /// Give a user another password for one login, which is printed; it unlocks the account too.
    ResetPassword(UserResetArgs),
}

/// Which service's store. On SQLite, the service must be stopped.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArgs {
    /// Directory of everything that the service keeps.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// File of settings, as for the service.
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// The PostgreSQL database. Better given as LAZARET_DATABASE_URL, which other users cannot see.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// `lazaret user list`.
#[derive(Debug, Args)]
pub(crate) struct UserListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// `lazaret user create`.
#[derive(Debug, Args)]
pub(crate) struct UserCreateArgs {
    /// Name of the user.
    name: String,
    /// viewer, analyst, operator or admin.
    #[arg(long, value_name = "ROLE", default_value = "viewer")]
    role: Role,
    #[command(flatten)]
    store: StoreArgs,
}

/// `lazaret user reset-password`.
#[derive(Debug, Args)]
pub(crate) struct UserResetArgs {
    /// Name of the user, for example admin.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Does what was asked for.
pub(crate) fn run(command: &UserCommand) -> Result<Exit, Failure> {
    match command {
        UserCommand::List(args) => with_accounts(&args.store, list),
        UserCommand::Create(args) => with_accounts(&args.store, async |accounts| {
            let order = UserOrder { name: &args.name, email: None, role: args.role, password: true };
            let made = accounts.create_user(&Caller::system(ACTOR), &order, clock::now()).await;
            let (account, password) = made.map_err(|error| account_failure(&error))?;
            let password = password.as_ref().map_or("", |password| password.reveal());
            Ok(shown_once(&account.name, password))
        }),
        UserCommand::ResetPassword(args) => with_accounts(&args.store, async |accounts| {
            let caller = Caller::system(ACTOR);
            let password = accounts.reset_password(&caller, &args.name, clock::now()).await;
            let password = password.map_err(|error| account_failure(&error))?;
            Ok(shown_once(args.name.trim(), password.reveal()))
        }),
    }
}

fn shown_once(name: &str, password: &str) -> String {
    format!("  name      {name}\n  password  {password}  (shown once; to be changed at the next login)\n")
}

/// Opens the accounts, does something, and prints what it says.
fn with_accounts(
    args: &StoreArgs,
    work: impl AsyncFnOnce(&Accounts) -> Result<String, Failure>,
) -> Result<Exit, Failure> {
    let flags = ServeFlags {
        data: args.data.clone(),
        config: args.config.clone(),
        database_url: args.database_url.clone(),
        ..ServeFlags::default()
    };
    let settings = Settings::load(&flags)?;
    let file = assemble::store_file(&settings);
    if settings.database.url.is_none() && !file.is_file() {
        let message = format!("there is no store of a service in {}", settings.data.dir.display());
        let hint = "Name the service's directory with --data, or its database with LAZARET_DATABASE_URL.";
        return Err(Failure::usage("store-not-found", message, hint));
    }
    let lock = assemble::take_data(&settings).map_err(|failure| match failure.code {
        "data-in-use" => Failure {
            hint: "Stop the service first; while it runs, an administrator can do this in it.".to_owned(),
            ..failure
        },
        _ => failure,
    })?;
    let text = network::runtime()?.block_on(async {
        let store = assemble::open_store(&settings).await?;
        let config = assemble::accounts_config(&settings);
        let accounts = Accounts::open(store.clone(), config, clock::now())
            .await
            .map_err(|error| account_failure(&error))?;
        let done = work(&accounts).await;
        store.close().await;
        done
    })?;
    drop(lock);
    print(&text)?;
    Ok(Exit::Pass)
}

async fn list(accounts: &Accounts) -> Result<String, Failure> {
    let caller = Caller::system(ACTOR);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut after = String::new();
    loop {
        let page = accounts.users(&caller, &after, PAGE).await.map_err(|error| account_failure(&error))?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.name);
        rows.extend(page.iter().map(row));
    }
    Ok(layout(&["NAME", "ROLE", "STATE", "LOGIN", "LAST SEEN"], &rows, screen_width()))
}

fn row(account: &Account) -> Vec<Cell> {
    let state = if account.disabled {
        "disabled"
    } else if account.locked_until.is_some_and(|until| until > clock::now()) {
        "locked"
    } else if account.must_change {
        "must change password"
    } else {
        "active"
    };
    let login = match (&account.subject, account.has_password) {
        (Some(_), _) => "provider",
        (None, true) => "password",
        (None, false) => "tokens only",
    };
    let seen = account.seen_at.map_or_else(|| "never".to_owned(), clock::rfc3339);
    vec![
        account.name.as_str().into(),
        account.role.as_str().into(),
        state.into(),
        login.into(),
        seen.get(..16).unwrap_or(&seen).into(),
    ]
}
