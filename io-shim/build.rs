//! A release build puts the server's pages into the program (`src/pages.rs`), and has to notice
//! when they come to be.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../extension/dist-server");
    }
}
