//! Compiles the Lua library: the sources of the crate `lua-src`, with the changes in `patches/` (its README.md says what and why).
//!
//! ```text
//!   lua-src/lua-5.1.5/*.[ch] --copy--> OUT_DIR/lua-5.1.5 --patches/<file>.patch--> cc --> libpollux_lua.a
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What scripts must not have, or what is written anew in Rust.
const LEFT_OUT: [&str; 8] = [
    "ldblib.c",
    "ldump.c",
    "linit.c",
    "liolib.c",
    "loadlib.c",
    "loslib.c",
    "lundump.c",
    "lundump.h",
];

fn main() {
    println!("cargo::rerun-if-changed=patches");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("lua-5.1.5");
    // What an earlier version left there must not be compiled.
    let _ = fs::remove_dir_all(&target);
    fs::create_dir_all(&target).expect("the target directory can be written");
    copy(&sources(), &target);
    for patch in files(Path::new("patches"), "patch") {
        apply(&patch, &target);
    }
    // Signed overflow that wraps is one class of surprises less in C of 2012. Every profile compiles the same objects, optimised
    // and without assertions: what the tests of one profile show of the C code holds for what is shipped.
    cc::Build::new()
        .files(files(&target, "c"))
        .include(&target)
        .define("LUA_USE_ULONGJMP", None)
        .flag("-fwrapv")
        .opt_level(2)
        .debug(false)
        .force_frame_pointer(false)
        .warnings(false)
        .compile("pollux_lua");
}

/// Where cargo has put the sources of `lua-src`. It has them already, as they are a dependency; but to list its packages
/// it may want some that no build has needed yet.
fn sources() -> PathBuf {
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]));
    let metadata = metadata.unwrap_or_else(|error| panic!("{error}"));
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let found = packages.iter().find(|package| package["name"] == "lua-src");
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.expect("lua-src is a dependency of this crate"));
    manifest.parent().expect("a file lies in a folder").join("lua-5.1.5")
}

fn metadata(more: &[&str]) -> Result<serde_json::Value, String> {
    let variable = |name: &str| env::var(name).expect("set by cargo");
    let output = Command::new(variable("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
        .arg(variable("TARGET"))
        .args(more)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn copy(from: &Path, to: &Path) {
    for file in files(from, "c").into_iter().chain(files(from, "h")) {
        let name = file.file_name().expect("it has an extension");
        if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
            let bytes = fs::read(&file).expect("a file of the sources");
            fs::write(to.join(name), bytes).expect("the target directory can be written");
        }
    }
}

/// Changes the file that the patch is named after.
fn apply(patch: &Path, folder: &Path) {
    let name = patch.file_stem().expect("a patch has a name");
    let target = folder.join(name);
    let text = fs::read_to_string(&target).expect("a patch is named after a file of the sources");
    let changes = fs::read_to_string(patch).expect("the patch is text");
    let changes = diffy::Patch::from_str(&changes)
        .unwrap_or_else(|error| panic!("{}: {error}", patch.display()));
    let changed = diffy::apply(&text, &changes)
        .unwrap_or_else(|error| panic!("{}: {error}", patch.display()));
    fs::write(target, changed).expect("the target directory can be written");
}

/// The files of a folder with this extension, in the order of their names.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}
