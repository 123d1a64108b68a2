//! Files that hold the text of a licence: `LICENSE`, `COPYING`, `LICENSE-MIT`, `licenses/GPL-2.0-only.txt` and their
//! like, wherever they lie, and everything below `usr/share/licenses` (rpm's and pacman's place for them).
//!
//! What a text is, its words tell, not its name. A GNU licence's text does not say whether later versions may be
//! used, so its `-only` id is told. A file that is named like a licence and holds none that SPDX knows is told as
//! `NOASSERTION`. Debian's `copyright` files are read by their own analyzer, and compressed files are not read.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use model::{LicenceFile, ScanType};

use super::index::{self, Found};
use crate::{Analyzer, Content, Entry, Fact, Files, Merged, Observation, Want};

/// Largest file that is read, in bytes; collections of all licences of a browser are near 3 MB.
const FILE_MAX: u64 = 8 << 20;

/// Longest name of a licence file, in bytes.
const NAME_MAX: usize = 120;

/// What stands for the licence of a text that is not known (SPDX 2.3, section 7.13).
const NO_ASSERTION: &str = "NOASSERTION";

/// Files of licences.
pub struct LicenceTextAnalyzer;

impl Analyzer for LicenceTextAnalyzer {
    fn name(&self) -> &'static str {
        "licence/text"
    }

    fn version(&self) -> u32 {
        1
    }

    fn scan_type(&self) -> ScanType {
        ScanType::License
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_licence_path(entry.path) { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        let bytes = match content.into_bytes() {
            Ok(bytes) => bytes,
            Err(error) => return Observation::unreadable(&error),
        };
        let mut observation = parse(&bytes);
        let name = entry.path.rsplit_once('/').map_or(entry.path, |(_, name)| name);
        // A notice or a list of holders need not hold a licence.
        let claims = ["licen", "copying", "unlicense"].iter().any(|stem| starts_with(name.as_bytes(), stem));
        if observation.facts.is_empty() && claims && !bytes.trim_ascii().is_empty() {
            observation.facts.push(Fact::Text(format!("{NO_ASSERTION} 0")));
        }
        observation
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        for file in files.iter() {
            for fact in &file.observation.facts {
                let Fact::Text(text) = fact else { continue };
                let Some((licence, confidence)) = text.split_once(' ') else { continue };
                merged.licence_files.push(LicenceFile {
                    path: file.path.to_owned(),
                    licence: licence.to_owned(),
                    confidence: confidence.parse().unwrap_or(0),
                    layer: file.layer,
                });
            }
        }
    }
}

/// Whether a path is that of a licence's text.
fn is_licence_path(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.len() > NAME_MAX || is_program_text(name.as_bytes()) {
        return false;
    }
    if directory.starts_with("usr/share/doc/") && name == "copyright" {
        return false;
    }
    let name = name.as_bytes();
    let stems = ["license", "licence", "copying", "unlicense", "copyright", "notice"];
    let by_stem = stems.iter().any(|stem| {
        let plural =
            stem.len() + usize::from(name.get(stem.len()).is_some_and(|b| b.eq_ignore_ascii_case(&b's')));
        let end = |len: usize| matches!(name.get(len), None | Some(b'.' | b'-' | b'_' | b' '));
        starts_with(name, stem) && (end(stem.len()) || end(plural))
    });
    // `MIT-LICENSE.txt`, `jquery.LICENSE`.
    let by_end = [".txt", ".md", ""].iter().any(|extension| {
        let cut = name
            .len()
            .checked_sub(extension.len())
            .filter(|cut| name[*cut..].eq_ignore_ascii_case(extension.as_bytes()));
        let stem = cut.map_or(&[][..], |cut| &name[..cut]);
        ["-license", ".license", "_license", "-licence", ".licence"].iter().any(|end| {
            stem.len() > end.len() && stem[stem.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
        })
    });
    // REUSE's directory, PEP 639's `*.dist-info/licenses`, and that of rpm and pacman.
    let by_directory = directory.starts_with("usr/share/licenses/")
        || directory.ends_with("/LICENSES")
        || directory.ends_with(".dist-info/licenses");
    by_stem || by_end || by_directory
}

fn starts_with(name: &[u8], stem: &str) -> bool {
    name.get(..stem.len()).is_some_and(|head| head.eq_ignore_ascii_case(stem.as_bytes()))
}

/// `license.py` and `copying.h` are programs; archives and pictures are no text.
fn is_program_text(name: &[u8]) -> bool {
    let extension = memchr::memrchr(b'.', name).and_then(|dot| name.get(dot + 1..)).unwrap_or_default();
    let known = [
        "js", "mjs", "cjs", "ts", "map", "json", "css", "scss", "py", "pyc", "pyi", "rb", "go", "rs", "c",
        "h", "cc", "cpp", "hpp", "java", "class", "jar", "php", "pl", "pm", "sh", "so", "a", "o", "gz", "xz",
        "bz2", "zst", "zip", "png", "svg", "gif", "jpg", "ico", "pdf", "xml", "yaml", "yml", "toml", "lua",
        "cs", "dll", "exe", "mo", "po",
    ];
    known.iter().any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

/// Reads one text: a fact `ID CONFIDENCE` for each licence in it.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    if memchr::memchr(0, bytes.get(..8192).unwrap_or(bytes)).is_some() {
        return observation;
    }
    let runs = index::runs(&String::from_utf8_lossy(bytes));
    let found = remembered(runs);
    let told = found.iter().map(|found| Fact::Text(format!("{} {}", found.id, found.confidence)));
    observation.facts.extend(told);
    observation
}

/// Most bytes of runs that are remembered.
const REMEMBERED_MAX: usize = 8 << 20;

/// The same text lies in hundreds of packages. The runs themselves are the key, so that no made-up text
/// can stand for another.
#[derive(Default)]
struct Memory {
    found: HashMap<Vec<u64>, Vec<Found>>,
    n_bytes: usize,
}

fn remembered(runs: Vec<u64>) -> Vec<Found> {
    static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);
    let lock = || MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = lock().found.get(&runs) {
        return found.clone();
    }
    let found = index::find(&runs);
    let cost = size_of_val(runs.as_slice());
    let mut memory = lock();
    if memory.n_bytes + cost > REMEMBERED_MAX {
        *memory = Memory::default();
    }
    if cost <= REMEMBERED_MAX {
        memory.n_bytes += cost;
        memory.found.insert(runs, found.clone());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileView, hostile};

    fn text_of(id: &str) -> &'static str {
        spdx::text::LICENSE_TEXTS.iter().find(|(name, _)| *name == id).unwrap().1
    }

    fn observe(path: &str, text: &str) -> Vec<Fact> {
        let mut bytes = text.as_bytes();
        let content = Content::new(&mut bytes, text.len() as u64, u64::MAX);
        LicenceTextAnalyzer.observe(&hostile::entry(path), content).facts
    }

    #[test]
    fn wants_files_that_are_named_like_licences() {
        let wants = |path| LicenceTextAnalyzer.wants(&hostile::entry(path)) != Want::No;
        for path in [
            "LICENSE",
            "srv/app/node_modules/a/LICENSE",
            "a/license.md",
            "a/Licence.txt",
            "a/LICENSE-MIT",
            "a/LICENSE_APACHE.txt",
            "a/COPYING",
            "a/COPYING.LESSER",
            "a/COPYRIGHT",
            "a/NOTICE",
            "a/UNLICENSE",
            "a/LICENSES",
            "a/licenses.txt",
            "a/MIT-LICENSE.txt",
            "a/jquery.LICENSE",
            "usr/share/licenses/bash/GPL3.txt",
            "a/LICENSES/GPL-2.0-only.txt",
            "a/b.dist-info/licenses/AUTHORS",
        ] {
            assert!(wants(path), "{path}");
        }
        for path in [
            "a/license.py",
            "a/copying.h",
            "a/license.js.map",
            "a/LICENSE.gz",
            "usr/share/doc/a/copyright",
            "a/licensee",
            "a/noticeboard.txt",
            "a/sublicense",
            "a/README",
            "a/license/index.js",
            "usr/share/common-licenses/GPL-2",
            "a/.license",
            "",
        ] {
            assert!(!wants(path), "{path}");
        }
    }

    #[test]
    fn tells_every_licence_of_a_file() {
        let text = |text: &str| Fact::Text(text.to_owned());
        assert_eq!(observe("a/LICENSE", text_of("MIT")), [text("MIT 100")]);
        let both = format!("{}\n{}", text_of("ISC"), text_of("BSD-2-Clause"));
        assert_eq!(observe("a/LICENSE", &both), [text("BSD-2-Clause 100"), text("ISC 100")]);
        assert_eq!(observe("a/LICENSE", "Ask the keeper."), [text("NOASSERTION 0")]);
        assert_eq!(observe("a/NOTICE", "Ask the keeper."), []);
        assert_eq!(observe("a/LICENSE", " \n"), []);
        // A second time from memory.
        assert_eq!(observe("b/LICENSE", text_of("MIT")), [text("MIT 100")]);
    }

    #[test]
    fn finishes_with_one_entry_for_each() {
        let observation = parse(text_of("MIT").as_bytes());
        let mut merged = Merged::default();
        let view = |path| FileView { path, observation: &observation, layer: Some(2) };
        LicenceTextAnalyzer.finish(&Files::new(vec![view("b/LICENSE"), view("a/COPYING")]), &mut merged);
        let file = |path: &str| LicenceFile {
            path: path.into(),
            licence: "MIT".into(),
            confidence: 100,
            layer: Some(2),
        };
        assert_eq!(merged.licence_files, [file("a/COPYING"), file("b/LICENSE")]);
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[text_of("MIT").as_bytes(), text_of("Beerware").as_bytes()]);
    }
}
