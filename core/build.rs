//! Has release builds embed the page anew when `make ui` has built it again.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("PROFILE").is_some_and(|profile| profile != "release") {
        return; // Other builds read the page from the folder when they run.
    }
    let page = Path::new("../ui/web/dist");
    // Cargo can only watch a folder that is there; an empty one means that the page was not built.
    if page.is_dir() || std::fs::create_dir_all(page).is_ok() {
        println!("cargo::rerun-if-changed={}", page.display());
    }
}
