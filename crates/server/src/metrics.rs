//! Numbers for Prometheus (text exposition format 0.0.4): what routes answered, what scans came to, what waits.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use app::{Service, clock};
use store::{Scan, StoreError};

/// Upper bounds of the buckets of scan durations, in seconds.
const BUCKETS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
/// Changes of scans that are counted in one go; the rest comes with the next.
const MAX_CHANGES: u32 = 2000;

/// Counts since the process began.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
    /// Held while changes are counted, so that none is counted twice.
    reading: tokio::sync::Mutex<Option<i64>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Method, route, status: how many, and how long in all.
    requests: BTreeMap<(String, String, u16), (u64, Duration)>,
    /// Status, reason.
    results: BTreeMap<(&'static str, &'static str), u64>,
    durations: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        // Whatever a client invents as a method is one of a few here.
        let method = match method {
            "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" => method,
            _ => "other",
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sum) = counts.requests.entry((method.to_owned(), route.to_owned(), status)).or_default();
        *count += 1;
        *sum += took;
    }

    fn ended(&self, scan: &Scan) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = scan.reason.map_or("", model::FailureReason::as_str);
        *counts.results.entry((scan.status.as_str(), reason)).or_default() += 1;
        if let Some((from, to)) = scan.started_at.zip(scan.finished_at) {
            let micros = u32::try_from(to.saturating_sub(from).max(0)).unwrap_or(u32::MAX);
            let seconds = f64::from(micros) / 1e6;
            for (bucket, bound) in counts.durations.iter_mut().zip(BUCKETS) {
                *bucket += u64::from(seconds <= bound);
            }
            counts.count += 1;
            counts.sum += seconds;
        }
    }

    /// Counts the scans that ended since the last look; those from before the first look are not counted.
    async fn follow(&self, service: &Service) -> Result<(), StoreError> {
        let mut seen = self.reading.lock().await;
        let from = match *seen {
            Some(seq) => seq,
            None => service.store.last_change().await?,
        };
        *seen = Some(from);
        for change in service.store.changes(from, MAX_CHANGES).await? {
            if change.status.is_terminal()
                && let Some(scan) = service.store.scan(change.scan).await?
            {
                self.ended(&scan);
            }
            *seen = Some(change.seq);
        }
        Ok(())
    }

    /// Everything as text.
    pub(crate) async fn text(&self, service: &Service) -> Result<String, StoreError> {
        self.follow(service).await?;
        let mut out = String::new();
        queue(&mut out, &service.store.waiting().await?);
        database(&mut out, service);
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        head(&mut out, "lazaret_http_requests_total", "counter", "Requests that were answered.");
        for ((method, route, status), (count, _)) in &counts.requests {
            line(
                &mut out,
                "lazaret_http_requests_total",
                &labels(&[("method", method), ("route", route), ("status", &status.to_string())]),
                count,
            );
        }
        head(&mut out, "lazaret_http_request_seconds_total", "counter", "Time that answers took.");
        for ((method, route, status), (_, sum)) in &counts.requests {
            let labels = labels(&[("method", method), ("route", route), ("status", &status.to_string())]);
            line(&mut out, "lazaret_http_request_seconds_total", &labels, sum.as_secs_f64());
        }
        head(&mut out, "lazaret_scans_total", "counter", "Scans that ended, as this process saw them.");
        for ((status, reason), count) in &counts.results {
            line(&mut out, "lazaret_scans_total", &labels(&[("status", status), ("reason", reason)]), count);
        }
        head(
            &mut out,
            "lazaret_scan_seconds",
            "histogram",
            "From the beginning of work on a scan to its end.",
        );
        for (bound, count) in BUCKETS.iter().zip(counts.durations) {
            line(&mut out, "lazaret_scan_seconds_bucket", &labels(&[("le", &bound.to_string())]), count);
        }
        line(&mut out, "lazaret_scan_seconds_bucket", "{le=\"+Inf\"}", counts.count);
        line(&mut out, "lazaret_scan_seconds_sum", "", counts.sum);
        line(&mut out, "lazaret_scan_seconds_count", "", counts.count);
        Ok(out)
    }
}

fn queue(out: &mut String, waiting: &[(model::JobClass, store::Waiting)]) {
    head(out, "lazaret_queue_jobs", "gauge", "Jobs by class and state.");
    for (class, waiting) in waiting {
        for (state, count) in
            [("ready", waiting.ready), ("running", waiting.running), ("parked", waiting.parked)]
        {
            line(out, "lazaret_queue_jobs", &labels(&[("class", class.as_str()), ("state", state)]), count);
        }
    }
    head(out, "lazaret_queue_oldest_seconds", "gauge", "Age of the job that waits longest.");
    for (class, waiting) in waiting {
        let age = waiting.oldest.map_or(0, |oldest| clock::now().saturating_sub(oldest).max(0) / 1_000_000);
        line(out, "lazaret_queue_oldest_seconds", &labels(&[("class", class.as_str())]), age);
    }
}

fn database(out: &mut String, service: &Service) {
    head(
        out,
        "lazaret_database_age_seconds",
        "gauge",
        "Time since a shard of the advisory database was built.",
    );
    for (shard, entry) in service.advisories.database.status().unwrap_or_default() {
        if let Some(built) = clock::parse(&entry.built) {
            let age = clock::now().saturating_sub(built).max(0) / 1_000_000;
            line(out, "lazaret_database_age_seconds", &labels(&[("shard", &shard)]), age);
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail; so below.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(labels(&[("a", "x\"\\\n"), ("b", "y")]), "{a=\"x\\\"\\\\\\n\",b=\"y\"}");
    }
}
