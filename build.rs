//! Links the release binary at a fixed address.
//!
//! A position-independent one has to patch half a megabyte of pointers at each start, nearly all of them in
//! OpenSSL's tables, and every patched page is memory of its own (measured: 0.5 MB of RssAnon).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let set = |name, value| std::env::var(name).is_ok_and(|it| it == value);
    // musl's target links statically and decides for itself.
    if set("PROFILE", "release") && set("CARGO_CFG_TARGET_OS", "linux") && set("CARGO_CFG_TARGET_ENV", "gnu")
    {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
