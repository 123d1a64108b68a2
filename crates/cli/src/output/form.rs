//! In which forms a report is wanted, and where each of them goes.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use formats::FORMATS;
use model::Report;

use super::report;
use crate::{
    commands::{print, print_raw, screen_width},
    exit::{Exit, Failure},
};

/// The form for people, which is no format: it depends on the screen.
const TABLE: &str = "table";

/// How a report is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Table,
    Format(&'static formats::Format),
}

/// One `--format NAME[=FILE]`.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    form: Form,
    file: Option<PathBuf>,
}

/// `--format` and `--output`.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// How to write the report; docs/formats.md tells about each. With =FILE it goes there. Repeatable; one of
    /// them goes to --output.
    #[arg(long, value_name = "NAME[=FILE]", value_parser = WantedParser, default_value = TABLE)]
    format: Vec<Wanted>,
    /// Write the report to a file; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct WantedParser;

impl TypedValueParser for WantedParser {
    type Value = Wanted;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Wanted, clap::Error> {
        let bytes = value.as_bytes();
        let (name, file) = match bytes.iter().position(|b| *b == b'=') {
            Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]).into())),
            None => (bytes, None),
        };
        let names = PossibleValuesParser::new(possible());
        let name = names.parse_ref(command, arg, OsStr::from_bytes(name))?;
        Ok(Wanted { form: formats::find(&name).map_or(Form::Table, Form::Format), file })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(possible()))
    }
}

fn possible() -> impl Iterator<Item = PossibleValue> {
    let formats = FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.title));
    std::iter::once(PossibleValue::new(TABLE).help("for people")).chain(formats)
}

/// Where each form goes, after it is known that it can.
#[derive(Debug)]
pub(crate) struct Outputs<'a>(Vec<(Form, Option<&'a Path>)>);

impl OutputArgs {
    /// Refuses what makes no sense or cannot become a file, before the work is done: a scan may take minutes.
    ///
    /// # Errors
    /// When two forms would go to one place, or none to `--output`, or a place is no file.
    pub(crate) fn check(&self) -> Result<Outputs<'_>, Failure> {
        let usage = |message: &str, hint| Err(Failure::usage("output-unclear", message, hint));
        let plain = self.format.iter().filter(|wanted| wanted.file.is_none()).count();
        if plain > 1 {
            let hint = "Name a file for the others: --format NAME=FILE.";
            return usage("more than one format is to be written to the same place", hint);
        }
        if plain == 0 && self.output.is_some() {
            let hint = "Leave out --output, or name a format without a file.";
            return usage("no format is left for --output: each has a file of its own", hint);
        }
        let mut outputs: Vec<(Form, Option<&Path>)> = Vec::new();
        for wanted in &self.format {
            let file = wanted.file.as_deref().or(self.output.as_deref());
            let file = file.filter(|file| file.as_os_str() != "-");
            if outputs.iter().any(|(_, other)| *other == file) {
                let hint = "Name another file for one of them.";
                return usage("more than one format is to be written to the same place", hint);
            }
            if let Some(file) = file {
                check_file(file)?;
            }
            outputs.push((wanted.form, file));
        }
        Ok(Outputs(outputs))
    }
}

impl Outputs<'_> {
    /// Writes the report in every form: files first, so that they are there when the rest is read.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub(crate) fn write(
        &self,
        report: &Report,
        scanner_version: &str,
        view: report::View,
    ) -> Result<(), Failure> {
        let (files, screen): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, file)| file.is_some());
        for (form, file) in files.into_iter().chain(screen) {
            let width = if file.is_some() { None } else { screen_width() };
            let text = match form {
                Form::Table => report::write(report, report::View { width, ..view }),
                Form::Format(format) => (format.write)(report, scanner_version),
            };
            match (file, form) {
                (None, Form::Table) => print(&text)?,
                (None, Form::Format(_)) => print_raw(&text)?,
                (Some(file), Form::Table) => {
                    write_file(file, &anstream::adapter::strip_str(&text).to_string())?;
                }
                (Some(file), Form::Format(_)) => write_file(file, &text)?,
            }
        }
        Ok(())
    }
}

fn check_file(file: &Path) -> Result<(), Failure> {
    if file.as_os_str().is_empty() {
        return Err(output_failed(file, "it has no name"));
    }
    if file.is_dir() {
        return Err(output_failed(file, "it is a directory"));
    }
    let directory = directory_of(file);
    if directory.is_dir() {
        return Ok(());
    }
    Err(output_failed(file, &format!("there is no directory {}", directory.display())))
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn output_failed(file: &Path, why: &str) -> Failure {
    let message = format!("failed to write {}: {why}", file.display());
    let hint = "Name a file in a directory that is there and can be written to.";
    Failure { code: "output-failed", message, hint: hint.into(), exit: Exit::Failed }
}

/// Writes beside and renames in, so that nobody reads half a report.
fn write_file(file: &Path, text: &str) -> Result<(), Failure> {
    // What the system says, without the name of the temporary file.
    let failed = |error: std::io::Error| output_failed(file, &error.kind().to_string());
    // A device or a pipe cannot be replaced by rename.
    if file.exists() && !file.is_file() {
        return std::fs::write(file, text).map_err(failed);
    }
    let mut temporary = tempfile::NamedTempFile::new_in(directory_of(file)).map_err(failed)?;
    std::io::Write::write_all(&mut temporary, text.as_bytes()).map_err(failed)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(mode).map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}
