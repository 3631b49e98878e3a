//! Marks of a scatter plot: each class has a colour and a shape, so that neither alone is needed to
//! tell it.

use std::fmt::Write;

use super::figure::Sample;
use super::html::Html;
use super::svg::at;

/// Colours and shapes (`k0` … `k7` in the stylesheet); with more classes they meet again in other
/// pairs.
const KINDS: usize = 8;

fn look(class: usize) -> (usize, usize) {
    (class % KINDS, (class + class / KINDS) % KINDS)
}

/// A mark at a place, as a piece of a path.
fn shape(path: &mut String, shape: usize, (x, y): (f64, f64)) {
    let _ = match shape {
        0 => write!(
            path,
            "M{} {}a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
            at(x - 3.0),
            at(y)
        ),
        1 => write!(path, "M{} {}h5v5h-5z", at(x - 2.5), at(y - 2.5)),
        2 => write!(path, "M{} {}h7l-3.5-6.5z", at(x - 3.5), at(y + 3.0)),
        3 => write!(path, "M{} {}l3.7 3.7-3.7 3.7-3.7-3.7z", at(x), at(y - 3.7)),
        4 => write!(
            path,
            "M{} {}h2v-2.5h2v2.5h2v2h-2v2.5h-2v-2.5h-2z",
            at(x - 3.0),
            at(y - 1.0)
        ),
        5 => write!(path, "M{} {}h7l-3.5 6.5z", at(x - 3.5), at(y - 3.0)),
        6 => write!(path, "M{} {}h8v2h-8z", at(x - 4.0), at(y - 1.0)),
        _ => write!(path, "M{} {}h2v8h-2z", at(x - 1.0), at(y - 4.0)),
    };
}

/// Writes the marks of one class.
pub(super) fn write(h: &mut Html, class: usize, places: impl Iterator<Item = (f64, f64)>) {
    let (colour, form) = look(class);
    let mut path = String::new();
    places
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .for_each(|place| shape(&mut path, form, place));
    if !path.is_empty() {
        h.open(
            "path",
            &[
                ("class", &format!("dots k{colour}")),
                ("data-class", &class.to_string()),
                ("d", &path),
            ],
        )
        .raw("</path>");
    }
}

/// Writes what the marks stand for; where there is script, each entry is a button that shows its
/// class alone.
pub(super) fn legend(h: &mut Html, classes: &[String], plot: &str) {
    h.raw("<ul class=\"legend marks\">");
    for (class, name) in classes.iter().enumerate() {
        h.raw("<li>");
        sample(h, class);
        h.el(
            "span",
            &[("data-only", plot), ("data-class", &class.to_string())],
            name,
        )
        .raw("</li>");
    }
    h.raw("</ul>");
}

/// Writes a mark of a class by itself.
pub(super) fn sample(h: &mut Html, class: usize) {
    let (colour, form) = look(class);
    h.raw("<svg aria-hidden=\"true\" width=\"14\" height=\"14\" viewBox=\"0 0 14 14\">");
    let mut path = String::new();
    shape(&mut path, form, (7.0, 7.0));
    h.open(
        "path",
        &[("class", &format!("dots k{colour}")), ("d", &path)],
    )
    .raw("</path></svg>");
}

/// The entries of the legend, for the file of a picture.
pub(super) fn keys(classes: &[String]) -> Vec<(Sample, String)> {
    let entries = classes.iter().enumerate();
    entries
        .map(|(class, name)| (Sample::Mark(class), name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_sixty_four_classes_have_their_own_mark() {
        let looks: std::collections::BTreeSet<(usize, usize)> = (0..64).map(look).collect();
        assert_eq!(looks.len(), 64);
    }
}
