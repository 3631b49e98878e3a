//! What a report says of the tables of features.

use std::collections::HashMap;
use std::path::Path;

use crate::corpus::Utterance;
use crate::error::Result;
use crate::evaluation::{Overview, Row, overview};
use crate::features::{FeatureSet, groups};
use crate::orchestrator::Finished;
use crate::table;

/// Looks at each set that has one row an utterance.
pub(super) fn overviews(
    extracted: &[(FeatureSet, Finished)],
    utterances: &[Utterance],
) -> Result<Vec<Overview>> {
    let by_id: HashMap<&str, &Utterance> = utterances
        .iter()
        .map(|u| (u.source.id.as_str(), u))
        .collect();
    let tables = extracted.iter().filter(|(set, _)| set.has_columns());
    tables
        .map(|(set, finished)| overview_of(*set, &finished.folder, &by_id))
        .collect()
}

fn overview_of(
    set: FeatureSet,
    folder: &Path,
    by_id: &HashMap<&str, &Utterance>,
) -> Result<Overview> {
    let (table, _) = table::features::read_parts(folder)?;
    let groups = groups(&table.columns);
    let group_of = |column: usize| {
        groups
            .iter()
            .find(|(_, columns)| columns.contains(&column))
            .map(|(name, _)| name.clone())
    };
    let columns: Vec<(String, String)> = table
        .columns
        .iter()
        .enumerate()
        .map(|(c, name)| (name.clone(), group_of(c).unwrap_or_default()))
        .collect();
    let rows: Vec<Row> = table
        .ids
        .iter()
        .enumerate()
        .filter_map(|(i, id)| {
            let source = &by_id.get(id.as_str())?.source;
            Some(Row {
                class: &source.emotion,
                speaker: &source.speaker,
                values: table.row(i),
            })
        })
        .collect();
    Ok(overview(set.name(), &columns, &rows))
}
