//! Webhooks as people keep them: who may, what is refused, and what the audit log is told.

use std::net::IpAddr;

use egress::Url;
use model::{MessageKind, Role, Severity};
use serde_json::{Value, json};
use store::{Delivery, DeliveryState, NewWebhook, StoreError, Webhook, WebhookChange};

use super::{
    deliver,
    error::NotifyError,
    message,
    send::{self, Sender},
};
use crate::{
    accounts::{AccessError, Caller, Secret},
    clock,
    service::Service,
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 500;
/// Webhooks that there may be.
const MAX_WEBHOOKS: u32 = 500;
/// Most characters of a name, and of a URL.
const MAX_NAME: usize = 100;
const MAX_URL: usize = 2000;
/// Fewest and most characters of a secret.
const SECRET_CHARS: (usize, usize) = (16, 256);
/// What a secret that is made here begins with.
const SECRET_PREFIX: &str = "lzw_";

/// A webhook to be.
#[derive(Clone, Copy, Debug)]
pub struct WebhookOrder<'a> {
    /// The project whose messages it gets; `None` for all, which takes an administrator.
    pub project: Option<i64>,
    /// What it is called, unique in its project.
    pub name: &'a str,
    /// Where messages are sent.
    pub url: &'a str,
    /// What signs them; one is made when it is left out.
    pub secret: Option<&'a str>,
    /// What it is told of.
    pub kinds: &'a [MessageKind],
    /// New findings that are less severe are left out.
    pub min_severity: Severity,
    /// Whether it is told.
    pub enabled: bool,
}

/// What is to be changed of a webhook; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookPatch<'a> {
    /// What it is called.
    pub name: Option<&'a str>,
    /// Where messages are sent.
    pub url: Option<&'a str>,
    /// What signs them from now on.
    pub secret: Option<&'a str>,
    /// Whether another secret is made.
    pub new_secret: bool,
    /// What it is told of.
    pub kinds: Option<&'a [MessageKind]>,
    /// New findings that are less severe are left out.
    pub min_severity: Option<Severity>,
    /// Whether it is told. What waits for a webhook that is turned off is given up.
    pub enabled: Option<bool>,
}

/// A webhook that was made or changed.
#[derive(Clone, Debug)]
pub struct MadeWebhook {
    /// As it is kept.
    pub webhook: Webhook,
    /// What signs its messages, when it was made just now: shown once.
    pub secret: Option<Secret>,
}

impl Service {
    /// Makes a webhook.
    ///
    /// # Errors
    /// When the caller may not, the order cannot be taken, or its name is taken.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        order: &WebhookOrder<'_>,
    ) -> Result<MadeWebhook, NotifyError> {
        may(caller, order.project)?;
        let name = check_name(order.name)?;
        self.check_url(order.url)?;
        check_kinds(order.kinds)?;
        let (secret, made) = chosen_or_made(order.secret)?;
        let there = self.store.webhooks(&store::Scope::All, true, 0, MAX_WEBHOOKS).await?.len();
        if u32::try_from(there).is_ok_and(|there| there >= MAX_WEBHOOKS) {
            return Err(NotifyError::TooMany(there));
        }
        let new = NewWebhook {
            project: order.project,
            name,
            url: order.url,
            secret: &self.key.seal(secret.reveal().as_bytes())?,
            kinds: order.kinds,
            min_severity: order.min_severity,
            enabled: order.enabled,
            owner: &caller.name,
        };
        let detail = json!({
            "host": host_of(order.url), "kinds": words(order.kinds), "enabled": order.enabled,
            "min_severity": order.min_severity.as_str(),
        });
        let note = caller.note("webhook.created", object(name), order.project, detail);
        let id = self.store.create_webhook(&new, &note.event(), clock::now()).await?;
        let webhook = self.store.webhook(id).await?.ok_or(StoreError::NotFound("webhook"))?;
        Ok(MadeWebhook { webhook, secret: made.then_some(secret) })
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or the caller may not see its project.
    pub async fn webhook(&self, caller: &Caller, id: i64) -> Result<Webhook, NotifyError> {
        let webhook = self.store.webhook(id).await?.ok_or(StoreError::NotFound("webhook"))?;
        match may(caller, webhook.project_id) {
            // Whether there is one is not told.
            Err(NotifyError::Access(AccessError::Project)) => Err(StoreError::NotFound("webhook").into()),
            Err(error) => Err(error),
            Ok(()) => Ok(webhook),
        }
    }

    /// Webhooks of the projects in which the caller is an operator, by number, those after one; administrators see
    /// those of all projects too.
    pub async fn webhooks(
        &self,
        caller: &Caller,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Webhook>, NotifyError> {
        let global = caller.may(Role::Admin, None).is_ok();
        let scope = caller.scope_as(Role::Operator);
        Ok(self.store.webhooks(&scope, global, after, limit.min(MAX_PAGE)).await?)
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// As for [`Self::create_webhook`] and [`Self::webhook`].
    pub async fn change_webhook(
        &self,
        caller: &Caller,
        id: i64,
        patch: &WebhookPatch<'_>,
    ) -> Result<MadeWebhook, NotifyError> {
        let before = self.webhook(caller, id).await?;
        let name = patch.name.map(check_name).transpose()?;
        patch.url.map(|url| self.check_url(url)).transpose()?;
        patch.kinds.map(check_kinds).transpose()?;
        let secret = match (patch.secret, patch.new_secret) {
            (None, false) => None,
            (chosen, _) => Some(chosen_or_made(chosen)?),
        };
        let sealed =
            secret.as_ref().map(|(secret, _)| self.key.seal(secret.reveal().as_bytes())).transpose()?;
        let change = WebhookChange {
            name,
            url: patch.url,
            secret: sealed.as_deref(),
            kinds: patch.kinds,
            min_severity: patch.min_severity,
            enabled: patch.enabled,
        };
        let detail = json!({
            "name": name, "host": patch.url.map(host_of), "kinds": patch.kinds.map(words),
            "min_severity": patch.min_severity.map(Severity::as_str), "enabled": patch.enabled,
            "secret_changed": secret.is_some(),
        });
        let detail = without_nulls(detail);
        let note = caller.note("webhook.changed", object(&before.name), before.project_id, detail);
        self.store.change_webhook(id, &change, &note.event(), clock::now()).await?;
        let webhook = self.store.webhook(id).await?.ok_or(StoreError::NotFound("webhook"))?;
        Ok(MadeWebhook { webhook, secret: secret.and_then(|(secret, made)| made.then_some(secret)) })
    }

    /// Takes a webhook away, with its log.
    ///
    /// # Errors
    /// As for [`Self::webhook`].
    pub async fn delete_webhook(&self, caller: &Caller, id: i64) -> Result<(), NotifyError> {
        let webhook = self.webhook(caller, id).await?;
        let note = caller.note("webhook.deleted", object(&webhook.name), webhook.project_id, json!({}));
        Ok(self.store.delete_webhook(id, &note.event(), clock::now()).await?)
    }

    /// The log of a webhook, newest first: those before a number.
    ///
    /// # Errors
    /// As for [`Self::webhook`].
    pub async fn deliveries(
        &self,
        caller: &Caller,
        webhook: i64,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, NotifyError> {
        self.webhook(caller, webhook).await?;
        Ok(self.store.deliveries(webhook, state, before, limit.min(MAX_PAGE)).await?)
    }

    /// One line of a log.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or the caller may not see its webhook's project.
    pub async fn delivery(&self, caller: &Caller, id: i64) -> Result<Delivery, NotifyError> {
        let delivery = self.store.delivery(id).await?.ok_or(StoreError::NotFound("delivery"))?;
        self.webhook(caller, delivery.webhook_id).await?;
        Ok(delivery)
    }

    /// Sends a message again, whatever became of it: the receiver sees the same number and body.
    ///
    /// # Errors
    /// As for [`Self::delivery`]; [`NotifyError::Off`] when its webhook is turned off.
    pub async fn redeliver(&self, caller: &Caller, id: i64) -> Result<Delivery, NotifyError> {
        let delivery = self.delivery(caller, id).await?;
        let webhook = self.webhook(caller, delivery.webhook_id).await?;
        if !webhook.enabled {
            return Err(NotifyError::Off);
        }
        let detail = json!({ "delivery": id, "message": delivery.message });
        let note = caller.note("webhook.redelivered", object(&webhook.name), webhook.project_id, detail);
        self.store.redeliver(id, &note.event(), clock::now()).await?;
        self.touch();
        self.delivery(caller, id).await
    }

    /// Refuses what cannot be sent to, or would be refused at every attempt.
    fn check_url(&self, text: &str) -> Result<(), NotifyError> {
        if text.len() > MAX_URL {
            return Err(NotifyError::Url("is too long"));
        }
        let url: Url = text.parse().map_err(|_| NotifyError::Url("cannot be read"))?;
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else {
            return Err(NotifyError::Url("is not http(s) with a host"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotifyError::Url("holds a user name or a password"));
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if literal.is_ok_and(|address| !send::addresses(&self.config).permits(host, address)) {
            return Err(NotifyError::Url("leads to an address that this service does not send to"));
        }
        Ok(())
    }
}

/// Sends a message of the kind `test`, once and now, also to a webhook that is turned off: the line of the log that
/// says what came of it.
///
/// # Errors
/// As for [`Service::webhook`]; that the receiver did not take it is none.
pub async fn send_test(service: &Service, caller: &Caller, id: i64) -> Result<Delivery, NotifyError> {
    let webhook = service.webhook(caller, id).await?;
    let sender = Sender::of(service)?;
    let facts = json!({ "webhook": webhook.name, "requested_by": caller.name }).to_string();
    let note = caller.note("webhook.tested", object(&webhook.name), webhook.project_id, json!({}));
    let now = clock::now();
    let until = now + send::lease(service);
    let delivery =
        service.store.add_delivery(id, MessageKind::Test, &facts, until, &note.event(), now).await?;
    if let Some(mut claimed) = service.store.claim_new_delivery(delivery, until, now).await? {
        // Whoever waits for it is told at once; nobody waits for another attempt.
        claimed.attempt = u32::MAX;
        deliver(service, &sender, &claimed).await;
    }
    service.delivery(caller, delivery).await
}

/// The body of a delivery, as the receiver gets it.
///
/// # Errors
/// [`NotifyError::Message`] when what is stored cannot be read.
pub fn delivery_body(delivery: &Delivery) -> Result<String, NotifyError> {
    message::body(delivery.message, delivery.kind, delivery.created_at, &delivery.facts)
}

/// Operators keep the webhooks of their projects, administrators those of all.
fn may(caller: &Caller, project: Option<i64>) -> Result<(), NotifyError> {
    let needed = if project.is_some() { Role::Operator } else { Role::Admin };
    Ok(caller.may(needed, project)?)
}

fn check_name(text: &str) -> Result<&str, NotifyError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(NotifyError::Name(name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()));
    }
    Ok(name)
}

fn check_kinds(kinds: &[MessageKind]) -> Result<(), NotifyError> {
    let asked = kinds.iter().any(|kind| *kind != MessageKind::Test);
    if asked { Ok(()) } else { Err(NotifyError::NoKinds) }
}

/// The secret, and whether it was made here.
fn chosen_or_made(chosen: Option<&str>) -> Result<(Secret, bool), NotifyError> {
    let (least, most) = SECRET_CHARS;
    match chosen {
        None => Ok((Secret::new(format!("{SECRET_PREFIX}{}", Secret::random()?.reveal())), true)),
        Some(text) => {
            let typed = text.chars().all(|c| c.is_ascii_graphic());
            if (least..=most).contains(&text.len()) && typed {
                Ok((Secret::new(text.to_owned()), false))
            } else {
                Err(NotifyError::Secret(least, most))
            }
        }
    }
}

/// What the audit log is told of a URL: its path may hold a token.
fn host_of(url: &str) -> String {
    url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

fn words(kinds: &[MessageKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

fn object(name: &str) -> String {
    format!("webhook:{name}")
}
