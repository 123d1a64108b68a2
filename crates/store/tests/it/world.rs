//! A world of images, components and findings, the same for the same seed: what tests and the load benchmark fill
//! the store with. Base layers are shared by many images, what applications bring mostly is not, and one package,
//! `glibc`, stands in 60 % of the images.

use std::collections::BTreeMap;

use model::{
    Component, Distro, Finding, Package, PackageKind, Severity, advisory::FixState, finding::Evidence,
};

/// The package that stands in most images.
pub(crate) const DENSE: &str = "glibc";
/// The vulnerability that all of its versions have.
pub(crate) const DENSE_CVE: &str = "CVE-2026-0001";
/// The shard that speaks of it, and of everything that comes from base layers.
pub(crate) const OS_SHARD: &str = "debian-12";
/// Environments, by the place where an image runs.
pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "test", "prod"];

/// Numbers that look random: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The same numbers for the same seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below a bound, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Below a bound, small numbers far more often than large ones.
    pub(crate) fn popular(&mut self, bound: usize) -> usize {
        let part = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((part * part * part * bound as f64) as usize).min(bound - 1)
    }
}

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Image records.
    pub(crate) images: usize,
    /// Projects.
    pub(crate) projects: usize,
    /// Base layers.
    pub(crate) bases: usize,
    /// Packages of a base layer.
    pub(crate) base_packages: usize,
    /// Components that applications choose from.
    pub(crate) app_components: usize,
    /// Components of an application.
    pub(crate) app_size: usize,
    /// Vulnerabilities.
    pub(crate) vulnerabilities: usize,
}

/// One image record.
#[derive(Clone, Debug)]
pub(crate) struct ImageSpec {
    /// Index of its project.
    pub(crate) project: usize,
    pub(crate) reference: String,
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    /// Index into [`ENVIRONMENTS`].
    pub(crate) environment: Option<usize>,
    /// What its layers brought: indexes of components, ascending, each in one set only.
    pub(crate) sets: Vec<Vec<usize>>,
}

/// Everything but the images, which are made one by one.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) scale: Scale,
    pub(crate) seed: u64,
    pub(crate) components: Vec<Component>,
    /// What is wrong with each component.
    pub(crate) findings: Vec<Vec<Finding>>,
    /// Base layers: indexes of components. The first 60 % of them have the dense package.
    pub(crate) bases: Vec<Vec<usize>>,
    first_app: usize,
}

const WORDS: [&str; 16] = [
    "auth", "billing", "cart", "data", "edge", "feed", "gate", "hub", "index", "jobs", "kernel", "ledger",
    "mail", "notify", "orders", "portal",
];
const REGISTRIES: [&str; 4] =
    ["registry.example.com", "quay.example.org", "harbor.corp.example:8443", "docker.io"];

impl World {
    /// Makes it.
    pub(crate) fn new(scale: Scale, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut world = Self {
            scale,
            seed,
            components: Vec::new(),
            findings: Vec::new(),
            bases: Vec::new(),
            first_app: 0,
        };
        // Of the dense package six builds, of other packages of the distribution three.
        for build in 0..6 {
            let mut found = vec![finding(DENSE_CVE, Severity::High, &mut rng)];
            found.extend(world.random_findings(&mut rng, 4));
            world.add(DENSE.to_owned(), format!("2.36-{build}"), PackageKind::Deb, OS_SHARD, found);
        }
        let names = scale.base_packages * 2;
        for name in 0..names {
            for build in 0..3 {
                let found = world.random_findings(&mut rng, 2);
                world.add(format!("lib{name:03}"), format!("1.{build}-1"), PackageKind::Deb, OS_SHARD, found);
            }
        }
        let others = world.components.len() - 6;
        for base in 0..scale.bases {
            let mut members: Vec<usize> = (0..scale.base_packages).map(|_| 6 + rng.below(others)).collect();
            if base * 10 < scale.bases * 6 {
                members.push(base % 6);
            }
            members.sort_unstable();
            members.dedup();
            world.bases.push(members);
        }
        world.first_app = world.components.len();
        for number in 0..scale.app_components {
            let found = world.random_findings(&mut rng, 3);
            let name = format!("{}-{}", WORDS[number % 16], number / 4);
            let (kind, shard) =
                if number % 2 == 0 { (PackageKind::Npm, "npm") } else { (PackageKind::Pypi, "pypi") };
            world.add(name, format!("{}.{}.0", number % 4, number % 7), kind, shard, found);
        }
        world
    }

    fn add(&mut self, name: String, version: String, kind: PackageKind, shard: &str, findings: Vec<Finding>) {
        let number = self.components.len() as u64;
        let mut key = Rng::new(self.seed ^ number.wrapping_mul(0x1234_5678_9abc_def1));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.next().to_be_bytes());
        bytes[8..].copy_from_slice(&key.next().to_be_bytes());
        let distro = (kind == PackageKind::Deb).then(|| Distro {
            id: "debian".to_owned(),
            version_id: Some("12".to_owned()),
            ..Distro::default()
        });
        self.components.push(Component {
            key: bytes,
            shard: Some(shard.to_owned()),
            names: vec![name.clone()],
            package: Package::new(kind, name, version),
            distro,
            channels: Vec::new(),
        });
        self.findings.push(findings);
    }

    /// Up to so many findings, and none for many components.
    fn random_findings(&self, rng: &mut Rng, most: usize) -> Vec<Finding> {
        let mut found: BTreeMap<usize, Finding> = BTreeMap::new();
        let count = rng.below(most + 1);
        for _ in 0..count {
            let number = rng.popular(self.scale.vulnerabilities) + 2;
            let severity = match rng.below(100) {
                0..3 => Severity::Critical,
                3..20 => Severity::High,
                20..60 => Severity::Medium,
                60..85 => Severity::Low,
                85..95 => Severity::Negligible,
                _ => Severity::Unknown,
            };
            let name = format!("CVE-{}-{number:04}", 2020 + number % 7);
            found.insert(number, finding(&name, severity, rng));
        }
        found.into_values().collect()
    }

    /// One of the images.
    pub(crate) fn image(&self, number: usize) -> ImageSpec {
        let repository_number = number / 10;
        let mut of_repository = Rng::new(self.seed ^ 0xabcd ^ ((repository_number as u64) << 20));
        let mut rng = Rng::new(self.seed ^ 0x77 ^ ((number as u64) << 16));
        let registry = REGISTRIES[of_repository.popular(4)];
        let team = WORDS[of_repository.below(16)];
        let app = WORDS[of_repository.below(16)];
        let repository = format!("{registry}/{team}/{app}-service-{repository_number}");
        let tag = format!("1.{}.{}", number % 10, rng.below(100));
        let project = of_repository.popular(self.scale.projects);
        let has_dense = of_repository.percent(60);
        let dense = self.scale.bases * 6 / 10;
        let base = if has_dense {
            of_repository.popular(dense)
        } else {
            dense + of_repository.popular(self.scale.bases - dense)
        };
        // One of ten tags has the content of the one before it.
        let content = if number % 10 == 9 { number - 1 } else { number };
        let mut contents = Rng::new(self.seed ^ 0x5151 ^ ((content as u64) << 16));
        let mut app_set: Vec<usize> = (0..self.scale.app_size)
            .map(|_| self.first_app + contents.popular(self.scale.app_components))
            .collect();
        app_set.sort_unstable();
        app_set.dedup();
        let mut digest = Rng::new(self.seed ^ 0x9999 ^ ((content as u64) << 16));
        let hex: String = (0..4).map(|_| format!("{:016x}", digest.next())).collect();
        ImageSpec {
            project,
            reference: format!("{repository}:{tag}"),
            registry: registry.to_owned(),
            repository,
            tag,
            digest: format!("sha256:{hex}"),
            environment: match rng.below(100) {
                0..40 => Some(0),
                40..60 => Some(1),
                60..65 => Some(2),
                _ => None,
            },
            sets: vec![self.bases[base].clone(), app_set],
        }
    }
}

/// A finding of about the size of a real one.
pub(crate) fn finding(name: &str, severity: Severity, rng: &mut Rng) -> Finding {
    let is_fixable = rng.percent(60);
    let number = rng.below(10_000);
    Finding {
        id: name.to_owned(),
        aliases: vec![format!("GHSA-{number:04}-aaaa-bbbb")],
        package: 0,
        severity,
        score_tenths: Some(u8::try_from(number % 100).unwrap()),
        vector: Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".to_owned()),
        state: if is_fixable { FixState::Fixed } else { FixState::Affected },
        fixed_versions: if is_fixable { vec![format!("9.{number}")] } else { Vec::new() },
        title: format!(
            "A buffer of {name} can be read beyond its end when a header is longer than {number} bytes"
        ),
        ratings: Vec::new(),
        enrichment: model::Enrichment::default(),
        evidence: vec![Evidence {
            advisory: format!("DSA-{number}-1"),
            shard: OS_SHARD.to_owned(),
            matched_name: "source-of-it".to_owned(),
            matched_version: "1.2.3-1".to_owned(),
            scheme: "deb".to_owned(),
            range: format!(">= 0, < 9.{number}"),
        }],
    }
}
