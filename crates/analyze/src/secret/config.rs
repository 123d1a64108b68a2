//! Secrets in the configuration of an image: environment, labels, start commands, health check and history.

use model::{ImageConfig, Place, Problem, ProblemCode, ScanType};

use super::{SecretAnalyzer, secret};
use crate::{ConfigAnalyzer, Merged, text};

/// Most bytes of the configuration that are searched.
const CONFIG_MAX: usize = 16 << 20;

impl ConfigAnalyzer for SecretAnalyzer {
    fn scan_type(&self) -> ScanType {
        ScanType::Secret
    }

    fn finish_config(&self, config: &ImageConfig, merged: &mut Merged) {
        let mut left = CONFIG_MAX;
        for (name, text) in parts(config) {
            let Some(rest) = left.checked_sub(text.len()) else {
                let text = "the image configuration is too long; the rest was not searched for secrets";
                merged.problems.push(Problem::new(ProblemCode::TooManyItems, text));
                return;
            };
            left = rest;
            for found in self.find_in_text(&text) {
                merged.secrets.push(model::Secret {
                    start_line: 1,
                    end_line: 1,
                    ..secret(&found, Place::Config(name.clone()))
                });
            }
        }
    }
}

/// Every part with its name.
fn parts(config: &ImageConfig) -> impl Iterator<Item = (String, String)> + '_ {
    // A name is written by whoever built the image, too.
    let named = |kind: &str, name: &str| match text::token(name.as_bytes()) {
        Some(name) if name.len() <= 100 => format!("{kind} {name}"),
        _ => format!("{kind} ?"),
    };
    let env = config.env.iter().map(move |line| {
        let name = line.split_once('=').map_or("?", |(name, _)| name);
        (named("env", name), line.clone())
    });
    let labels =
        config.labels.iter().map(move |(name, value)| (named("label", name), format!("{name}={value}")));
    let commands =
        [("entrypoint", &config.entrypoint), ("cmd", &config.cmd), ("healthcheck", &config.healthcheck)];
    let commands = commands.into_iter().map(|(name, words)| (name.to_owned(), words.join(" ")));
    let history = (1..).zip(&config.history).flat_map(|(number, line)| {
        [&line.created_by, &line.comment].map(|text| (format!("history {number}"), text.clone()))
    });
    env.chain(labels).chain(commands).chain(history).filter(|(_, text)| !text.is_empty())
}
