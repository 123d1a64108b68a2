//! `lazaret config`: the settings of the service, as they are and as they could be.

use super::print;
use crate::{
    args::{ConfigFormat, ConfigShowArgs},
    exit::{Exit, Failure},
    output::columns::printable,
    settings::{docs, resolve::Resolved, show, typed::Settings},
};

/// Prints what is in force and where it came from.
pub(crate) fn show(args: &ConfigShowArgs) -> Result<Exit, Failure> {
    let resolved = Resolved::load(&args.settings, &|name| std::env::var_os(name))?;
    match args.format {
        ConfigFormat::Text => {
            let text = show::text(&resolved);
            print(&text.lines().map(|line| format!("{}\n", printable(line))).collect::<String>())?;
        }
        ConfigFormat::Json => print(&show::json(&resolved))?,
    }
    // What was read is shown also when it makes no sense together: that is what one looks for.
    Settings::of(&resolved)?;
    Ok(Exit::Pass)
}

/// Prints the page that documents every setting.
pub(crate) fn docs() -> Result<Exit, Failure> {
    print(&docs::page())?;
    Ok(Exit::Pass)
}
