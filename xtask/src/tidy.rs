//! Style that can be executed: what rustfmt and clippy do not check.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

const FILE_LINES_MAX: usize = 800;

/// Which crate of ours may import which: the architecture, as a table. Dev-dependencies are free.
const IMPORTS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("net", &["base"]),
    ("wire", &["base"]),
    ("catalog", &["base", "wire"]),
    ("store", &["base", "wire"]),
    ("binlog", &["base", "wire"]),
    ("lua", &["base", "wire"]),
    ("kernel", &["base", "net", "wire", "catalog", "store", "binlog", "lua"]),
    ("cluster", &["base"]),
    ("control", &["base", "cluster"]),
    ("agent", &["base", "cluster", "wire"]),
    // The binary starts every role, so it alone sees both planes.
    ("cli", &["base", "wire", "store", "cluster", "kernel", "control", "agent"]),
    ("testkit", &["base", "wire", "catalog"]),
];

/// The data plane has its own loop; an async runtime in it would hide who runs when.
const NO_TOKIO: &[&str] =
    &["base", "net", "wire", "catalog", "store", "binlog", "lua", "kernel", "cluster"];

/// Where `unsafe` may stand; each of these has its model test beside it.
const UNSAFE_FILES: &[&str] = &[
    "crates/store/src/dict/",
    "crates/store/src/memory",
    "crates/wire/src/thin",
    "crates/lua/src/ffi",
    "crates/lua/src/heap",
    "crates/lua/src/stack",
    "crates/lua/src/sandbox",
    "crates/lua/src/protect",
];

/// Words of the glossary's last column that have no other use here. Texts that clients see keep Redis' words.
const BANNED_WORDS: &[(&str, &str)] = &[
    ("daemon", "agent"),
    ("orchestrator", "controller"),
    ("standby node", "replica"),
    ("todo!", "an issue"),
];

const FILE_NAMES_BANNED: &[&str] =
    &["utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs", "manager.rs", "misc.rs"];

pub(crate) fn run(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    check_imports(root, &mut faults)?;
    let mut sources = Vec::new();
    for folder in ["crates", "tests", "xtask"] {
        collect(&root.join(folder), "rs", &mut sources)?;
    }
    for path in &sources {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        check_source(&name, &text, &mut faults);
    }
    let mut documents = Vec::new();
    collect(&root.join("docs"), "md", &mut documents)?;
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SPECIFICATION.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        documents.push(root.join(name));
    }
    for path in &documents {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        check_links(root, path, &text, &mut faults);
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} faults\n{}", faults.len(), faults.join("\n"))
}

fn check_imports(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml"))
            .with_context(|| format!("crate {name} has no manifest"))?;
        let Some((_, allowed)) = IMPORTS.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("crates/{name}: not in the import table of xtask/src/tidy.rs"));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let ours = IMPORTS.iter().any(|(known, _)| *known == dependency);
            if ours && !allowed.contains(&dependency.as_str()) {
                faults.push(format!("crates/{name}: must not import {dependency}"));
            }
            let runtime = dependency == "tokio" || dependency == "openraft" || dependency == "axum";
            if runtime && NO_TOKIO.contains(&name.as_str()) {
                faults.push(format!("crates/{name}: must not link {dependency}"));
            }
        }
    }
    Ok(())
}

/// Names under `[dependencies]`, but for optional ones: those are a feature's, off unless asked for.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside
            && !line.is_empty()
            && !line.starts_with('#')
            && !line.contains("optional = true")
        {
            names.push(line.split(['.', '=', ' ']).next().unwrap_or_default().to_owned());
        }
    }
    names
}

fn check_source(name: &str, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX && !text.starts_with("//! table:") {
        faults
            .push(format!("{name}: {lines} lines, at most {FILE_LINES_MAX} unless it is a table"));
    }
    if !text.starts_with("//!") && !name.ends_with("/tests.rs") {
        faults.push(format!("{name}: does not say in a //! what it is"));
    }
    if FILE_NAMES_BANNED.iter().any(|banned| name.ends_with(&format!("/{banned}"))) {
        faults.push(format!("{name}: name the thing that it holds"));
    }
    let may_be_unsafe = UNSAFE_FILES.iter().any(|prefix| name.starts_with(prefix));
    for (number, line) in text.lines().enumerate() {
        let place = || format!("{name}:{}", number + 1);
        let code = line.split("//").next().unwrap_or_default();
        if !may_be_unsafe
            && (code.contains("unsafe {")
                || code.contains("unsafe impl")
                || code.contains("unsafe fn"))
            && !name.ends_with("xtask/src/tidy.rs")
        {
            faults.push(format!("{}: unsafe code outside of the listed modules", place()));
        }
        if !name.starts_with("xtask") {
            for (banned, better) in BANNED_WORDS {
                if line.to_lowercase().contains(banned) && !line.contains('"') {
                    faults.push(format!("{}: `{banned}`: say {better}", place()));
                }
            }
        }
    }
}

/// Relative links must lead to a file of the tree.
fn check_links(root: &Path, path: &Path, text: &str, faults: &mut Vec<String>) {
    let folder = path.parent().unwrap_or(root);
    for piece in text.split("](").skip(1) {
        let Some((link, _)) = piece.split_once(')') else { continue };
        let file = link.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") || file.contains(' ') {
            continue;
        }
        if !matches!(folder.join(file).try_exists(), Ok(true)) {
            let name = path.strip_prefix(root).unwrap_or(path).display();
            faults.push(format!("{name}: link to {file}, which is not there"));
        }
    }
    check_paths(root, path, text, faults);
}

/// Paths of source files in back quotes, from the root of the repository.
fn check_paths(root: &Path, path: &Path, text: &str, faults: &mut Vec<String>) {
    for quoted in text.split('`').skip(1).step_by(2) {
        let is_path = quoted.starts_with("crates/") || quoted.starts_with("xtask/");
        if is_path && quoted.ends_with(".rs") && !root.join(quoted).is_file() {
            let name = path.strip_prefix(root).unwrap_or(path).display();
            faults.push(format!("{name}: names {quoted}, which is not there"));
        }
    }
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.try_exists()? {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extension, found)?;
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        run(&crate::root()).unwrap();
    }

    #[test]
    fn faults_are_found() {
        let check = |name: &str, text: &str, expect: &str| {
            let mut faults = Vec::new();
            check_source(name, text, &mut faults);
            assert!(faults.iter().any(|f| f.contains(expect)), "{name}: {faults:?}");
        };
        check("crates/net/src/a.rs", "fn a() {}\n", "what it is");
        check("crates/net/src/a.rs", "//! A.\nfn a() { unsafe { b() } }\n", "a.rs:2: unsafe");
        check("crates/net/src/utils.rs", "//! A.\n", "name the thing");
        check("crates/net/src/a.rs", &format!("//! A.\n{}", "\n".repeat(900)), "901 lines");
        let names = dependencies(
            "[dependencies]\nbase.workspace = true\ntokio = { optional = true }\n[dev-dependencies]\nnet.workspace = true\n",
        );
        assert_eq!(names, ["base"]);
    }
}
