//! The form of messages: version 1, as `docs/webhooks.md` tells receivers. Fields may be added; none is renamed, and
//! none changes its meaning, while the version stays.

use aws_lc_rs::hmac;
use model::{Facets, MessageKind, Severity};
use serde_json::{Value, json};
use store::{FindingsMessage, MessageImage, Micros, ScanMessage};
use uuid::Uuid;

use super::error::NotifyError;
use crate::clock::rfc3339;

/// The version of the form.
const VERSION: u32 = 1;
/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "lazaret-signature";

/// The value of the signature's header: `t=UNIX,v1=HEX`, where HEX is the HMAC-SHA256 of `UNIX.BODY` under the
/// webhook's secret. `unix` is the time of sending in seconds since 1970.
pub fn sign(secret: &[u8], unix: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(unix.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={unix},v1={hex}")
}

/// The body of a message. The same at every attempt, since it is made of nothing but what is stored.
pub(crate) fn body(message: Uuid, kind: MessageKind, at: Micros, facts: &str) -> Result<String, NotifyError> {
    let data = match kind {
        MessageKind::ScanCompleted | MessageKind::ScanFailed | MessageKind::ScanCancelled => {
            scan(&parse::<ScanMessage>(facts)?)
        }
        MessageKind::FindingsNew => findings(&parse::<FindingsMessage>(facts)?),
        MessageKind::Test => parse::<Value>(facts)?,
    };
    let body = json!({
        "version": VERSION,
        "id": message,
        "kind": kind.as_str(),
        "at": rfc3339(at),
        "data": data,
    });
    Ok(body.to_string())
}

fn parse<T: serde::de::DeserializeOwned>(facts: &str) -> Result<T, NotifyError> {
    serde_json::from_str(facts).map_err(|_| NotifyError::Message)
}

fn scan(message: &ScanMessage) -> Value {
    json!({
        "image": image(&message.image),
        "scan": {
            "id": message.scan,
            "status": message.status.as_str(),
            "reason": message.reason.map(|reason| reason.as_str()),
            "detail": message.detail,
            "partial": message.partial,
            "report": message.report,
            "requested_by": message.requested_by,
            "request_id": message.request_id,
            "requested_at": rfc3339(message.requested_at),
            "started_at": message.started_at.map(rfc3339),
            "finished_at": message.finished_at.map(rfc3339),
        },
        "counts": message.findings.as_ref().map(counts),
    })
}

fn findings(message: &FindingsMessage) -> Value {
    let named: Vec<Value> = message
        .findings
        .iter()
        .map(|finding| {
            json!({
                "id": finding.id,
                "vulnerability": finding.name,
                "severity": finding.severity.as_str(),
                "fixable": finding.fixable,
                "package": { "kind": finding.kind, "name": finding.package, "version": finding.version },
            })
        })
        .collect();
    let total: u32 = Severity::DESCENDING.into_iter().map(|severity| message.counts.get(severity)).sum();
    json!({
        "image": image(&message.image),
        "cause": message.cause.as_str(),
        "scan": message.scan,
        "advisories": message.shard,
        "total": total,
        "counts": counts(&message.counts),
        "findings": named,
    })
}

fn image(image: &MessageImage) -> Value {
    json!({
        "id": image.id,
        "reference": image.reference,
        "platform": (!image.platform.is_empty()).then_some(&image.platform),
        "digest": image.digest,
        "project": image.project,
    })
}

fn counts(facets: &Facets) -> Value {
    json!({
        "critical": facets.critical,
        "high": facets.high,
        "medium": facets.medium,
        "low": facets.low,
        "negligible": facets.negligible,
        "unknown": facets.unknown,
        "fixable": facets.fixable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_others_would() {
        // Computed by another implementation of RFC 2104.
        let expected = "t=1760000000,v1=341299a7f33368fc7ab298b2b97015ae8330fe8f6e6781622c17a22760bdb553";
        assert_eq!(sign(b"a secret of the receiver", 1_760_000_000, b"{\"version\":1}"), expected);
    }

    #[test]
    fn a_body_is_the_same_every_time_and_says_what_is_stored() {
        let facts = json!({
            "image": { "id": 7, "reference": "r.example/a:1", "platform": "", "digest": "sha256:1",
                       "project_id": 1, "project": "p" },
            "scan": Uuid::nil(), "status": "failed", "reason": "image_not_found", "detail": "gone",
            "partial": false, "report": null, "findings": null, "requested_by": "alice", "request_id": "r1",
            "requested_at": 1_760_000_000_000_000_i64, "started_at": null,
            "finished_at": 1_760_000_001_000_000_i64,
        })
        .to_string();
        let of = || body(Uuid::nil(), MessageKind::ScanFailed, 1_760_000_001_000_000, &facts).unwrap();
        assert_eq!(of(), of());
        let read: Value = serde_json::from_str(&of()).unwrap();
        assert_eq!(read["version"], 1);
        assert_eq!(read["kind"], "scan.failed");
        assert_eq!(read["at"], "2025-10-09T08:53:21.000Z");
        assert_eq!(read["data"]["scan"]["reason"], "image_not_found");
        assert_eq!(read["data"]["image"]["platform"], Value::Null);
        assert_eq!(read["data"]["counts"], Value::Null);
        assert!(body(Uuid::nil(), MessageKind::FindingsNew, 0, &facts).is_err());
    }
}
