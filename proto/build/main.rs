//! Compiles every `.proto` here and generates what lets the rest of the system treat all facets alike.

mod commands;
mod events;
mod facets;
mod json_schema;
mod messages;

use std::path::PathBuf;
use std::{env, fs, io};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    println!("cargo:rerun-if-changed=.");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).open_files(proto_files()?)?;
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;

    // Unlike the encoded set, the compiler's own pool keeps the comments.
    let pool = compiler.descriptor_pool();
    let facets = facets::facets(&pool);
    messages::generate(&descriptors, &facets)?;
    let code = [commands::generate(&facets)?, events::generate(&facets), reply_schema(&pool)?].concat();
    fs::write(out.join("facets.rs"), code)?;
    Ok(())
}

/// Sorted, so that every machine generates the same.
fn proto_files() -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(".")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "proto"))
        .collect();
    files.sort();
    Ok(files)
}

fn reply_schema(pool: &prost_reflect::DescriptorPool) -> Result<String, Fault> {
    let message = pool.get_message_by_name(messages::REPLY).ok_or("reply.proto has no Reply")?;
    let schema = json_schema::of_reply(&message)?;
    let id = json_schema::id("reply");
    Ok(format!(
        "\n/// The JSON Schema of a [`Reply`](reply::Reply), `{id}`.\npub const REPLY_SCHEMA: &str = {schema:?};\n"
    ))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().concat()
}
