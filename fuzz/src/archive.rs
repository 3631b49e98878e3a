use std::fs;
use std::path::Path;

use ser::cancel::Cancel;
use ser::corpus::archive::unpack;

use crate::scratch;

/// An archive, unpacked into a folder that has a folder above it to see what leaves.
pub fn archive(bytes: &[u8]) {
    let folder = scratch::folder();
    let (archive, outer) = (folder.path().join("a.zip"), folder.path().join("outer"));
    let dest = outer.join("dest");
    fs::write(&archive, bytes).expect("a file");
    let unpacked = unpack(&archive, &dest, &Cancel::default());
    for file in unpacked.iter().flatten() {
        let real = fs::canonicalize(file).expect("an unpacked file that is there");
        assert!(real.starts_with(&dest), "{}", real.display());
    }
    only(folder.path(), &["a.zip", "outer"]);
    if outer.exists() {
        only(&outer, &["dest"]);
    }
}

fn only(folder: &Path, names: &[&str]) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        assert!(
            names.iter().any(|known| name == *known),
            "{}",
            name.display()
        );
    }
}
