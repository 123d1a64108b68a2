//! Which crate may use which: the one table, and its check against `cargo metadata`.
//!
//! The table is the architecture. A new arrow is a design decision: change the row, `ARCHITECTURE.md` and a page
//! in `docs/design/` in one commit.

use cargo_metadata::{DependencyKind, Metadata, TargetKind};

use super::Violation;

/// One crate of the workspace and what it may use.
struct Row {
    name: &'static str,
    /// Crates of ours that it may build on.
    uses: &'static [&'static str],
    /// Does no I/O over the network and knows no async runtime.
    synchronous: bool,
}

/// The table, lowest crate first.
const LAYERS: &[Row] = &[
    Row { name: "model", uses: &[], synchronous: true },
    Row { name: "formats", uses: &["model"], synchronous: true },
    Row { name: "egress", uses: &["model"], synchronous: false },
    Row { name: "oci", uses: &["egress", "model"], synchronous: false },
    Row { name: "advisory", uses: &["model"], synchronous: true },
    Row { name: "store", uses: &["model"], synchronous: false },
    Row { name: "analyze", uses: &["formats", "model"], synchronous: true },
    Row { name: "policy", uses: &["formats", "model"], synchronous: true },
    Row { name: "feeds", uses: &["advisory", "oci", "formats", "egress", "model"], synchronous: false },
    Row { name: "scan", uses: &["oci", "analyze", "advisory", "formats", "model"], synchronous: false },
    Row {
        name: "app",
        uses: &[
            "advisory", "analyze", "egress", "feeds", "formats", "model", "oci", "policy", "scan", "store",
        ],
        synchronous: false,
    },
    Row {
        name: "server",
        uses: &["advisory", "app", "egress", "formats", "model", "oci", "policy", "store"],
        synchronous: false,
    },
    Row {
        name: "cli",
        uses: &[
            "advisory", "analyze", "app", "egress", "feeds", "formats", "model", "oci", "policy", "scan",
            "server", "store", "testkit",
        ],
        synchronous: false,
    },
    Row { name: "testkit", uses: &["model"], synchronous: false },
    Row { name: "xtask", uses: &[], synchronous: false },
];

/// The crate that tests of every crate may use; in product code only `cli` does, for the demo.
const TESTKIT: &str = "testkit";

/// What a synchronous crate must not build on.
const ASYNC: &[&str] = &["tokio", "reqwest", "hyper", "axum", "rustls", "futures-util", "async-trait"];

/// Third-party crates with one home, and the reason.
const ONE_HOME: &[(&str, &[&str], &str)] = &[
    ("reqwest", &["egress"], "outbound clients are built by `egress`, which checks addresses"),
    ("anyhow", &["cli", "xtask"], "libraries have typed errors beside what fails"),
    ("clap", &["cli", "xtask"], "arguments are parsed at the edge"),
    ("sqlx", &["store"], "`store` is the only SQL"),
];

/// What the rules need to know of one workspace member.
pub(super) struct Member {
    name: String,
    /// Name and kind of every declared dependency; true = only for tests.
    dependencies: Vec<(String, bool)>,
    publishable: bool,
    features: usize,
    test_targets: usize,
}

impl Member {
    /// All workspace members.
    pub(super) fn all(metadata: &Metadata) -> Vec<Self> {
        let of = |package: &&cargo_metadata::Package| Self {
            name: package.name.to_string(),
            dependencies: package
                .dependencies
                .iter()
                .map(|d| (d.name.clone(), d.kind == DependencyKind::Development))
                .collect(),
            publishable: package.publish.as_ref().is_none_or(|registries| !registries.is_empty()),
            features: package.features.len(),
            test_targets: package.targets.iter().filter(|t| t.kind.contains(&TargetKind::Test)).count(),
        };
        metadata.workspace_packages().iter().map(of).collect()
    }

    fn manifest(&self) -> String {
        if self.name == "xtask" {
            "xtask/Cargo.toml".to_owned()
        } else {
            format!("crates/{}/Cargo.toml", self.name)
        }
    }
}

/// Checks members against the table.
pub(super) fn check(members: &[Member]) -> Vec<Violation> {
    let mut found = Vec::new();
    for row in LAYERS {
        if !members.iter().any(|member| member.name == row.name) {
            let text = format!("the table names `{}`, which is no crate: remove the row", row.name);
            found.push(Violation::new("xtask/src/tidy/layers.rs", 0, "layers", text));
        }
    }
    for member in members {
        let path = member.manifest();
        let mut say = |rule, text: String| found.push(Violation::new(&path, 0, rule, text));
        if member.publishable {
            say("publish", "add `publish.workspace = true`: no crate is published".to_owned());
        }
        if member.features > 0 {
            say("features", "remove `[features]`: there is one build and one binary".to_owned());
        }
        if member.test_targets > 1 {
            let text =
                format!("{} integration tests: make them modules of tests/it/main.rs", member.test_targets);
            say("one-test-binary", text);
        }
        let Some(row) = LAYERS.iter().find(|row| row.name == member.name) else {
            say("layers", "is not in the table of xtask/src/tidy/layers.rs: add a row".to_owned());
            continue;
        };
        for (dependency, for_tests) in &member.dependencies {
            let dependency = dependency.as_str();
            let ours = members.iter().any(|other| other.name == dependency);
            // Tests may build their world with whatever stands lower; that turns no arrow round.
            let below = |name: &str| LAYERS.iter().position(|row| row.name == name);
            let lower = below(dependency).zip(below(row.name)).is_some_and(|(one, other)| one < other);
            let allowed = row.uses.contains(&dependency) || (*for_tests && (lower || dependency == TESTKIT));
            if ours && !allowed {
                let text = format!("must not use `{dependency}`: move the code, or decide a new arrow");
                say("layers", text);
            }
            if row.synchronous && !for_tests && ASYNC.contains(&dependency) {
                say("synchronous", format!("is synchronous and must not use `{dependency}`"));
            }
            for (name, homes, reason) in ONE_HOME {
                if *name == dependency && !for_tests && !homes.contains(&row.name) {
                    say("one-home", format!("must not use `{dependency}`: {reason}"));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dependencies: &[(&str, bool)]) -> Member {
        Member {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(|(n, t)| ((*n).to_owned(), *t)).collect(),
            publishable: false,
            features: 0,
            test_targets: 1,
        }
    }

    /// Rules that the member breaks when it stands in an otherwise empty workspace.
    fn rules(changed: Member) -> Vec<&'static str> {
        let mut members: Vec<Member> =
            LAYERS.iter().filter(|row| row.name != changed.name).map(|row| member(row.name, &[])).collect();
        members.push(changed);
        check(&members).into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn the_table_has_no_arrow_upwards() {
        for (idx, row) in LAYERS.iter().enumerate().filter(|(_, row)| row.name != "cli") {
            for used in row.uses {
                let below = LAYERS.iter().position(|other| other.name == *used);
                assert!(below.is_some_and(|below| below < idx), "{} -> {used}", row.name);
            }
        }
    }

    #[test]
    fn arrows_are_checked() {
        assert_eq!(rules(member("oci", &[("egress", false), ("model", false)])), [""; 0]);
        assert_eq!(rules(member("oci", &[("scan", false)])), ["layers"]);
        assert_eq!(rules(member("model", &[("formats", true)])), ["layers"]);
        assert_eq!(rules(member("server", &[("feeds", true)])), [""; 0]);
        assert_eq!(rules(member("server", &[("feeds", false)])), ["layers"]);
        assert_eq!(rules(member("oci", &[("testkit", true)])), [""; 0]);
        assert_eq!(rules(member("oci", &[("testkit", false)])), ["layers"]);
        assert_eq!(rules(member("cli", &[("testkit", false)])), [""; 0]);
        assert_eq!(rules(member("newcomer", &[])), ["layers"]);
    }

    #[test]
    fn a_row_without_a_crate_is_reported() {
        let members: Vec<Member> = LAYERS.iter().skip(1).map(|row| member(row.name, &[])).collect();
        assert_eq!(check(&members).len(), 1);
    }

    #[test]
    fn synchronous_crates_stay_so() {
        assert_eq!(rules(member("analyze", &[("tokio", false)])), ["synchronous"]);
        assert_eq!(rules(member("analyze", &[("tokio", true)])), [""; 0]);
        assert_eq!(rules(member("scan", &[("tokio", false)])), [""; 0]);
        assert_eq!(rules(member("policy", &[("reqwest", false)])), ["synchronous", "one-home"]);
    }

    #[test]
    fn some_dependencies_have_one_home() {
        assert_eq!(rules(member("oci", &[("reqwest", false)])), ["one-home"]);
        assert_eq!(rules(member("egress", &[("reqwest", false)])), [""; 0]);
        assert_eq!(rules(member("scan", &[("anyhow", false)])), ["one-home"]);
    }

    #[test]
    fn manifests_are_private_and_without_features() {
        assert_eq!(rules(Member { publishable: true, ..member("oci", &[]) }), ["publish"]);
        assert_eq!(rules(Member { features: 1, ..member("oci", &[]) }), ["features"]);
        assert_eq!(rules(Member { test_targets: 2, ..member("oci", &[]) }), ["one-test-binary"]);
    }
}
