//! Checks of figures from the literature.

use toml::Spanned;

use super::check::Context;
use super::raw::{Key, RawPublished, Table};
use super::validated::CorpusKind;
use crate::error::Result;
use crate::evaluation::Published;

/// Checks all figures; a generated corpus has none.
pub(super) fn all(
    raw: Vec<Spanned<Table<RawPublished>>>,
    corpus: &CorpusKind,
    context: &Context<'_>,
) -> Result<Vec<Published>> {
    if let (Some(first), CorpusKind::Synthetic { .. }) = (raw.first(), corpus) {
        let error = context.texts.error(
            &first.span(),
            "no published figure can stand beside results on a generated corpus",
        );
        return Err(error.hint("remove the [[published]] tables"));
    }
    raw.into_iter().map(|figure| one(figure, context)).collect()
}

fn one(raw: Spanned<Table<RawPublished>>, context: &Context<'_>) -> Result<Published> {
    let place = raw.span();
    let Table(raw) = raw.into_inner();
    let (accuracy, uar) = (
        share("accuracy", &raw.accuracy, context)?,
        share("uar", &raw.uar, context)?,
    );
    if accuracy.is_none() && uar.is_none() {
        return Err(context.texts.error(
            &place,
            "a published row needs a figure: `accuracy` (WA), `uar` or both",
        ));
    }
    Ok(Published {
        source: context.text("source", raw.source)?,
        system: context.text("system", raw.system)?,
        protocol: context.text("protocol", raw.protocol)?,
        speaker_independent: raw.speaker_independent,
        accuracy,
        uar,
        mark: raw.mark,
        note: raw
            .note
            .map(|note| context.text("note", note))
            .transpose()?,
    })
}

fn share(key: &str, value: &Key<f64>, context: &Context<'_>) -> Result<Option<f64>> {
    let allowed = "from 0 to 1";
    let checked = value.as_ref().map(|value| {
        context
            .real(key, value, |x| (0.0..=1.0).contains(&x), allowed)
            .map_err(|error| match *value.get_ref() {
                percent if percent > 1.0 && percent <= 100.0 => error.hint(format!(
                    "per cent are written as a share: {key} = {:.4}",
                    percent / 100.0
                )),
                _ => error,
            })
    });
    checked.transpose()
}
