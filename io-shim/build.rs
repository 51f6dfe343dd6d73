//! Makes Cargo build a release again when the server's pages appear or change. The program contains
//! the pages (`src/pages.rs`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../extension/dist-server");
    }
}
