//! How fast text is searched, over any directory of text files.

use super::*;

/// How fast text is searched; run alone and optimised to be read.
#[test]
fn prints_its_speed() {
    let Ok(root) = std::env::var("LAZARET_SECRET_SPEED") else {
        println!("LAZARET_SECRET_SPEED names no directory of text files; speed was not measured");
        return;
    };
    let (mut bytes, mut n_found, mut searched) = (0usize, 0, std::time::Duration::ZERO);
    let mut by_rule: BTreeMap<String, usize> = BTreeMap::new();
    let mut directories = vec![std::path::PathBuf::from(root)];
    while let Some(directory) = directories.pop() {
        for item in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(kind) = item.file_type() else { continue };
            if kind.is_dir() {
                directories.push(item.path());
            } else if kind.is_file() {
                let path = item.path().to_string_lossy().trim_start_matches('/').to_owned();
                if BundledSecretAnalyzer.wants(&entry(&path)) == Want::No {
                    continue;
                }
                let Ok(content) = std::fs::read(item.path()) else { continue };
                if content.iter().take(SNIFF).any(|byte| *byte == 0) {
                    continue;
                }
                bytes += content.len();
                let started = std::time::Instant::now();
                let observation = observe_at(&BundledSecretAnalyzer, &path, &content);
                searched += started.elapsed();
                for secret in secrets(&observation) {
                    *by_rule.entry(secret.rule.clone()).or_default() += 1;
                    println!("{path}:{} {} {}", secret.start_line, secret.rule, secret.excerpt);
                    n_found += 1;
                }
            }
        }
    }
    let rate = bytes as f64 / searched.as_secs_f64() / 1e6;
    println!("{bytes} bytes, {searched:?}, {rate:.0} MB/s, {n_found} found: {by_rule:?}");
}
