use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::SystemTime;

use super::*;
use crate::error::Kind;

const SMALL: SyntheticSettings = SyntheticSettings {
    speakers: 2,
    sentences: 2,
    takes: 1,
    sample_rate: 8_000,
    seed: 5,
};

fn make(settings: &SyntheticSettings, root: &Path) -> Result<()> {
    generate(settings, root, &Cancel::default(), &|_, _| {})
}

/// Path, content and time of change of every file.
fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut all = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(root).unwrap().to_owned();
                all.push((
                    path,
                    fs::read(entry.path()).unwrap(),
                    entry.metadata().unwrap().modified().unwrap(),
                ));
            }
        }
    }
    all.sort();
    all
}

fn contents(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(root)
        .into_iter()
        .map(|(path, content, _)| (path, content))
        .collect()
}

#[test]
fn the_same_settings_give_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| make(&SMALL, &folder.path().join(threads.to_string())))
            .unwrap();
    }
    let one = contents(&folder.path().join("1"));
    assert_eq!(one.len(), 2 * 2 * 5 + 2);
    assert_eq!(one, contents(&folder.path().join("2")));
    assert_eq!(one, contents(&folder.path().join("5")));
}

#[test]
fn what_is_right_is_left_alone_and_what_is_not_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let ticks = Mutex::new(BTreeSet::new());
    generate(&SMALL, folder.path(), &Cancel::default(), &|done, all| {
        assert!(ticks.lock().unwrap().insert((done, all)))
    })
    .unwrap();
    assert_eq!(*ticks.lock().unwrap(), (1..=20).map(|i| (i, 20)).collect());
    let first = files(folder.path());
    make(&SMALL, folder.path()).unwrap();
    assert_eq!(files(folder.path()), first, "not even a time has changed");

    fs::write(folder.path().join("spk01/spk01_s01_sad_1.wav"), "spoilt").unwrap();
    fs::remove_file(folder.path().join("spk02/spk02_s02_angry_1.wav")).unwrap();
    make(&SMALL, folder.path()).unwrap();
    let again = files(folder.path());
    assert_eq!(
        again.iter().filter(|file| !first.contains(file)).count(),
        2,
        "two files were made again"
    );
    assert_eq!(
        contents(folder.path()),
        first
            .into_iter()
            .map(|(path, content, _)| (path, content))
            .collect::<Vec<_>>()
    );
}

#[test]
fn other_settings_replace_the_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let (root, fresh) = (folder.path().join("a"), folder.path().join("b"));
    make(
        &SyntheticSettings {
            speakers: 3,
            takes: 2,
            ..SMALL
        },
        &root,
    )
    .unwrap();
    fs::write(root.join("spk03/mine.txt"), "kept").unwrap();
    make(&SyntheticSettings { seed: 6, ..SMALL }, &root).unwrap();
    assert_eq!(fs::read(root.join("spk03/mine.txt")).unwrap(), b"kept");
    fs::remove_dir_all(root.join("spk03")).unwrap();
    make(&SyntheticSettings { seed: 6, ..SMALL }, &fresh).unwrap();
    assert_eq!(contents(&root), contents(&fresh));
}

#[test]
fn a_stopped_run_is_no_corpus_and_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (root, whole) = (folder.path().join("a"), folder.path().join("b"));
    let cancel = Cancel::default();
    let error = generate(&SMALL, &root, &cancel, &|done, _| {
        if done == 7 {
            cancel.request()
        }
    })
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(read(&root).unwrap_err().kind(), Kind::Missing);
    make(&SMALL, &root).unwrap();
    make(&SMALL, &whole).unwrap();
    assert_eq!(contents(&root), contents(&whole));
}

#[test]
fn a_folder_with_something_else_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("recording.wav"), "precious").unwrap();
    let error = make(&SMALL, folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    assert_eq!(files(folder.path()).len(), 1);
    // A description that names files which are none of ours.
    let victim = folder.path().join("victim.wav");
    fs::write(&victim, "precious").unwrap();
    let root = folder.path().join("root");
    let names = ["../victim.wav", "spk01/../../victim.wav", "/tmp/x.wav"]
        .map(|name| (name.to_owned(), "0".to_owned()));
    Description::new(&SMALL, names.into_iter().collect())
        .write(&root)
        .unwrap();
    make(&SMALL, &root).unwrap();
    assert!(victim.exists());
}

#[test]
fn settings_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for settings in [
        SyntheticSettings {
            speakers: 0,
            ..SMALL
        },
        SyntheticSettings {
            sentences: 100,
            ..SMALL
        },
        SyntheticSettings { takes: 0, ..SMALL },
        SyntheticSettings {
            sample_rate: 100,
            ..SMALL
        },
    ] {
        assert_eq!(
            make(&settings, folder.path()).unwrap_err().kind(),
            Kind::Config
        );
    }
}

#[test]
fn the_listing_says_who_says_what_and_that_nobody_does() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read(folder.path()).unwrap_err().kind(), Kind::Missing);
    make(&SMALL, folder.path()).unwrap();
    fs::remove_file(folder.path().join("spk01/spk01_s01_sad_1.wav")).unwrap();
    fs::write(folder.path().join("spk01/other.wav"), "").unwrap();
    let listing = read(folder.path()).unwrap();
    assert!(listing.generated && listing.notes[0].contains("not recordings"));
    assert_eq!(listing.sources.len(), 19);
    assert!(listing.sources.is_sorted_by_key(|s| &s.id));
    let reasons: Vec<_> = listing
        .set_aside
        .iter()
        .map(|s| (s.path.as_str(), s.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            ("spk01/other.wav", Reason::UnknownCode),
            ("spk01/spk01_s01_sad_1.wav", Reason::MissingAudio)
        ]
    );
    let first = &listing.sources[0];
    assert_eq!(
        (first.id.as_str(), first.path.as_str()),
        ("spk01_s01_angry_1", "spk01/spk01_s01_angry_1.wav")
    );
    assert_eq!(
        (first.speaker.as_str(), first.sex, first.text_id.as_deref()),
        ("spk01", Some(Sex::Male), Some("s01"))
    );
    assert_eq!(
        listing
            .sources
            .iter()
            .map(|s| s.emotion.as_str())
            .collect::<BTreeSet<_>>(),
        BTreeSet::from(EMOTIONS)
    );
}

/// Samples of one recording, without its file.
fn sound(item: Item) -> Vec<f64> {
    let settings = SyntheticSettings::default();
    let speaker = Speaker::draw(
        item.speaker,
        &mut settings.rng(&format!("speaker {}", item.speaker)),
    );
    let sentence = voice::sentence(&mut settings.rng(&format!("sentence {}", item.sentence)));
    let bytes = recording(&settings, &item, &speaker, &sentence).unwrap();
    let head = bytes.windows(4).position(|name| name == b"data").unwrap() + 8;
    bytes[head..]
        .chunks_exact(2)
        .map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0)
        .collect()
}

#[test]
fn moods_are_heard_on_average() {
    let all = SyntheticSettings {
        speakers: 6,
        ..SyntheticSettings::default()
    }
    .items();
    let mean = |emotion: usize, value: &dyn Fn(&[f64]) -> f64| {
        let values: Vec<f64> = all
            .iter()
            .filter(|i| i.emotion == emotion)
            .map(|&item| value(&sound(item)))
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let energy = |x: &[f64]| (x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64).log10();
    let length = |x: &[f64]| x.len() as f64 / 16_000.0;
    // Share of the differences in the signal: the brighter, the larger.
    let brightness = |x: &[f64]| {
        (x.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum::<f64>()
            / x.iter().map(|v| v * v).sum::<f64>())
        .log10()
    };
    let [neutral, _, sad, angry, fearful] = [0, 1, 2, 3, 4];
    assert!(
        mean(sad, &energy) + 0.3 < mean(neutral, &energy)
            && mean(neutral, &energy) + 0.3 < mean(angry, &energy)
    );
    assert!(
        mean(sad, &length) > mean(neutral, &length)
            && mean(neutral, &length) > mean(fearful, &length)
    );
    assert!(
        mean(sad, &brightness) < mean(neutral, &brightness)
            && mean(neutral, &brightness) < mean(angry, &brightness)
    );
    assert!(
        (1.2..2.0).contains(&mean(neutral, &length)),
        "{} s",
        mean(neutral, &length)
    );
    let loudest = all
        .iter()
        .flat_map(|&item| sound(item))
        .fold(0.0, |m: f64, x| m.max(x.abs()));
    assert!(loudest > 0.1, "{loudest}");
}
