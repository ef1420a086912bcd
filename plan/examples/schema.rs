//! Writes the JSON Schemas of estates and plans into a folder: `cargo xtask docs` runs it.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: schema FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    for (name, schema) in [("estate.json", plan::estate_schema()), ("plan.json", plan::plan_schema())] {
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        std::fs::write(Path::new(&folder).join(name), text)?;
    }
    Ok(())
}
