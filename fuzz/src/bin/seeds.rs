//! Writes the seeds of every target to `corpus/<target>/`, where `cargo fuzz` begins.

use std::{fs, io};

fn main() -> io::Result<()> {
    for target in fuzz::targets::ALL {
        let folder = format!("corpus/{}", target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(format!("{folder}/seed-{number}"), seed)?;
        }
    }
    Ok(())
}
