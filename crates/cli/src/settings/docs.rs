//! The page that documents every setting, written from the list.

use std::fmt::Write as _;

use super::list::{Default, SETTINGS};

const HEAD: &str = "# Settings of the service

Written by `lazaret config docs` from the list in the program; `lazaret config show` prints what is in force and where
it came from, with secrets masked.

Settings come from a file, from the environment and from flags; the later one wins. The file is TOML, with a table for
each group: the one that `--config` names, else the one that `LAZARET_CONFIG` names, else `lazaret.toml` in the data
directory, else `/etc/lazaret/lazaret.toml`. Every setting can be given as a variable, and with `--set KEY=VALUE`; some
have a flag of their own. An empty variable says nothing. Lists are arrays in the file, and separated by commas
elsewhere. A name that is not known, in the file or after `--set`, and a value that cannot be, are errors.

Secrets can be kept in files of their own: `KEY_file` in the file of settings (relative to it), or the variable with
`_FILE` at its end. White space at the end of such a file does not count. Settings are read at the start: a change
takes a restart.
";

/// The page, in Markdown.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut group = "";
    for setting in SETTINGS {
        if setting.group() != group {
            group = setting.group();
            let _ = writeln!(page, "\n## {group}");
        }
        let default = match setting.default {
            Default::Is("") => "none".to_owned(),
            Default::Is(text) => format!("`{text}`"),
            Default::InData(name) => format!("`{name}` in the data directory"),
            Default::DataHome => {
                "`$XDG_DATA_HOME/lazaret`, else `~/.local/share/lazaret`, else `/var/lib/lazaret`".to_owned()
            }
            Default::Processors => "the number of processors, at least 2".to_owned(),
            Default::Unset(meaning) => format!("not set: {meaning}"),
        };
        let variable = setting.variable();
        let _ = write!(page, "\n### {}\n\n{}\n\n", setting.key, setting.doc);
        let _ =
            write!(page, "- Value: {}\n- Default: {default}\n- Variable: `{variable}`", setting.kind.name());
        if setting.secret {
            let _ = write!(page, ", or `{variable}_FILE`; a secret");
        }
        page.push('\n');
        if let Some(flag) = setting.flag {
            let _ = writeln!(page, "- Flag: `{flag}`");
        }
    }
    page
}
