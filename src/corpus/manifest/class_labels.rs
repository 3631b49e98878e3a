//! The names of classes that datasets of Hugging Face write as numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use parquet::file::metadata::FileMetaData;
use parquet::record::Field;
use serde_json::Value;

use super::columnar::text;

/// The longest README that is read, in bytes.
const LONGEST_README: u64 = 1 << 20;

/// The names of the classes by column: number `n` is the `n`-th of them.
pub(super) type ClassLabels = BTreeMap<String, Vec<String>>;

/// Those in the metadata that `datasets` writes into a Parquet file.
pub(super) fn of_table(metadata: &FileMetaData) -> ClassLabels {
    let entries = metadata.key_value_metadata();
    let about = entries
        .and_then(|entries| entries.iter().find(|one| one.key == "huggingface"))
        .and_then(|entry| serde_json::from_str::<Value>(entry.value.as_deref()?).ok());
    let features = about
        .as_ref()
        .and_then(|about| about.pointer("/info/features"))
        .and_then(Value::as_object);
    let columns = features.into_iter().flatten();
    columns
        .filter(|(_, feature)| {
            feature
                .get("_type")
                .is_some_and(|kind| kind == "ClassLabel")
        })
        .filter_map(|(column, feature)| Some((column.clone(), names(feature.get("names")?)?)))
        .collect()
}

/// Those in the header of a dataset's README.md; a column whose classes differ between the
/// configurations there has none.
pub(super) fn of_folder(folder: &Path) -> ClassLabels {
    let path = folder.join("README.md");
    let is_short = fs::metadata(&path).is_ok_and(|found| found.len() <= LONGEST_README);
    let text = is_short.then(|| fs::read_to_string(&path).ok()).flatten();
    let header = text.as_deref().and_then(|text| {
        let text = text.trim_start_matches('\u{feff}');
        let (header, _) = text.strip_prefix("---")?.split_once("\n---")?;
        serde_yaml_ng::from_str::<Value>(header).ok()
    });
    let configurations = match header
        .as_ref()
        .and_then(|header| header.get("dataset_info"))
    {
        Some(Value::Array(several)) => several.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let mut found: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    let features = configurations
        .iter()
        .filter_map(|one| one.get("features")?.as_array())
        .flatten();
    for feature in features {
        let Some(column) = feature.get("name").and_then(Value::as_str) else {
            continue;
        };
        let named = feature.pointer("/dtype/class_label/names").and_then(names);
        match found.get_mut(column) {
            Some(known) if *known != named => *known = None,
            Some(_) => {}
            None => drop(found.insert(column.to_owned(), named)),
        }
    }
    found
        .into_iter()
        .filter_map(|(column, named)| Some((column, named?)))
        .collect()
}

/// A list of names, or names by number.
fn names(value: &Value) -> Option<Vec<String>> {
    let name = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(list) => list.iter().map(name).collect(),
        Value::Object(by_number) => {
            let named = by_number
                .iter()
                .map(|(n, value)| Some((n.trim().parse().ok()?, name(value)?)));
            let named: BTreeMap<usize, String> = named.collect::<Option<_>>()?;
            let is_whole = named.keys().copied().eq(0..by_number.len());
            is_whole.then(|| named.into_values().collect())
        }
        _ => None,
    }
}

/// A cell with the name of its class in place of the number; -1 is that there is no class. Text, and
/// what is no number of a class, stays.
pub(super) fn named(field: &Field, names: &[String]) -> String {
    let cell = text(field);
    if matches!(field, Field::Str(_) | Field::Bytes(_)) {
        return cell;
    }
    match cell.parse::<f64>() {
        Ok(-1.0) => String::new(),
        Ok(n) if n >= 0.0 && n.fract() == 0.0 => names.get(n as usize).cloned().unwrap_or(cell),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_names_classes_by_number_or_in_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let labels = |text: &str| {
            fs::write(folder.path().join("README.md"), text).unwrap();
            of_folder(folder.path())
        };
        let by_number = "---\ndataset_info:\n  features:\n  - name: audio\n    dtype: audio\n  - name: emotion\n    dtype:\n      class_label:\n        names:\n          '0': wut\n          '1': freude\n---\n# A dataset\n";
        let expected: ClassLabels =
            [("emotion".to_owned(), vec!["wut".into(), "freude".into()])].into();
        assert_eq!(labels(by_number), expected);
        let padded = by_number.replace("'0'", "'00'").replace("'1'", "'01'");
        assert_eq!(labels(&format!("\u{feff}{padded}")), expected);
        assert!(labels(&by_number.replace("'1'", "'2'")).is_empty());
        let listed = "---\ndataset_info:\n- config_name: a\n  features:\n  - name: emotion\n    dtype: {class_label: {names: [wut, freude]}}\n- config_name: b\n  features:\n  - {name: emotion, dtype: {class_label: {names: [wut, freude]}}}\n---\n";
        assert_eq!(labels(listed), expected);
        // Which configuration the files are of is not known.
        assert!(labels(&listed.replace("freude]}}}", "trauer]}}}")).is_empty());
        for nothing in ["# A dataset\n", "---\n[\n---\n", "---\nlicense: mit\n---\n"] {
            assert!(labels(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn minus_one_is_no_class_and_other_numbers_stay() {
        let names = ["wut".to_owned(), "freude".to_owned()];
        let cells = [0, 1, -1, 2, -2].map(Field::Long);
        let expected = ["wut", "freude", "", "2", "-2"];
        assert_eq!(cells.map(|cell| named(&cell, &names)), expected);
        // A table with empty cells may hold them as real numbers; text is a name already.
        assert_eq!(named(&Field::Double(1.0), &names), "freude");
        assert_eq!(named(&Field::Double(0.5), &names), "0.5");
        assert_eq!(named(&Field::Str("1".into()), &names), "1");
        assert_eq!(named(&Field::Null, &names), "");
    }
}
