//! What the readers of all forms share: bounded lists, texts that are fit to be shown, and the inventory that comes
//! of it.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use model::{Distro, Inventory, Package, Problem, ProblemCode, package::SourcePackage};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use super::{Kind, Sbom, image, property, purl};

/// Most components of a document that are looked at: as many packages as one file may hold (`Limits`).
pub(super) const MAX_COMPONENTS: usize = 100_000;
/// Most properties, hashes or licences of one component.
pub(super) const MAX_DETAILS: usize = 10_000;
/// Longest name or version, in bytes.
const MAX_TOKEN: usize = 1024;
/// Longest other text, in bytes.
const MAX_TEXT: usize = 4096;

/// A list that keeps its first `N` elements and counts the others.
pub(super) struct Capped<T, const N: usize> {
    pub(super) items: Vec<T>,
    pub(super) left_out: usize,
}

impl<T, const N: usize> Default for Capped<T, N> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Capped<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for List<T, N> {
            type Value = Capped<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Capped::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut capped = Capped::default();
                while capped.items.len() < N {
                    match list.next_element()? {
                        Some(item) => capped.items.push(item),
                        None => return Ok(capped),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    capped.left_out += 1;
                }
                Ok(capped)
            }
        }
        // `null` stands for no list at all.
        deserializer.deserialize_any(List(PhantomData))
    }
}

/// An inventory in the making.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) image: image::Told,
    /// The distribution that the document itself names.
    pub(super) distro: Option<Distro>,
    /// Those that purls name, with how often.
    named: BTreeMap<Distro, usize>,
    packages: Vec<Package>,
    n_damaged: usize,
    n_foreign: usize,
    n_left_out: usize,
}

impl Reading {
    /// Counts components beyond the limit.
    pub(super) fn leave_out(&mut self, components: usize) {
        self.n_left_out += components;
    }

    /// Counts a component that is damaged.
    pub(super) fn damaged(&mut self) {
        self.n_damaged += 1;
    }

    /// Counts a component that is no package of a kind known here.
    pub(super) fn foreign(&mut self) {
        self.n_foreign += 1;
    }

    /// How many components there were room for.
    pub(super) fn room(&self) -> bool {
        self.packages.len() < MAX_COMPONENTS
    }

    /// Remembers the distribution that a purl names.
    pub(super) fn note_distro(&mut self, purl: &str) {
        if let Some(distro) = purl::parts(purl).as_ref().and_then(purl::distro) {
            // Every package names the same one, or nearly.
            if self.named.len() < 100 || self.named.contains_key(&distro) {
                *self.named.entry(distro).or_default() += 1;
            }
        }
    }

    /// Takes a package, when its texts are fit.
    pub(super) fn push(&mut self, mut package: Package) {
        if !self.room() {
            self.n_left_out += 1;
            return;
        }
        // A path of others begins at the root.
        if let Some(path) = package.path.strip_prefix('/') {
            package.path = path.to_owned();
        }
        let whole = token(&package.name)
            && package.version.len() <= MAX_TOKEN
            && !package.version.chars().any(is_unfit)
            && package.source.as_ref().is_none_or(fit_source)
            && [&package.arch, &package.module, &package.os].into_iter().flatten().all(|text| token(text));
        if !whole {
            self.n_damaged += 1;
            return;
        }
        for text in [&mut package.vendor, &mut package.owner, &mut package.licence, &mut package.digest] {
            *text = text.take().and_then(line);
        }
        package.path = line(package.path).unwrap_or_default();
        package.licences = package.licences.into_iter().filter_map(line).take(1000).collect();
        package.requires.retain(|name| token(name));
        self.packages.push(package);
    }

    /// The whole.
    pub(super) fn finish(mut self, kind: Kind) -> Sbom {
        self.packages.sort();
        self.packages.dedup();
        let mut distro = self.distro.take().or_else(|| {
            // The one that most packages name; one with a release rather than one without.
            let ranked = self.named.iter().max_by_key(|(distro, n)| (distro.version_id.is_some(), **n));
            ranked.map(|(distro, _)| distro.clone())
        });
        if let Some(distro) = &mut distro {
            clean_distro(distro);
        }
        let mut problems = std::mem::take(&mut self.image.problems);
        for problem in &mut problems {
            problem.message = line(std::mem::take(&mut problem.message)).unwrap_or_default();
            problem.path = problem.path.take().and_then(line);
        }
        let mut say = |n: usize, code, text: &str| {
            if n > 0 {
                problems.push(Problem::new(code, format!("{n} components of the bill of materials {text}")));
            }
        };
        say(self.n_damaged, ProblemCode::FileCorrupt, "could not be read");
        say(self.n_left_out, ProblemCode::TooManyItems, "were left out: there are too many");
        say(self.n_foreign, ProblemCode::FileUnsupported, "name no package of a known kind by a purl");
        if self.packages.is_empty() {
            problems
                .push(Problem::new(ProblemCode::NothingToCheck, "the bill of materials names no package"));
        }
        problems.sort();
        problems.dedup();
        let mut facts = self.image.facts();
        facts.reference = line(facts.reference).unwrap_or_default();
        facts.created = facts.created.and_then(line);
        let layers = std::mem::take(&mut self.image.layers);
        let inventory =
            Inventory { distro, layers, packages: self.packages, problems, ..Inventory::default() };
        Sbom { kind, image: facts, inventory }
    }
}

fn fit_source(source: &SourcePackage) -> bool {
    token(&source.name) && source.version.len() <= MAX_TOKEN && !source.version.chars().any(is_unfit)
}

fn clean_distro(distro: &mut Distro) {
    let clean = |text: &mut String| *text = line(std::mem::take(text)).unwrap_or_default();
    clean(&mut distro.id);
    clean(&mut distro.path);
    for text in [&mut distro.version_id, &mut distro.codename, &mut distro.pretty_name] {
        *text = text.take().and_then(line);
    }
    distro.id_like.truncate(100);
    distro.id_like.iter_mut().for_each(clean);
}

/// A name, a version: taken whole or not at all.
fn token(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TOKEN && !text.chars().any(is_unfit)
}

/// A text for people: without what is not fit to be shown, and cut where it is too long.
fn line(text: String) -> Option<String> {
    if text.len() <= MAX_TEXT && !text.chars().any(is_unfit) {
        return (!text.is_empty()).then_some(text);
    }
    let clean = text.chars().map(|c| if is_unfit(c) { ' ' } else { c });
    let mut len = 0;
    let cut = clean.take_while(|c| {
        len += c.len_utf8();
        len <= MAX_TEXT
    });
    let cut: String = cut.collect();
    (!cut.trim().is_empty()).then_some(cut)
}

/// Control characters, and marks that change the direction of what follows.
fn is_unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What other tools write as properties of a package: Trivy's and Syft's names, which their documentation lists.
pub(super) fn apply_others(package: &mut Package, properties: &[(String, String)]) {
    let value = |name: &str| {
        let found = properties.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    };
    let trivy = |name: &str| value(&format!("aquasecurity:trivy:{name}"));
    let syft = |name: &str| value(&format!("syft:metadata:{name}"));
    if package.kind.is_os() {
        if let Some(name) = trivy("SrcName") {
            let mut version = trivy("SrcVersion").unwrap_or_default().to_owned();
            if let Some(release) = trivy("SrcRelease") {
                version = format!("{version}-{release}");
            }
            // Names of rpm sources carry no epoch.
            if let Some(epoch) = trivy("SrcEpoch").filter(|_| package.kind == model::PackageKind::Deb) {
                version = format!("{epoch}:{version}");
            }
            package.source = Some(source_of(package, name, version));
        } else if let Some(source) = syft("sourceRpm").and_then(purl::source_rpm) {
            package.source = Some(source);
        } else if let Some(name) = syft("source").or_else(|| syft("originPackage")) {
            let version = syft("sourceVersion").unwrap_or_default().to_owned();
            package.source = Some(source_of(package, name, version));
        }
        let module = trivy("Modularitylabel").or_else(|| syft("modularityLabel"));
        package.module = module.and_then(module_of).or(package.module.take());
    }
    if let Some(path) = trivy("FilePath").or_else(|| value("syft:location:0:path")) {
        path.clone_into(&mut package.path);
    }
}

/// A source without a version of its own has that of the package.
pub(super) fn source_of(package: &Package, name: &str, version: String) -> SourcePackage {
    let version = if version.is_empty() { package.version.clone() } else { version };
    SourcePackage { name: name.to_owned(), version }
}

/// `name:stream` of `name:stream:version:context`.
pub(super) fn module_of(label: &str) -> Option<String> {
    let mut parts = label.split(':');
    let (name, stream) = (parts.next()?, parts.next()?);
    (!name.is_empty() && !stream.is_empty()).then(|| format!("{name}:{stream}"))
}

/// The package of a component, from its purl and then from properties: of others first, of ours last.
pub(super) fn package_of(purl: Option<&str>, properties: &[(String, String)]) -> Option<Package> {
    let mut package = property::start(purl, properties)?;
    apply_others(&mut package, properties);
    property::apply(&mut package, properties);
    Some(package)
}

/// Takes over a licence expression, or what only looks like one as a text.
pub(super) fn add_expression(package: &mut Package, text: &str) {
    if matches!(text, "" | "NOASSERTION" | "NONE") {
        return;
    }
    if crate::spdx::is_expression(text) {
        package.licence = Some(text.to_owned());
        if package.licences.is_empty() {
            package.licences.push(text.to_owned());
        }
    } else if package.licences.is_empty() {
        package.licences.push(text.to_owned());
    }
}
