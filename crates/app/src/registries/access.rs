//! How a registry is reached, and with whose credentials.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use oci::registry::{CredentialSource, Credentials, Registries, RegistryOptions};
use store::{Registry, StoreError};

use crate::{seal::SealError, service::Service, submit::PullSecret};

/// Stored registries whose connections and tokens are kept.
const KEPT: usize = 1000;

/// Why it is not known how a registry is reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReachError {
    /// The store.
    #[error("the stored credentials of the registry could not be read")]
    Store(#[from] StoreError),
    /// They were sealed with another key.
    #[error("the stored credentials of the registry cannot be used")]
    Seal(#[from] SealError),
}

/// Connections and tokens of stored registries: by number, as of a version.
#[derive(Default)]
pub(crate) struct StoredRegistries {
    kept: Mutex<HashMap<i64, (i32, Arc<Registries>)>>,
}

impl StoredRegistries {
    fn get(&self, registry: &Registry) -> Option<Arc<Registries>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&registry.id)
            .filter(|(version, _)| *version == registry.version)
            .map(|(_, registries)| Arc::clone(registries))
    }

    fn put(&self, registry: &Registry, registries: &Arc<Registries>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(registry.id, (registry.version, Arc::clone(registries)));
    }
}

/// How a project reaches a registry: with these credentials, else with those stored for the project, else with those
/// stored for all, else without any. What is stored beside credentials counts with other credentials too.
pub(crate) async fn reach(
    service: &Service,
    project: Option<i64>,
    host: &str,
    own: Option<&PullSecret>,
) -> Result<Arc<Registries>, ReachError> {
    let own = own.map(|own| Credentials::basic(&own.username, &own.password));
    let Some((registry, secret)) = service.store.registry_access(project, host).await? else {
        return Ok(match own {
            Some(credentials) => build(service, host, None, Some(credentials)),
            None => Arc::clone(&service.registries),
        });
    };
    if own.is_some() {
        return Ok(build(service, host, Some(&registry), own));
    }
    if let Some(registries) = service.stored_registries.get(&registry) {
        return Ok(registries);
    }
    let stored = match (&registry.username, secret) {
        (Some(username), Some(sealed)) => {
            let secret = String::from_utf8(service.key.open(&sealed)?).map_err(|_| SealError::Open)?;
            Some(Credentials::basic(username, secret))
        }
        _ => None,
    };
    let registries = build(service, host, Some(&registry), stored);
    service.stored_registries.put(&registry, &registries);
    Ok(registries)
}

fn build(
    service: &Service,
    host: &str,
    registry: Option<&Registry>,
    credentials: Option<Credentials>,
) -> Arc<Registries> {
    let mut client = service.config.client.clone();
    let mut plain_http = service.config.plain_http.clone();
    if let Some(registry) = registry {
        client.extra_ca.extend(registry.ca.as_ref().map(|ca| ca.clone().into_bytes()));
        if registry.plain_http {
            plain_http.push(registry.host.clone());
        }
    }
    let credentials = match credentials {
        Some(credentials) => CredentialSource::Explicit { registry: host.to_owned(), credentials },
        None => CredentialSource::Anonymous,
    };
    Registries::new(RegistryOptions { client, credentials, plain_http })
}
