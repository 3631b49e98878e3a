//! What the rows of a manifest mean.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cell::{Refusal, part, seconds, sex};
use super::columns::{Columns, FILLED, nearest};
use super::labels::Labels;
use super::locate::Locator;
use super::repeats::Repeats;
use super::sheet::{self, Row, open};
use crate::corpus::GENERATED_MARK;
use crate::corpus::listing::{Listing, Reason, SetAside};
use crate::corpus::text::composed;
use crate::corpus::utterance::{Source, UNKNOWN_SPEAKER, is_nobody};
use crate::corpus::walk::check_root;
use crate::error::{Error, Result};

/// Where a manifest is and how its rows are to be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSettings {
    /// The table: CSV, TSV or Parquet.
    pub path: PathBuf,
    /// The folder that the table's paths start from.
    pub root: PathBuf,
    /// The class for each label of the table; labels that are not in it are left out. Empty: the labels are the classes.
    #[serde(default)]
    pub label_map: BTreeMap<String, String>,
    /// Whether a recording may lie outside `root`, by its path or by a link.
    #[serde(default)]
    pub allow_outside: bool,
}

/// As [`scan`], with all sources in the listing.
///
/// # Errors
/// As [`scan`].
pub fn read(settings: &ManifestSettings) -> Result<Listing> {
    let mut sources = Vec::new();
    let mut listing = scan(settings, &mut |source| {
        sources.push(source);
        Ok(())
    })?;
    sources.sort_by(|a: &Source, b| a.id.cmp(&b.id));
    listing.sources = sources;
    Ok(listing)
}

/// Reads a manifest: columns `path`, `emotion`, `speaker`; optional `id`, `sex`, `text_id`, `session`, `split` (train, validation, test),
/// `start` and `end` (seconds), `language`, `intensity`, `repetition`. Column names are compared without case and surrounding space.
///
/// A row's id is its `id`, or else its path, with `#start-end` for a segment. Of rows with one id, or with the same path and segment, the
/// first counts. A row that cannot be used is set aside with its line. Sources go to `sink` in the order of the rows; the listing that is
/// returned holds none. Memory grows by some 40 bytes a row, by twice as much where there is a column `id`, and by what is set aside.
///
/// # Errors
/// `Missing` where the manifest or the root is not there; `Data` where it is no table, lacks a required column or has no rows; `Io` where
/// it cannot be read; what `sink` returns.
pub fn scan(settings: &ManifestSettings, sink: &mut dyn FnMut(Source) -> Result<()>) -> Result<Listing> {
    let sheet = open(&settings.path)?;
    check_root(
        &settings.root,
        "the manifest's folder of recordings",
        "set the corpus root to the folder that the manifest's paths start from",
    )?;
    let columns = Columns::of(&sheet.columns, &settings.path)?;
    let mut notes = sheet.notes;
    if !columns.unused.is_empty() {
        notes.push(format!("columns of the manifest that are not used: {}", columns.unused.join(", ")));
    }
    let mut rows = Rows {
        settings,
        columns: &columns,
        unit: sheet.unit,
        locator: Locator::new(settings)?,
        sounds: Repeats::default(),
        labels: Labels::default(),
    };
    let mut set_aside = rows.read(sheet.rows, sink)?;
    if let Some(why) = rows.labels.measurements() {
        let hint = "ser trains classifiers: name classes in the column `emotion` (low, middle, high), or give each number a class: \
                    label_map = { \"1\" = \"low\", … } under [corpus]";
        return Err(Error::data(format!("{}: {why}", settings.path.display())).hint(hint));
    }
    let warnings = rows.labels.warnings(&settings.label_map);
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Listing {
        corpus: "manifest".into(),
        sources: vec![],
        set_aside,
        expected: None,
        warnings,
        notes,
        generated: settings.root.join(GENERATED_MARK).is_file(),
    })
}

struct Rows<'a> {
    settings: &'a ManifestSettings,
    columns: &'a Columns,
    unit: &'static str,
    locator: Locator<'a>,
    /// Recordings with their segments.
    sounds: Repeats,
    labels: Labels,
}

impl Rows<'_> {
    fn read(&mut self, rows: sheet::Rows, sink: &mut dyn FnMut(Source) -> Result<()>) -> Result<Vec<SetAside>> {
        let mut set_aside = Vec::new();
        // Without a column of ids, an id says no more than the recording and its segment.
        let mut ids = self.columns.index.contains_key("id").then(Repeats::default);
        let mut any = false;
        for row in rows {
            let Row { place, cells } = row?;
            any = true;
            let (path, refusal) = match cells {
                Err(why) => (self.manifest_name(), (Reason::BadRow, why)),
                Ok(cells) => match self.source(&cells) {
                    Err(refusal) => (self.columns.cell(&cells, "path").map_or_else(|| self.manifest_name(), str::to_owned), refusal),
                    Ok(source) => match self.repeated(&source, place, ids.as_mut()) {
                        Some(refusal) => (source.path, refusal),
                        None => {
                            sink(source)?;
                            continue;
                        }
                    },
                },
            };
            set_aside.push(SetAside { path, reason: refusal.0, detail: format!("{} {place}: {}", self.unit, refusal.1) });
        }
        if !any {
            return Err(
                Error::data(format!("{} has a header but no rows", self.settings.path.display())).hint("write a row for each recording")
            );
        }
        Ok(set_aside)
    }

    /// Why a source is none of its own; one that is, is noted.
    fn repeated(&mut self, source: &Source, place: u64, ids: Option<&mut Repeats>) -> Option<Refusal> {
        let sound = format!("{}{}", source.path, segment(source));
        if let Some((first, contradiction)) = self.sounds.first(&sound, &source.emotion) {
            let contradiction = if contradiction { ", with another emotion" } else { "" };
            let detail = format!("the same recording as {} {first}{contradiction}: remove one of the rows", self.unit);
            return Some((Reason::Duplicate, detail));
        }
        if let Some(ids) = ids {
            if let Some((first, _)) = ids.first(&source.id, "") {
                let detail = format!("the id {} is also that of {} {first}: make ids unique", source.id, self.unit);
                return Some((Reason::Duplicate, detail));
            }
            ids.note(&source.id, place, "");
        }
        self.sounds.note(&sound, place, &source.emotion);
        None
    }

    fn manifest_name(&self) -> String {
        self.settings.path.file_name().map_or_else(|| "manifest".into(), |n| n.to_string_lossy().into_owned())
    }

    fn source(&mut self, cells: &[String]) -> Result<Source, Refusal> {
        let cell = |name| self.columns.cell(cells, name);
        let owned = |name| cell(name).map(str::to_owned);
        let bad = |why: String| (Reason::BadRow, why);
        if let Some(name) = FILLED.iter().find(|name| cell(name).is_none()) {
            return Err(bad(format!("the cell {name} is empty: fill it or remove the row")));
        }
        if let Some(name) = ["emotion", "speaker"].iter().find(|name| cell(name).is_some_and(|text| text.contains('\n'))) {
            return Err(bad(format!("the cell {name} goes over several lines: look for a quotation mark that is never closed")));
        }
        let emotion = self.class(&composed(cell("emotion").unwrap_or_default()))?;
        let (start_s, end_s) = (seconds("start", cell("start"))?, seconds("end", cell("end"))?);
        if end_s.is_some_and(|end| end <= start_s.unwrap_or(0.0)) {
            return Err(bad("the end is not after the start: correct the times (seconds)".into()));
        }
        // The cell as it stands, since a name may begin or end with a space.
        let raw = self.columns.index.get("path").and_then(|at| cells.get(*at)).map_or("", String::as_str);
        let path = self.locator.locate(raw)?;
        let mut source = Source {
            emotion,
            speaker: cell("speaker").filter(|speaker| !is_nobody(speaker)).map_or_else(|| UNKNOWN_SPEAKER.to_owned(), composed),
            sex: cell("sex").map(sex).transpose()?,
            text_id: owned("text_id"),
            session: owned("session"),
            intensity: owned("intensity"),
            repetition: owned("repetition"),
            language: owned("language"),
            split: cell("split").map(part).transpose()?,
            start_s,
            end_s,
            ..Source::named(String::new(), path)
        };
        source.id = owned("id").unwrap_or_else(|| format!("{}{}", source.path, segment(&source)));
        Ok(source)
    }

    fn class(&mut self, label: &str) -> Result<String, Refusal> {
        let map = &self.settings.label_map;
        if map.is_empty() {
            self.labels.class(label);
            return Ok(label.to_owned());
        }
        self.labels.note(label, map);
        map.get(label).cloned().ok_or_else(|| {
            let near = nearest(&label.to_lowercase(), map.keys()).map_or(String::new(), |near| format!(" (it has {near})"));
            (Reason::ClassNotUsed, format!("the label map has no entry {label}{near}: add one to use the row"))
        })
    }
}

/// `#start-end` in seconds for a segment, nothing for a whole file.
fn segment(source: &Source) -> String {
    let text = |t: Option<f64>| t.map_or(String::new(), |t| t.to_string());
    if source.start_s.is_none() && source.end_s.is_none() {
        String::new()
    } else {
        format!("#{}-{}", text(source.start_s), text(source.end_s))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::corpus::utterance::Sex;

    struct Case {
        dir: tempfile::TempDir,
        settings: ManifestSettings,
    }

    fn case(name: &str, table: impl AsRef<[u8]>, recordings: &[&str]) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        for recording in recordings {
            let path = root.join(recording);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let path = dir.path().join(name);
        fs::write(&path, table).unwrap();
        Case { settings: ManifestSettings { path, root, ..ManifestSettings::default() }, dir }
    }

    fn ids(listing: &Listing) -> Vec<&str> {
        listing.sources.iter().map(|s| s.id.as_str()).collect()
    }

    fn asides(listing: &Listing) -> Vec<(&str, Reason)> {
        listing.set_aside.iter().map(|s| (s.path.as_str(), s.reason)).collect()
    }

    #[test]
    fn a_full_row_is_read_whatever_the_form_of_the_header() {
        let table = "\u{feff} Path ,EMOTION,Speaker,sex,Text ID,session,split,start,end,language,intensity,repetition,id,mood\r\n\
            \"a, b.wav\", joy ,01,F,t1,s1,Dev,0.50,2,de,strong,2,u1,x\r\n";
        let case = case("m.csv", table, &["a, b.wav"]);
        let listing = read(&case.settings).unwrap();
        let want = Source {
            emotion: "joy".into(),
            speaker: "01".into(),
            sex: Some(Sex::Female),
            text_id: Some("t1".into()),
            session: Some("s1".into()),
            intensity: Some("strong".into()),
            repetition: Some("2".into()),
            language: Some("de".into()),
            split: Some("validation".into()),
            start_s: Some(0.5),
            end_s: Some(2.0),
            ..Source::named("u1", "a, b.wav")
        };
        assert_eq!(listing.sources, [want]);
        assert_eq!(listing.notes, ["columns of the manifest that are not used: mood"]);
    }

    #[test]
    fn separators_are_found_out() {
        for (name, table) in [
            ("m.tsv", "path\temotion\tspeaker\na,1.wav\tjoy\t1\n"),
            ("m.csv", "path;emotion;speaker\n\"a,1.wav\";joy;1\n"),
            ("m.txt", "path\temotion\tspeaker\na,1.wav\tjoy\t1"),
        ] {
            let case = case(name, table, &["a,1.wav"]);
            assert_eq!(ids(&read(&case.settings).unwrap()), ["a,1.wav"], "{name}");
        }
    }

    #[test]
    fn a_missing_column_is_named_with_what_is_there() {
        let message = |header: &str| {
            let case = case("m.csv", format!("{header}\na,b,c\n"), &[]);
            let error = read(&case.settings).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Data);
            (error.to_string(), error.hint_text().unwrap_or_default().to_owned())
        };
        let (text, hint) = message("path,emotoin,speaker");
        assert!(text.ends_with("has no column emotion; it has path, emotoin, speaker"), "{text}");
        assert_eq!(hint, "rename the column emotoin to emotion, or add emotion");
        assert_eq!(message("file,emotion,speaker").1, "rename the column file to path, or add path");
        assert_eq!(message("path,emotion,zzz").1, "add a column speaker");
        assert!(message("path,emotion,speaker,Path").0.contains("two columns path"));
    }

    #[test]
    fn bad_rows_are_told_by_line() {
        let table = "path,emotion,speaker,start,end\n\nok.wav,joy,1,,\n,joy,1,,\nok2.wav,,1,,\n\n\nwho.wav,joy, ,,\nok2.wav,joy,1\n\
            ok2.wav,joy,1,x,\nok2.wav,joy,1,2,1\nok2.wav,joy,1,-1,\nok2.wav,joy,1,NaN,\n\"new\nline.wav\",joy,1,,\ngone.wav,joy,1,,\n";
        let case = case("m.csv", table, &["ok.wav", "ok2.wav", "who.wav", "new\nline.wav"]);
        let listing = read(&case.settings).unwrap();
        assert_eq!(ids(&listing), ["new\nline.wav", "ok.wav", "who.wav"]);
        assert_eq!(listing.sources[2].speaker, UNKNOWN_SPEAKER);
        let mut lines: Vec<(u32, Reason)> = listing
            .set_aside
            .iter()
            .map(|s| (s.detail.strip_prefix("line ").and_then(|d| d.split(':').next()).unwrap().parse().unwrap(), s.reason))
            .collect();
        lines.sort_unstable();
        use Reason::{BadRow, MissingAudio};
        let bad = [4, 5, 9, 10, 11, 12, 13].map(|line| (line, BadRow));
        assert_eq!(lines[..7], bad);
        assert_eq!(lines[7..], [(16, MissingAudio)]);
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_does_not_swallow_rows_in_silence() {
        let case = case("m.csv", "path,emotion,speaker\na.wav,joy,1\nb.wav,\"joy,1\nc.wav,joy,1\n", &["a.wav", "b.wav", "c.wav"]);
        let listing = read(&case.settings).unwrap();
        assert_eq!(ids(&listing), ["a.wav"]);
        assert!(listing.set_aside[0].detail.starts_with("line 3: a quotation mark is opened and never closed"), "{:?}", listing.set_aside);
        // The last column takes the rest of the file without a wrong number of cells.
        let case = self::case("m.csv", "path,emotion,speaker\na.wav,joy,\"1\nc.wav,joy,1\nd.wav,joy,\"2\"\n", &["a.wav", "c.wav", "d.wav"]);
        let listing = read(&case.settings).unwrap();
        assert!(listing.sources.is_empty(), "{:?}", listing.sources);
    }

    #[test]
    fn paths_stay_inside_the_root_unless_allowed() {
        let table = "path,emotion,speaker\n./d/../a.wav,joy,1\n../b.wav,joy,1\nd/../../b.wav,joy,1\nd\\c.wav,joy,1\n";
        let mut case = case("m.csv", table, &["a.wav", "d/c.wav"]);
        fs::write(case.dir.path().join("b.wav"), b"").unwrap();
        let listing = read(&case.settings).unwrap();
        assert_eq!(ids(&listing), ["a.wav", "d/c.wav"]);
        assert_eq!(asides(&listing), [("../b.wav", Reason::BadRow), ("d/../../b.wav", Reason::BadRow)]);
        case.settings.allow_outside = true;
        let listing = read(&case.settings).unwrap();
        assert_eq!(ids(&listing), ["../b.wav", "a.wav", "d/c.wav"]);
        assert_eq!(asides(&listing), [("../b.wav", Reason::Duplicate)]);

        let (inside, outside) = (case.settings.root.join("a.wav"), case.dir.path().join("b.wav"));
        fs::write(&case.settings.path, format!("path,emotion,speaker\n{},joy,1\n{},joy,1\n", inside.display(), outside.display())).unwrap();
        let listing = read(&case.settings).unwrap();
        assert_eq!(listing.sources.iter().map(|s| s.path.clone()).collect::<Vec<_>>(), [outside.display().to_string(), "a.wav".into()]);
        case.settings.allow_outside = false;
        let listing = read(&case.settings).unwrap();
        assert_eq!((ids(&listing), asides(&listing)[0].1), (vec!["a.wav"], Reason::BadRow));
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_root_are_paths_out_of_it() {
        use std::os::unix::fs::symlink;
        let table = "path,emotion,speaker\na.wav,joy,1\nlink.wav,joy,1\nd/b.wav,joy,1\nd/c.wav,joy,1\nd/back.wav,joy,1\nin.wav,joy,1\n";
        let mut case = case("m.csv", table, &["a.wav", "e/f.wav"]);
        let other = case.dir.path().join("other");
        fs::create_dir(&other).unwrap();
        for name in ["b.wav", "c.wav"] {
            fs::write(other.join(name), b"").unwrap();
        }
        symlink(other.join("b.wav"), case.settings.root.join("link.wav")).unwrap();
        symlink(&other, case.settings.root.join("d")).unwrap();
        symlink(case.settings.root.join("a.wav"), other.join("back.wav")).unwrap();
        symlink("e/f.wav", case.settings.root.join("in.wav")).unwrap();
        // A root that is itself a link is as good as what it names.
        let root = case.dir.path().join("linked-root");
        symlink(&case.settings.root, &root).unwrap();
        for root in [case.settings.root.clone(), root] {
            case.settings = ManifestSettings { root, allow_outside: false, ..case.settings.clone() };
            let listing = read(&case.settings).unwrap();
            assert_eq!(ids(&listing), ["a.wav", "d/back.wav", "in.wav"]);
            assert_eq!(asides(&listing), ["d/b.wav", "d/c.wav", "link.wav"].map(|path| (path, Reason::BadRow)));
            case.settings.allow_outside = true;
            assert_eq!(read(&case.settings).unwrap().sources.len(), 6);
        }
    }

    #[test]
    fn repeated_recordings_and_ids_count_once_but_segments_may_share_a_file() {
        let table = "id,path,emotion,speaker,start,end\n,a.wav,joy,1,0,1.5\n,a.wav,joy,1,1.5,\n,a.wav,joy,1,0,1.50\n\
            u,b.wav,joy,1,,\nv,./b.wav,fear,1,,\nu,c.wav,joy,1,,\n";
        let case = case("m.csv", table, &["a.wav", "b.wav", "c.wav"]);
        let listing = read(&case.settings).unwrap();
        assert_eq!(ids(&listing), ["a.wav#0-1.5", "a.wav#1.5-", "u"]);
        assert_eq!(asides(&listing), [("a.wav", Reason::Duplicate), ("b.wav", Reason::Duplicate), ("c.wav", Reason::Duplicate)]);
        assert!(listing.set_aside[1].detail.contains("line 6: the same recording as line 5, with another emotion"));
        assert!(listing.set_aside[2].detail.contains("the id u is also that of line 5"));
    }

    #[test]
    fn a_label_map_renames_and_leaves_out() {
        let mut case = case("m.csv", "path,emotion,speaker\na.wav,Joy,1\nb.wav,joy,1\nc.wav,rage,1\n", &["a.wav", "b.wav", "c.wav"]);
        case.settings.label_map = BTreeMap::from([("joy".to_owned(), "happiness".to_owned())]);
        let listing = read(&case.settings).unwrap();
        assert_eq!(listing.sources.iter().map(|s| s.emotion.as_str()).collect::<Vec<_>>(), ["happiness"]);
        assert_eq!(asides(&listing), [("a.wav", Reason::ClassNotUsed), ("c.wav", Reason::ClassNotUsed)]);
        assert!(listing.set_aside[0].detail.contains("no entry Joy (it has joy)"));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for bytes in [&b""[..], b"path,emotion,speaker\n", b"\xff\xfep\0a\0", b"PAR1 and nothing else", b"p\xe4th,emotion,speaker\n"] {
            let case = case("m.csv", bytes, &[]);
            assert_eq!(read(&case.settings).unwrap_err().kind(), crate::error::Kind::Data, "{bytes:?}");
        }
        let mut case = case("m.csv", "", &[]);
        case.settings.path = case.dir.path().join("other.csv");
        assert_eq!(read(&case.settings).unwrap_err().kind(), crate::error::Kind::Missing);
        fs::write(&case.settings.path, b"path,emotion,speaker\n\xe4.wav,joy,1\n").unwrap();
        let listing = read(&case.settings).unwrap();
        assert_eq!(asides(&listing), [("other.csv", Reason::BadRow)]);
        case.settings.root = case.dir.path().join("no");
        assert_eq!(read(&case.settings).unwrap_err().kind(), crate::error::Kind::Missing);
    }

    #[test]
    fn many_rows_stream_in_their_order_and_a_zero_byte_spoils_one_of_them() {
        use std::fmt::Write as _;
        let mut table = "path,emotion,speaker,start,end\n".to_owned();
        for i in 0..5_000 {
            writeln!(table, "\n\"a.wav\",joy,1,{i},{}", i + 1).unwrap();
        }
        table.push_str("a.wav,j\0y,1,0,9\na.wav,joy,1,7,8\n");
        let case = case("m.csv", &table, &["a.wav"]);
        let mut starts = Vec::new();
        let mut take = |source: Source| {
            starts.push(source.start_s);
            Ok(())
        };
        let listing = scan(&case.settings, &mut take).unwrap();
        assert_eq!(starts, (0..5_000).map(|i| Some(f64::from(i))).collect::<Vec<_>>());
        assert!(listing.sources.is_empty());
        let details: Vec<&str> = listing.set_aside.iter().map(|s| s.detail.as_str()).collect();
        assert!(details[0].starts_with("line 10003: the same recording as line 17: "), "{details:?}");
        assert!(details[1].starts_with("line 10002: a byte that is zero"), "{details:?}");
        let stop = scan(&case.settings, &mut |_| Err(Error::interrupted()));
        assert_eq!(stop.unwrap_err().kind(), crate::error::Kind::Interrupted);
    }

    #[test]
    fn parquet_says_the_same_as_csv() {
        use std::sync::Arc;

        use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
        let columns: [(&str, ArrayRef); 5] = [
            ("path", Arc::new(StringArray::from(vec!["a.wav", "a.wav", "gone.wav"]))),
            ("emotion", Arc::new(StringArray::from(vec![Some("joy"), Some("fear"), None]))),
            ("speaker", Arc::new(Int64Array::from(vec![3, 3, 4]))),
            ("start", Arc::new(Float64Array::from(vec![Some(0.25), None, None]))),
            ("end", Arc::new(Float64Array::from(vec![Some(1.0), Some(0.2), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let binary = case("m.parquet", bytes, &["a.wav"]);
        let text = case("m.csv", "path,emotion,speaker,start,end\na.wav,joy,3,0.25,1\na.wav,fear,3,,0.2\ngone.wav,,4,,\n", &["a.wav"]);
        let (binary, text) = (read(&binary.settings).unwrap(), read(&text.settings).unwrap());
        assert_eq!(ids(&binary), ["a.wav#-0.2", "a.wav#0.25-1"]);
        assert_eq!(binary.sources, text.sources);
        assert_eq!(asides(&binary), asides(&text));
        assert_eq!(binary.set_aside[0].detail, "row 3: the cell emotion is empty: fill it or remove the row");
    }
}
