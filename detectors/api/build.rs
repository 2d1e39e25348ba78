//! Generates the Rust types of `proto/` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["event", "event_data", "threat"].map(|name| format!("proto/tracee/v1beta1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["proto"])?;
    prost_build::Config::new()
        .btree_map(["."])
        .enum_attribute(
            ".",
            "#[allow(clippy::enum_variant_names, missing_docs, reason = \"names of the interface\")]",
        )
        .compile_fds(descriptors)?;
    Ok(())
}
