//! Projects and their members.

use model::Role;
use serde_json::json;
use store::{Member, Micros, Project, StoreError};

use super::{
    Accounts, DEFAULT_PROJECT,
    caller::Caller,
    error::{AccessError, AccountError},
    name_of,
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 500;

impl Accounts {
    /// Makes a project.
    ///
    /// # Errors
    /// When the caller is no administrator, or the name is taken or none.
    pub async fn create_project(
        &self,
        caller: &Caller,
        name: &str,
        now: Micros,
    ) -> Result<Project, AccountError> {
        caller.may(Role::Admin, None)?;
        let name = name_of(name, "a project")?;
        let note = caller.note("project.created", project_object(&name), None, json!({}));
        let id = self.store.create_project(&name, &note.event(), now).await?;
        Ok(Project { id, name, created_at: now })
    }

    /// Projects that the caller may see, by name, those after one.
    pub async fn projects(
        &self,
        caller: &Caller,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Project>, AccountError> {
        Ok(self.store.projects(&caller.scope(), after, limit.min(MAX_PAGE)).await?)
    }

    /// The project of that name.
    ///
    /// # Errors
    /// [`AccessError::Project`] when there is none, or the caller may not see it.
    pub async fn project(&self, caller: &Caller, name: &str) -> Result<Project, AccountError> {
        let name = name_of(name, "a project")?;
        let project = self.store.project(&name).await?.ok_or(AccessError::Project)?;
        caller.may(Role::Viewer, Some(project.id))?;
        Ok(project)
    }

    /// Takes a project away that has no image records any more.
    ///
    /// # Errors
    /// [`AccountError::ProjectInUse`] when it has; [`AccountError::ProjectFixed`] for [`DEFAULT_PROJECT`].
    pub async fn delete_project(&self, caller: &Caller, name: &str, now: Micros) -> Result<(), AccountError> {
        caller.may(Role::Admin, None)?;
        let project = self.project(caller, name).await?;
        if project.id == self.default_project() {
            return Err(AccountError::ProjectFixed(DEFAULT_PROJECT));
        }
        let note = caller.note("project.deleted", project_object(&project.name), Some(project.id), json!({}));
        if self.store.delete_project(project.id, &note.event(), now).await? {
            return Ok(());
        }
        Err(AccountError::ProjectInUse)
    }

    /// Gives somebody a role in a project, or with `None` takes it away. Administrators do, and who is one in
    /// that project. True when something changed.
    ///
    /// # Errors
    /// [`AccessError::Project`] when the caller may not see the project.
    pub async fn set_member(
        &self,
        caller: &Caller,
        project: &str,
        user: &str,
        role: Option<Role>,
        now: Micros,
    ) -> Result<bool, AccountError> {
        let project = self.project(caller, project).await?;
        caller.may(Role::Admin, Some(project.id))?;
        let name = name_of(user, "an account")?;
        let account = self.store.account(&name).await?.ok_or(StoreError::NotFound("account"))?;
        let (action, detail) = match role {
            Some(role) => ("member.set", json!({ "user": name, "role": role.as_str() })),
            None => ("member.removed", json!({ "user": name })),
        };
        let note = caller.note(action, project_object(&project.name), Some(project.id), detail);
        Ok(self.store.set_member(project.id, account.id, role, &note.event(), now).await?)
    }

    /// Members of a project, by name, those after one; administrators without a membership are not among them.
    ///
    /// # Errors
    /// [`AccessError::Project`] when the caller may not see the project.
    pub async fn members(
        &self,
        caller: &Caller,
        project: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Member>, AccountError> {
        let project = self.project(caller, project).await?;
        Ok(self.store.members(project.id, after, limit.min(MAX_PAGE)).await?)
    }
}

fn project_object(name: &str) -> String {
    format!("project:{name}")
}
