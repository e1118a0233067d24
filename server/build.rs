//! Nothing is made here: a release embeds the apps anew when they were built anew. A debug build reads them where they lie.

fn main() {
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo:rerun-if-changed={}", if is_release { "../mobile/dist" } else { "build.rs" });
}
