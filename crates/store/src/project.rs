//! Projects: groups of image records, and who may do what with them.

use model::Role;
use sqlx::FromRow;

use crate::{
    Micros, account,
    db::{Store, Tx, execute, maybe, read_maybe, read_rows},
    error::StoreError,
    event::{self, NewEvent},
    image::{self, Scope},
};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Project {
    /// Its number.
    pub id: i64,
    /// Its name, unique.
    pub name: String,
    /// When it was made.
    pub created_at: Micros,
}

/// Somebody's part in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub account_id: i64,
    /// Its name.
    pub account: String,
    /// What it may do there.
    pub role: Role,
}

impl Store {
    /// Makes a project.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its name is taken.
    pub async fn create_project(
        &self,
        name: &str,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let sql = "insert into project (name, created_at) values ($1, $2) on conflict (name) do nothing returning id";
        let made: Option<(i64,)> = maybe!(&mut tx, sql, name, now)?;
        let Some((id,)) = made else { return Err(StoreError::Exists("a project")) };
        event::append(&mut tx, &NewEvent { project: Some(id), ..*event }, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The project of that name.
    pub async fn project(&self, name: &str) -> Result<Option<Project>, StoreError> {
        read_maybe!(self, "select id, name, created_at from project where name = $1", name)
    }

    /// The project of that number.
    pub async fn project_by_id(&self, id: i64) -> Result<Option<Project>, StoreError> {
        read_maybe!(self, "select id, name, created_at from project where id = $1", id)
    }

    /// Projects by name, those after one.
    pub async fn projects(&self, scope: &Scope, after: &str, limit: u32) -> Result<Vec<Project>, StoreError> {
        let projects = crate::db::read!(self, c => {
            let mut query = sqlx::QueryBuilder::new("select id, name, created_at from project where name > ");
            query.push_bind(after);
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and id in (", projects);
            }
            query.push(" order by name limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(projects)
    }

    /// Takes a project away. False when it still has image records: then it stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such project.
    pub async fn delete_project(
        &self,
        id: i64,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        require(&mut tx, id).await?;
        let image: Option<(i64,)> =
            maybe!(&mut tx, "select id from image where project_id = $1 limit 1", id)?;
        if image.is_some() {
            return Ok(false);
        }
        execute!(&mut tx, "delete from project where id = $1", id)?;
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives an account a part in a project, or another one than it has; `None` takes it away. False when
    /// nothing changes: then no event is written.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such project or account.
    pub async fn set_member(
        &self,
        project: i64,
        account: i64,
        role: Option<Role>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        require(&mut tx, project).await?;
        account::require(&mut tx, account).await?;
        let changed = if let Some(role) = role {
            let sql = "insert into membership (project_id, account_id, role) values ($1, $2, $3)
                       on conflict (project_id, account_id) do update set role = excluded.role
                       where membership.role <> excluded.role";
            execute!(&mut tx, sql, project, account, role.code())?
        } else {
            let sql = "delete from membership where project_id = $1 and account_id = $2";
            execute!(&mut tx, sql, project, account)?
        };
        if changed == 0 {
            return Ok(false);
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Who has a part in a project, by name, those after one.
    pub async fn members(&self, project: i64, after: &str, limit: u32) -> Result<Vec<Member>, StoreError> {
        let sql =
            "select m.account_id, a.name, m.role from membership m join account a on a.id = m.account_id
                   where m.project_id = $1 and a.name > $2 order by a.name limit $3";
        let rows: Vec<(i64, String, i16)> = read_rows!(self, sql, project, after, i64::from(limit))?;
        rows.into_iter()
            .map(|(account_id, account, role)| {
                let role = Role::from_code(role).ok_or(StoreError::Value("role"))?;
                Ok(Member { account_id, account, role })
            })
            .collect()
    }
}

/// Says so when there is no such project.
pub(crate) async fn require(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    let there: Option<(i64,)> = maybe!(tx, "select id from project where id = $1", id)?;
    there.map(|_| ()).ok_or(StoreError::NotFound("project"))
}
