//! Imported features: the rows of a table that another tool wrote, as the table of a set.

use super::extract::SET_ASIDE;
use super::ingest::Ingested;
use super::known::extracted;
use super::pipeline_run::PipelineRun;
use super::stage::{Stage, TaskId};
use crate::corpus::{Reason, SetAside, Utterance};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::files::{from_json, to_json, write_atomically};
use crate::import::{ImportSettings, Imported, Recording, Summary};
use crate::orchestrator::{Context, Finished, Identity, Outputs, Task, Upstream};
use crate::table;

/// What came of an import, within the task's folder.
pub(super) const SUMMARY: &str = "import.json";

/// Its settings, and its files by their content.
pub(super) fn settings(
    run: &PipelineRun,
    set: FeatureSet,
    import: &ImportSettings,
) -> Result<Identity> {
    let ImportSettings {
        id, columns, array, ..
    } = import;
    let params = serde_json::json!({ "set": set, "id": id, "columns": columns, "array": array });
    let mut identity = run.identity(Stage::Features, params, [])?;
    identity.code_version = set.code_version();
    let names = ["table", "list of ids"];
    for (name, file) in names.into_iter().zip(import.files()?) {
        identity.inputs.insert(name.to_owned(), file.sha256);
    }
    Ok(identity)
}

/// Writes the table of the set; utterances without a row, or with one that is not finite, are
/// excluded.
pub(super) fn task<'n>(
    run: &'n PipelineRun,
    set: FeatureSet,
    import: &'n ImportSettings,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let mut identity = settings(run, set, import)?;
    let sounds = ingested.summary.sounds.clone();
    identity.inputs.insert("utterances".to_owned(), sounds);
    let action = move |context: &Context| {
        let utterances = table::utterances::read_parts(&ingested.finished.folder)?;
        write(set, import, &utterances, context)
    };
    Ok(Task {
        names_inputs: true,
        ..Task::new(TaskId::Features(set), identity, action)
    })
}

fn write(
    set: FeatureSet,
    import: &ImportSettings,
    utterances: &[Utterance],
    context: &Context,
) -> Result<()> {
    let recordings: Vec<Recording> = utterances
        .iter()
        .map(|u| Recording {
            id: &u.source.id,
            path: &u.source.path,
            start_s: u.source.start_s,
            end_s: u.source.end_s,
            duration_s: Some(u.duration_s),
        })
        .collect();
    let imported = Imported::read(import, &recordings, context.cancel)?;
    let sums: Vec<&str> = (imported.summary.files.iter())
        .map(|file| file.sha256.as_str())
        .collect();
    let meta = table::Meta::from([
        ("ser.feature_set".into(), set.name().into()),
        (
            "ser.feature_code_version".into(),
            set.code_version().to_string(),
        ),
        ("ser.import_sha256".into(), sums.join(" ")),
    ]);
    let columns = imported.table.columns.clone();
    let mut table = table::features::Writer::new(context.folder, columns, &meta);
    let mut set_aside = Vec::new();
    for (i, u) in utterances.iter().enumerate() {
        context.cancel.check()?;
        match imported.row(i) {
            Ok(row) => table.push(&u.source.id, &u.content_hash, row)?,
            Err(detail) => set_aside.push(SetAside {
                path: u.source.path.clone(),
                reason: Reason::NoFeatures,
                detail,
            }),
        }
    }
    if table.rows() == 0 {
        let error = Error::data(format!(
            "no utterance has usable features: {}",
            imported.summary.describe()
        ));
        return Err(error.hint("fill the cells, or name the columns that are wanted with `columns` of the [[features.import]]"));
    }
    table.finish()?;
    write_atomically(&context.folder.join(SET_ASIDE), &to_json(&set_aside)?)?;
    write_atomically(&context.folder.join(SUMMARY), &to_json(&imported.summary)?)
}

/// What came of an import.
pub(super) fn summary(finished: &Finished) -> Result<Summary> {
    from_json(&finished.path(SUMMARY))
}

/// Says what came of the imports.
pub(super) fn tell(run: &PipelineRun, outputs: &Outputs) -> Result<()> {
    for (set, finished) in extracted(run, outputs) {
        if set.is_imported() {
            let found = summary(finished)?;
            run.observer
                .note(format!("       {}: {}", set.name(), found.describe()));
        }
    }
    Ok(())
}
