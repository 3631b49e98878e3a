use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use ser::corpus::ManifestSettings;
use ser::corpus::manifest::read;
use tempfile::TempDir;

use crate::scratch;

struct Place {
    _folder: TempDir,
    root: PathBuf,
    outside: PathBuf,
}

thread_local! {
    static PLACE: Place = place();
}

/// A corpus root with a few files, one beside it and a link to that.
fn place() -> Place {
    let folder = scratch::folder();
    let (root, outside) = (
        folder.path().join("root"),
        folder.path().join("outside.wav"),
    );
    fs::create_dir_all(root.join("d")).expect("a folder");
    for file in [
        root.join("a.wav"),
        root.join("d/b.wav"),
        root.join("c d.wav"),
        outside.clone(),
    ] {
        fs::write(file, b"").expect("a file");
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, root.join("link.wav")).expect("a link");
    Place {
        _folder: folder,
        root,
        outside,
    }
}

/// A manifest; the first byte says how it is read.
pub fn manifest(bytes: &[u8]) {
    let Some((how, table)) = bytes.split_first() else {
        return;
    };
    PLACE.with(|place| {
        let names = ["m.csv", "m.tsv", "m.txt", "m.parquet"];
        let path = place.root.with_file_name(names[usize::from(how & 3)]);
        fs::write(&path, table).expect("a file");
        let label_map = if how & 4 == 0 {
            BTreeMap::new()
        } else {
            BTreeMap::from([("joy".to_owned(), "happy".to_owned())])
        };
        let allow_outside = how & 8 != 0;
        let settings = ManifestSettings {
            path,
            root: place.root.clone(),
            label_map,
            allow_outside,
        };
        let Ok(listing) = read(&settings) else { return };
        for source in &listing.sources {
            let real =
                fs::canonicalize(place.root.join(&source.path)).expect("a recording that is there");
            assert!(allow_outside || real != place.outside, "{}", source.path);
            assert!(
                !source.emotion.is_empty() && !source.speaker.is_empty() && !source.id.is_empty()
            );
        }
    });
}
