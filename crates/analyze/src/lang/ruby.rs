//! Ruby gems, as RubyGems records what it installed: `specifications/NAME-VERSION.gemspec`, and
//! `specifications/default/` for the gems that come with Ruby itself (guides.rubygems.org, "Specification
//! Reference").
//!
//! A gemspec is a Ruby program. What RubyGems writes itself begins with a line
//! `# stub: NAME VERSION PLATFORM PATHS`, which RubyGems too reads instead of running the program, and then
//! assigns one attribute a line. That form is read, and whatever of it a hand-written gemspec follows; where
//! that leaves name or version open, the file's name tells them. Gemspecs that lie elsewhere (in a gem's own
//! sources) describe what may be built, not what is installed. Lock files are not read here.

use std::io::Read as _;

use model::{Package, PackageKind};

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want, requires::Requires, text};

/// Attributes that are of interest stand within this many bytes; lists of files may be longer.
const HEAD_MAX: u64 = 1 << 20;

/// Largest gemspec that is looked at.
const FILE_MAX: u64 = 64 << 20;

/// The stub stands on one of the first lines, after comments about encodings.
const STUB_LINES: usize = 8;

/// Most licences that are kept of one gem.
const LICENCES_MAX: usize = 16;

/// Ruby gems.
pub struct RubyAnalyzer;

impl Analyzer for RubyAnalyzer {
    fn name(&self) -> &'static str {
        "lang/ruby"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_specification_path(entry.path.as_bytes()) { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        let mut bytes = Vec::new();
        let name = entry.path.rsplit_once('/').map_or(entry.path, |(_, name)| name);
        match content.take(HEAD_MAX).read_to_end(&mut bytes) {
            Ok(_) => parse(name, &bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// True for a gemspec directly in a `specifications` directory, or one directory below it.
pub fn is_specification_path(path: &[u8]) -> bool {
    if !path.ends_with(b".gemspec") {
        return false;
    }
    let mut parents = path.rsplit(|byte| *byte == b'/').skip(1).take(2);
    parents.any(|directory| directory == b"specifications")
}

/// Reads one gemspec. `file_name` is `NAME-VERSION.gemspec` or `NAME-VERSION-PLATFORM.gemspec`.
///
/// The platform is the package's architecture, when it is not plain Ruby. Old generated gemspecs name what
/// is needed for development once as such and once more for RubyGems that knew no difference; it is left out.
pub fn parse(file_name: &str, bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let bytes = bytes.get(..HEAD_MAX as usize).unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return observation;
    }
    let mut gem = Attributes::default();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        match line.strip_prefix(b"# stub:") {
            Some(stub) if number < STUB_LINES => gem.read_stub(stub),
            _ => gem.read_line(line),
        }
    }
    match gem.build(file_name) {
        Some(package) => observation.facts.push(package.into()),
        None => observation.add_corrupt("the gem specification tells no name and version"),
    }
    observation
}

/// What a gemspec says, decoded where it is certain.
#[derive(Default)]
struct Attributes<'a> {
    stub: Option<(String, String, Option<String>)>,
    name: Option<String>,
    version: Option<String>,
    platform: Option<String>,
    licences: Vec<String>,
    needed: Vec<&'a [u8]>,
    for_development: Vec<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn read_stub(&mut self, stub: &[u8]) {
        let mut words = stub.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let mut word = || words.next().and_then(text::token);
        if let (Some(name), Some(version), platform) = (word(), word(), word()) {
            self.stub.get_or_insert((name, version, platform));
        }
    }

    /// Reads `VARIABLE.ATTRIBUTE = VALUE` and `VARIABLE.add_..._dependency(NAME, ...)`.
    fn read_line(&mut self, line: &'a [u8]) {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let word_end = |text: &[u8]| text.iter().position(|byte| !is_word(*byte)).unwrap_or(text.len());
        let Some((_, b".")) =
            line.split_at_checked(word_end(line)).map(|(a, b)| (a, b.get(..1).unwrap_or_default()))
        else {
            return;
        };
        let rest = line.get(word_end(line) + 1..).unwrap_or_default();
        let (attribute, rest) = rest.split_at_checked(word_end(rest)).unwrap_or_default();
        match attribute {
            b"add_runtime_dependency" | b"add_dependency" => self.needed.extend(strings(rest).next()),
            b"add_development_dependency" => self.for_development.extend(strings(rest).next()),
            _ => {
                if let [b'=', value @ ..] = rest.trim_ascii_start() {
                    self.assign(attribute, value.trim_ascii_start());
                }
            }
        }
    }

    fn assign(&mut self, attribute: &[u8], value: &'a [u8]) {
        // Only a text that stands first is the value; other expressions would have to be run.
        let first = || text_at(value).and_then(|(text, _)| text::token(text));
        match attribute {
            b"name" => self.name = self.name.take().or_else(first),
            b"version" => self.version = self.version.take().or_else(first),
            b"platform" => self.platform = self.platform.take().or_else(first),
            b"license" | b"licenses" if self.licences.is_empty() => {
                self.licences = strings(value).take(LICENCES_MAX).filter_map(text::line).collect();
            }
            _ => {}
        }
    }

    fn build(self, file_name: &str) -> Option<Package> {
        let by_name = || split_file_name(file_name);
        let (name, version, platform) = match (self.stub, self.name, self.version) {
            (Some(stub), ..) => stub,
            (None, Some(name), Some(version)) => (name, version, self.platform),
            _ => by_name().map(|(name, version)| (name, version, None))?,
        };
        let mut package = Package::new(PackageKind::Gem, name, version);
        package.arch = platform.filter(|platform| platform != "ruby");
        package.licences = self.licences;
        let mut requires = Requires::default();
        for name in self.needed {
            if !self.for_development.contains(&name) {
                requires.add_whole(name);
            }
        }
        package.requires = requires.into_names();
        Some(package)
    }
}

/// `NAME-VERSION[-PLATFORM].gemspec`: the version begins with a digit after a hyphen and ends at the next. Of
/// several such places it is the last one with a dot, for a platform may end in a number (`darwin-22`).
fn split_file_name(file_name: &str) -> Option<(String, String)> {
    let full = file_name.strip_suffix(".gemspec")?;
    let candidate = |(at, _): (usize, &str)| {
        let (name, rest) = full.split_at_checked(at)?;
        let version = rest.get(1..)?.split('-').next()?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some((name, version))
    };
    let candidates = || full.rmatch_indices('-').filter_map(candidate);
    let (name, version) =
        candidates().find(|(_, version)| version.contains('.')).or_else(|| candidates().next())?;
    Some((text::token(name.as_bytes())?, text::token(version.as_bytes())?))
}

/// The texts of an expression, in order: quoted, `%q<...>`, and the words of `%w[...]`.
fn strings(mut expression: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut words: &[u8] = &[];
    std::iter::from_fn(move || {
        loop {
            words = words.trim_ascii_start();
            if !words.is_empty() {
                let end = words.iter().position(u8::is_ascii_whitespace).unwrap_or(words.len());
                let (word, rest) = words.split_at_checked(end)?;
                words = rest;
                return Some(word);
            }
            match expression.first()? {
                b'"' | b'\'' | b'%' => {}
                b'#' => return None,
                _ => {
                    expression = expression.get(1..)?;
                    continue;
                }
            }
            let is_list = expression.starts_with(b"%w") || expression.starts_with(b"%W");
            let Some((text, rest)) = text_at(expression) else {
                expression = expression.get(1..)?;
                continue;
            };
            expression = rest;
            if !is_list {
                return Some(text);
            }
            words = text;
        }
    })
}

/// The text that an expression begins with, without its quotes, and what follows it.
///
/// Escapes are not undone: a text with a backslash is none that a name, version or licence needs.
fn text_at(expression: &[u8]) -> Option<(&[u8], &[u8])> {
    let (open, body) = match expression {
        [quote @ (b'"' | b'\''), body @ ..] => (*quote, body),
        [b'%', b'q' | b'Q' | b'w' | b'W', open, body @ ..] => (*open, body),
        [b'%', open @ (b'(' | b'[' | b'{' | b'<'), body @ ..] => (*open, body),
        _ => return None,
    };
    let close = match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    };
    let end = memchr::memchr2(close, b'\\', body)?;
    let (text, rest) = body.split_at_checked(end)?;
    (rest.first() == Some(&close)).then(|| (text, rest.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile, requires::REQUIRES_MAX};

    const GENERATED: &[u8] = include_bytes!("../../testdata/ruby/harbour-lights-1.4.0.gemspec");
    const WRITTEN: &[u8] = include_bytes!("../../testdata/ruby/old-wick-0.9.gemspec");

    /// `name|version|platform|licences|requires`.
    fn check(file_name: &str, input: &[u8], expected: &str) {
        let observation = parse(file_name, input);
        let [Fact::Package(gem)] = &observation.facts[..] else { panic!("{file_name}: {observation:?}") };
        let platform = gem.arch.as_deref().unwrap_or("-");
        let found = format!(
            "{}|{}|{platform}|{}|{}",
            gem.name,
            gem.version,
            gem.licences.join(","),
            gem.requires.join(",")
        );
        assert_eq!(found, expected, "{file_name}: {}", String::from_utf8_lossy(input));
        assert_eq!((gem.kind, observation.problems.len()), (PackageKind::Gem, 0));
    }

    #[test]
    fn wants_what_is_installed() {
        for path in [
            "usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec",
            "usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec",
            "var/lib/gems/3.1.0/specifications/nokogiri-1.16.5-x86_64-linux.gemspec",
            "srv/app/vendor/bundle/ruby/3.3.0/specifications/a-1.gemspec",
            "specifications/a-1.gemspec",
        ] {
            assert!(is_specification_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "a-1.gemspec",
            "usr/lib/ruby/gems/3.1.0/gems/rake-13.0.6/rake.gemspec",
            "usr/lib/ruby/gems/3.1.0/specifications/a/b/c.gemspec",
            "usr/lib/ruby/gems/3.1.0/specifications/a-1.gemspec.orig",
            "x/myspecifications/a-1.gemspec",
        ] {
            assert!(!is_specification_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_generated_and_written_specifications() {
        check("harbour-lights-1.4.0.gemspec", GENERATED, "harbour-lights|1.4.0|-|MIT,Ruby|tide-tables,json");
        check("old-wick-0.9.gemspec", WRITTEN, "old-wick|0.9|-|BSD-2-Clause|lamp-oil");
    }

    #[test]
    fn knows_where_name_and_version_stand() {
        let written = |lines: &str| format!("Gem::Specification.new do |s|\n{lines}\nend\n");
        for (file_name, input, expected) in [
            ("x.gemspec", "# stub: a 1.2.3.rc1 ruby lib\n".to_owned(), "a|1.2.3.rc1|-||"),
            ("x.gemspec", "# stub: a 1 x86_64-linux-gnu lib\0ext\n".to_owned(), "a|1|x86_64-linux-gnu||"),
            ("x.gemspec", "#x\n# stub: a 1\ns.name = 'b'\ns.version='2'".to_owned(), "a|1|-||"),
            ("x.gemspec", written("s.name = \"a\"\ns.version = \"1\".freeze"), "a|1|-||"),
            ("x.gemspec", written("s.name=%q(a)\ns.version=%q{1}\ns.platform = 'java'"), "a|1|java||"),
            ("a-b-1.2.gemspec", written("s.name = 'a-b'\ns.version = Ab::VERSION"), "a-b|1.2|-||"),
            ("a-b-1.2-x86_64-linux.gemspec", written("s.summary = 'x'"), "a-b|1.2|-||"),
            ("a-1.2-arm64-darwin-22.gemspec", written("s.summary = 'x'"), "a|1.2|-||"),
            ("a-2b-3.gemspec", written("s.summary = 'x'"), "a-2b|3|-||"),
            ("a-1.0.rc1.gemspec", written("s.name = File.basename(__dir__)"), "a|1.0.rc1|-||"),
            ("x-1.gemspec", written("s.name = 'a\\n'\ns.version = '1'"), "x|1|-||"),
            ("x-2.gemspec", written("t = s.name\ns.versions = '1'\nname = 'a'"), "x|2|-||"),
        ] {
            check(file_name, input.as_bytes(), expected);
        }
    }

    #[test]
    fn reads_every_form_of_licence_and_need() {
        for (line, licences, requires) in [
            ("s.license = 'MIT'", "MIT", ""),
            ("s.licenses = ['MIT', \"Apache-2.0\".freeze]", "MIT,Apache-2.0", ""),
            ("s.licenses = %w[MIT  BSD-2-Clause]", "MIT,BSD-2-Clause", ""),
            ("s.licenses = [\"MIT\"] # 'not this'", "MIT", ""),
            ("s.license = LICENCE", "", ""),
            ("s.licenses = []", "", ""),
            ("s.add_dependency 'b', '~> 1'", "", "b"),
            ("s.add_dependency(%q<b>.freeze, [\">= 0\"])\ns.add_runtime_dependency(\"c\")", "", "b,c"),
            ("s.add_dependency('b')\ns.add_development_dependency('b')", "", ""),
            ("s.add_dependency(NAME)", "", ""),
        ] {
            let input = format!("# stub: a 1 ruby lib\n{line}\n");
            check("a-1.gemspec", input.as_bytes(), &format!("a|1|-|{licences}|{requires}"));
        }
        let many: String = (0..2 * REQUIRES_MAX).map(|n| format!("s.add_dependency('n{n}')\n")).collect();
        let observation = parse("a-1.gemspec", many.as_bytes());
        assert!(matches!(&observation.facts[..], [Fact::Package(p)] if p.requires.len() == REQUIRES_MAX));
    }

    #[test]
    fn says_what_it_cannot_read() {
        assert_eq!(parse("a-1.gemspec", b" \n"), Observation::default());
        for (file_name, input) in
            [("a.gemspec", "garbage"), ("", "\0\u{1b}"), ("-1.gemspec", "x"), ("a-b.gemspec", "s.name = 'a'")]
        {
            let observation = parse(file_name, input.as_bytes());
            assert_eq!((observation.facts.len(), observation.problems.len()), (0, 1), "{file_name}");
        }
    }

    #[test]
    fn never_panics() {
        hostile::check(|bytes| parse("harbour-lights-1.4.0.gemspec", bytes), &[GENERATED, WRITTEN]);
        hostile::check(|bytes| parse("x", bytes), &[GENERATED, WRITTEN]);
    }
}
