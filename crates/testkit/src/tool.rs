//! Programs that tests use where they are installed, and say so where they are not.

use std::{
    env, io,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The program called `name` on the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The program called `name`, or `None` after a line that says what is skipped for want of it.
pub fn find_or_skip(name: &str, what: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("{what}: {name} is not installed"));
    }
    found
}

/// The Python interpreter of the virtual environment of that name that `scripts/test` keeps beside the build.
pub fn python_with(name: &str) -> Option<PathBuf> {
    Some(kept(name)?.join("bin/python3"))
}

/// The files of the npm package of that name that `scripts/test` keeps beside the build.
pub fn npm_package(name: &str) -> Option<PathBuf> {
    Some(kept(name)?.join("package"))
}

/// A directory of tools, when it is whole.
fn kept(name: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let targets = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).into_iter();
    let mut places = targets.chain([workspace.join("target")]).map(|target| target.join("tools").join(name));
    // The last thing that is written there.
    places.find(|place| place.join("installed").is_file())
}

/// Prints that a test was skipped, and why. Written past the test harness, which keeps the output of tests
/// that pass to itself.
pub fn skip(why: &str) {
    // Nowhere left to say that this failed.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be run, or fails: then with what it wrote to its standard error.
pub fn run(command: &mut Command) -> io::Result<Output> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(output);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{program} failed ({}): {said}", output.status)))
}
