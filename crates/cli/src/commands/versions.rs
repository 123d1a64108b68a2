//! `lazaret versions compare`: the way to ask why something matched.

use std::{cmp::Ordering, io::BufRead as _};

use advisory::version::{SCHEMES, Scheme, scheme};

use super::print;
use crate::{
    args::CompareArgs,
    exit::{Exit, Failure},
};

/// Prints `<`, `=` or `>` for one pair, or for every line of standard input.
pub(crate) fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    let Some(scheme) = scheme(&args.scheme) else {
        let names: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.name()).collect();
        let message = format!("there is no version scheme {:?}", args.scheme);
        return Err(Failure::usage("scheme-unknown", message, &format!("Schemes: {}.", names.join(", "))));
    };
    if let (Some(a), Some(b)) = (&args.a, &args.b) {
        print(&format!("{}\n", sign(scheme, a, b)))?;
        return Ok(Exit::Pass);
    }
    let mut out = String::new();
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line =
            line.map_err(|e| Failure::new("input-unreadable", &e, "Give UTF-8 text, one pair a line."))?;
        let Some((a, b)) = line.split_once('\t') else {
            // What was answered so far is still worth having.
            print(&out)?;
            let message = format!("line {number} of standard input holds no tab");
            return Err(Failure::usage(
                "pair-invalid",
                message,
                "Give two versions, separated by a tab, a line.",
            ));
        };
        out.push_str(sign(scheme, a, b));
        out.push('\n');
        if out.len() > 64 << 10 {
            print(&out)?;
            out.clear();
        }
    }
    print(&out)?;
    Ok(Exit::Pass)
}

fn sign(scheme: &dyn Scheme, a: &str, b: &str) -> &'static str {
    match scheme.compare(a, b) {
        Ordering::Less => "<",
        Ordering::Equal => "=",
        Ordering::Greater => ">",
    }
}
