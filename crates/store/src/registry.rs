//! Registries that a project, or everybody, has credentials for. The secret is sealed before it comes here, and
//! leaves by [`Store::registry_access`] only.

use sqlx::FromRow;

use crate::{
    Micros,
    db::{Store, execute, maybe, read, read_maybe},
    error::StoreError,
    event::{self, NewEvent},
    image::{self, Scope},
    project,
};

/// A registry to be.
#[derive(Clone, Copy, Debug)]
pub struct NewRegistry<'a> {
    /// The only project that uses it; `None` for all.
    pub project: Option<i64>,
    /// What people call it; unique in its project, or among those of all projects.
    pub name: &'a str,
    /// `HOST` or `HOST:PORT`, as in references; unique like the name.
    pub host: &'a str,
    /// Who logs in.
    pub username: Option<&'a str>,
    /// Password or token, sealed.
    pub secret: Option<&'a [u8]>,
    /// Certificate authorities that are trusted beside the usual ones: PEM.
    pub ca: Option<&'a str>,
    /// Whether it may be spoken to without TLS.
    pub plain_http: bool,
}

/// A registry, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Registry {
    /// Its number.
    pub id: i64,
    /// The only project that uses it; `None` for all.
    pub project_id: Option<i64>,
    /// What people call it.
    pub name: String,
    /// `HOST` or `HOST:PORT`.
    pub host: String,
    /// Who logs in.
    pub username: Option<String>,
    /// Whether there is a secret.
    pub has_secret: bool,
    /// Certificate authorities that are trusted beside the usual ones: PEM.
    pub ca: Option<String>,
    /// Whether it may be spoken to without TLS.
    pub plain_http: bool,
    /// When it was made.
    pub created_at: Micros,
    /// Grows with every change.
    pub version: i32,
}

/// What changes of a registry; `None` leaves it as it is. Its host and project never change: a secret is for one
/// place.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistryChange<'a> {
    /// What people call it.
    pub name: Option<&'a str>,
    /// Who logs in, with the sealed secret; `Some(None)` for nobody.
    pub login: Option<Option<(&'a str, &'a [u8])>>,
    /// Certificate authorities; `Some(None)` for the usual ones only.
    pub ca: Option<Option<&'a str>>,
    /// Whether it may be spoken to without TLS.
    pub plain_http: Option<bool>,
}

/// A registry with its secret.
#[derive(FromRow)]
struct Access {
    #[sqlx(flatten)]
    registry: Registry,
    secret: Option<Vec<u8>>,
}

macro_rules! select_registry {
    ($rest:literal) => {
        concat!(
            "select id, project_id, name, host, username, secret is not null as has_secret, ca, plain_http, created_at,
             version ",
            $rest
        )
    };
}

impl Store {
    /// Makes a registry: its number.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its project has one of that name or host; [`StoreError::NotFound`] when there is
    /// no such project.
    pub async fn create_registry(
        &self,
        registry: &NewRegistry<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(project) = registry.project {
            project::require(&mut tx, project).await?;
        }
        let sql =
            "insert into registry (project_id, name, host, username, secret, ca, plain_http, created_at)
                   values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing returning id";
        let made: Option<(i64,)> = maybe!(
            &mut tx,
            sql,
            registry.project,
            registry.name,
            registry.host,
            registry.username,
            registry.secret,
            registry.ca,
            registry.plain_http,
            now,
        )?;
        let Some((id,)) = made else { return Err(StoreError::Exists("a registry")) };
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Changes a registry.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such registry; [`StoreError::Exists`] when another has the name.
    pub async fn change_registry(
        &self,
        id: i64,
        change: &RegistryChange<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update registry set version = version + 1 where id = $1";
        if execute!(&mut tx, sql, id)? == 0 {
            return Err(StoreError::NotFound("registry"));
        }
        if let Some(name) = change.name {
            let renamed = execute!(&mut tx, "update registry set name = $1 where id = $2", name, id);
            renamed.map_err(|error| match error {
                error if error.is_duplicate() => StoreError::Exists("a registry"),
                error => error,
            })?;
        }
        if let Some(login) = change.login {
            let sql = "update registry set username = $1, secret = $2 where id = $3";
            execute!(&mut tx, sql, login.map(|(user, _)| user), login.map(|(_, secret)| secret), id)?;
        }
        if let Some(ca) = change.ca {
            execute!(&mut tx, "update registry set ca = $1 where id = $2", ca, id)?;
        }
        if let Some(plain_http) = change.plain_http {
            execute!(&mut tx, "update registry set plain_http = $1 where id = $2", plain_http, id)?;
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Takes a registry away, with its secret.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such registry.
    pub async fn delete_registry(
        &self,
        id: i64,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "delete from registry where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("registry"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// One registry.
    pub async fn registry(&self, id: i64) -> Result<Option<Registry>, StoreError> {
        read_maybe!(self, select_registry!("from registry where id = $1"), id)
    }

    /// Registries by number, those after one: those of the projects, and with `global` those of all projects.
    pub async fn registries(
        &self,
        scope: &Scope,
        global: bool,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Registry>, StoreError> {
        let registries = read!(self, c => {
            let mut query = sqlx::QueryBuilder::new(select_registry!("from registry where id > "));
            query.push_bind(after);
            query.push(" and (");
            query.push(if global { "project_id is null" } else { "1 = 0" });
            match scope.projects() {
                None => {
                    query.push(" or project_id is not null");
                }
                Some(projects) => image::push_in(&mut query, " or project_id in (", projects),
            }
            query.push(") order by id limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(registries)
    }

    /// The registry that a project uses for a host, with its sealed secret: its own, else that of all projects.
    pub async fn registry_access(
        &self,
        project: Option<i64>,
        host: &str,
    ) -> Result<Option<(Registry, Option<Vec<u8>>)>, StoreError> {
        let sql = select_registry!(
            ", secret from registry where host = $1 and (project_id is null or project_id = $2)
             order by project_id is null limit 1"
        );
        let found: Option<Access> = read_maybe!(self, sql, host, project)?;
        Ok(found.map(|found| (found.registry, found.secret)))
    }
}
