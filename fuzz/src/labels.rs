use std::fs;
use std::path::Path;

use ser::corpus::iemocap::{self, Agreement, Dialogs, IemocapSettings};
use ser::corpus::{EmodbSettings, emodb, ravdess};

use crate::scratch;

/// Names that one input may bring.
const NAMES: usize = 16;

/// A label file of IEMOCAP, or the names of recordings; the first byte says which.
pub fn labels(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else {
        return;
    };
    let folder = scratch::folder();
    match how & 3 {
        0 => {
            touch(folder.path(), rest);
            let listing = ravdess::read(folder.path()).expect("a folder that can be read");
            assert!(listing.sources.is_sorted_by(|a, b| a.id < b.id));
        }
        1 => {
            touch(folder.path(), rest);
            let listing = emodb::read(
                folder.path(),
                &EmodbSettings {
                    all_clips: how & 4 != 0,
                },
            )
            .expect("a folder that can be read");
            assert!(listing.sources.is_sorted_by(|a, b| a.id < b.id));
        }
        2 => {
            let evaluation = folder.path().join("Session1/dialog/EmoEvaluation");
            let recordings = folder.path().join("Session1/sentences/wav/Ses01F_impro01");
            for folder in [&evaluation, &recordings] {
                fs::create_dir_all(folder).expect("a folder");
            }
            for name in ["F000", "M000", "M001", "FXX0"] {
                fs::write(recordings.join(format!("Ses01F_impro01_{name}.wav")), b"")
                    .expect("a file");
            }
            fs::write(evaluation.join("Ses01F_impro01.txt"), rest).expect("a file");
            iemocap(folder.path(), *how);
        }
        _ => {
            let evaluation = folder.path().join("Session2/dialog/EmoEvaluation");
            fs::create_dir_all(&evaluation).expect("a folder");
            touch(&folder.path().join("Session2/sentences/wav"), rest);
            for name in names(rest) {
                let dialog = name.rsplit_once('_').map_or(name, |(dialog, _)| dialog);
                // A name that the file system does not take is none that a corpus has.
                let _ = fs::write(
                    evaluation.join(format!("{dialog}.txt")),
                    format!("[0 - 1]\t{name}\tang\t[1, 1, 1]\n"),
                );
            }
            iemocap(folder.path(), *how);
        }
    }
}

fn iemocap(root: &Path, how: u8) {
    let settings = IemocapSettings {
        dialogs: if how & 4 == 0 {
            Dialogs::default()
        } else {
            Dialogs::Improvised
        },
        agreement: if how & 8 == 0 {
            Agreement::default()
        } else {
            Agreement::Full
        },
        ..IemocapSettings::default()
    };
    let listing = iemocap::read(root, &settings).expect("a folder that can be read");
    for source in &listing.sources {
        assert!(root.join(&source.path).is_file(), "{}", source.path);
    }
}

/// The lines that could be file names.
fn names(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let lines = bytes
        .split(|b| *b == b'\n')
        .take(NAMES)
        .filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter(|name| {
        !name.is_empty() && !name.contains(['/', '\0']) && *name != "." && *name != ".."
    })
}

fn touch(folder: &Path, bytes: &[u8]) {
    fs::create_dir_all(folder).expect("a folder");
    for name in names(bytes) {
        let _ = fs::write(folder.join(format!("{name}.wav")), b"");
    }
}
