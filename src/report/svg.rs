//! The ground that the charts share: a titled drawing, axes, ticks and numbers short enough for a
//! page.

use super::figure::{self, Legend, Sample};
use super::html::{Attributes, Html};
use super::marker;

/// A coordinate with one decimal, which is a fraction of a device pixel.
pub fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// An image with a name and a description for those who do not see it.
pub struct Picture {
    /// Unique in the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// What can be seen in it, for those who cannot.
    pub description: String,
    /// In pixels at full size; a narrow page scales it down.
    pub width: f64,
    /// In pixels at full size.
    pub height: f64,
}

impl Picture {
    /// With an identifier that is unique in the page, a title, a description for those who cannot
    /// see it, and width and height in pixels at full size; a narrow page scales it down.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
        [width, height]: [f64; 2],
    ) -> Self {
        Picture {
            id: id.into(),
            title: title.into(),
            description: description.into(),
            width,
            height,
        }
    }

    /// Writes the drawing in its own scrolling frame, with a link to it as a file.
    pub fn write(self, h: &mut Html, draw: impl FnOnce(&mut Html)) {
        self.write_with(h, &[], draw);
    }

    /// Writes a link alone: the page shows the same in another form.
    pub(super) fn as_file(&self, h: &mut Html, draw: impl FnOnce(&mut Html)) {
        h.figure(&self.id, &self.title, || {
            let mut drawing = Html::new();
            draw(&mut drawing);
            figure::file(self, &[], &drawing.into_string())
        });
    }

    /// As [`Picture::write`]; the file has the legend, which the page has elsewhere.
    pub(super) fn write_with(self, h: &mut Html, legend: Legend, draw: impl FnOnce(&mut Html)) {
        let mut drawing = Html::new();
        draw(&mut drawing);
        let drawing = drawing.into_string();
        let (title_id, description_id) =
            (format!("{}-title", self.id), format!("{}-desc", self.id));
        let labelled = format!("{title_id} {description_id}");
        let view = format!("0 0 {} {}", at(self.width), at(self.height));
        let (width, height) = (at(self.width), at(self.height));
        let frame = format!("{}: chart", self.title);
        h.line_break().open(
            "div",
            &[
                ("class", "scroll chart"),
                ("tabindex", "0"),
                ("role", "group"),
                ("aria-label", &frame),
            ],
        );
        h.open(
            "svg",
            &[
                ("id", &self.id),
                ("role", "img"),
                ("aria-labelledby", &labelled),
                ("viewBox", &view),
                ("width", &width),
                ("height", &height),
                ("class", "plot"),
                // Wider than this, letters would be those of a headline.
                ("style", &format!("max-width: {}px", at(self.width * 1.25))),
            ],
        );
        h.el("title", &[("id", &title_id)], &self.title).el(
            "desc",
            &[("id", &description_id)],
            &self.description,
        );
        h.append(Html::of_markup(&drawing)).raw("</svg></div>");
        h.figure(&self.id, &self.title, || {
            figure::file(&self, legend, &drawing)
        });
    }
}

/// A straight line.
pub fn line(h: &mut Html, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    h.open(
        "line",
        &[
            ("class", class),
            ("x1", &at(x1)),
            ("y1", &at(y1)),
            ("x2", &at(x2)),
            ("y2", &at(y2)),
        ],
    )
    .raw("</line>");
}

/// Writes a legend, whose entries are short pieces of the very lines, boxes and marks that the chart
/// draws.
pub(super) fn legend(h: &mut Html, entries: Legend) {
    h.raw("<ul class=\"legend\">");
    for (sample, text) in entries {
        h.raw("<li>");
        match sample {
            Sample::Box(class) | Sample::Curve(class) => {
                h.el("i", &[("class", &format!("sw {class}"))], "");
            }
            Sample::Line(class) => {
                h.raw("<svg class=\"sw\" aria-hidden=\"true\" width=\"28\" height=\"10\" viewBox=\"0 0 28 10\">");
                line(h, class, (0.0, 5.0), (28.0, 5.0));
                h.raw("</svg>");
            }
            Sample::Mark(class) => marker::sample(h, *class),
        }
        h.text(text).raw("</li>");
    }
    h.raw("</ul>");
}

/// Text whose anchor is `start`, `middle` or `end`.
pub fn label(h: &mut Html, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
    h.el(
        "text",
        &[
            ("class", class),
            ("text-anchor", anchor),
            ("x", &at(x)),
            ("y", &at(y)),
        ],
        text,
    );
}

/// A filled box with slightly rounded corners; `title` is shown on hover.
pub fn bar(
    h: &mut Html,
    class: &str,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    title: &str,
) {
    let attributes: Attributes = &[
        ("class", class),
        ("x", &at(x)),
        ("y", &at(y)),
        ("width", &at(width.max(0.0))),
        ("height", &at(height)),
        ("rx", "2"),
    ];
    h.within("rect", attributes, |h| {
        h.el("title", &[], title);
    });
}

/// A dot; `title` is shown on hover.
pub(super) fn dot(h: &mut Html, class: &str, (x, y): (f64, f64), radius: f64, title: &str) {
    h.within(
        "circle",
        &[
            ("class", class),
            ("cx", &at(x)),
            ("cy", &at(y)),
            ("r", &at(radius)),
        ],
        |h| {
            h.el("title", &[], title);
        },
    );
}

/// A short text that runs upwards, with its middle at a place.
pub(super) fn upright(h: &mut Html, (x, y): (f64, f64), text: &str) {
    let turn = format!("rotate(-90 {} {})", at(x), at(y));
    h.el(
        "text",
        &[
            ("class", "tick"),
            ("text-anchor", "middle"),
            ("x", &at(x)),
            ("y", &at(y)),
            ("transform", &turn),
        ],
        text,
    );
}

/// An open line through the finite points; a gap where there are none.
pub(super) fn polyline(h: &mut Html, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
    let mut path = String::new();
    let mut pen_down = false;
    for (x, y) in points {
        if x.is_finite() && y.is_finite() {
            path.push_str(if pen_down { " " } else { "M" });
            path.push_str(&at(x));
            path.push(',');
            path.push_str(&at(y));
            pen_down = true;
        } else {
            pen_down = false;
        }
    }
    if !path.is_empty() {
        h.open("path", &[("class", class), ("d", &path)])
            .raw("</path>");
    }
}

/// Round steps (1, 2 or 5 times a power of ten) from 0 to at least `most`, about `wanted` of them.
pub(super) fn ticks(most: f64, wanted: usize) -> Vec<f64> {
    if !most.is_finite() || most <= 0.0 {
        return vec![0.0, 1.0];
    }
    let rough = most / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|&step| step >= rough * 0.999_999)
        .unwrap_or(10.0 * power);
    let steps = (most / step - 1e-9).ceil().max(1.0) as usize;
    (0..=steps).map(|i| i as f64 * step).collect()
}

/// A tick as short text.
pub(super) fn tick_text(value: f64) -> String {
    if value >= 1e5 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// At most `limit` indices of `0..n`, evenly spread, with the first and the last.
pub(super) fn thin(n: usize, limit: usize) -> Vec<usize> {
    let limit = limit.max(2);
    if n <= limit {
        (0..n).collect()
    } else {
        (0..limit).map(|i| i * (n - 1) / (limit - 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_range() {
        assert_eq!(ticks(700.0, 5), [0.0, 200.0, 400.0, 600.0, 800.0]);
        assert_eq!(ticks(1.0, 5).last(), Some(&1.0));
        assert_eq!(ticks(0.0, 5), [0.0, 1.0]);
        assert_eq!(ticks(f64::INFINITY, 5), [0.0, 1.0]);
        assert_eq!(tick_text(0.2), "0.2");
        assert_eq!(tick_text(200.0), "200");
    }

    #[test]
    fn thinning_keeps_both_ends() {
        assert_eq!(thin(5, 100), [0, 1, 2, 3, 4]);
        let kept = thin(700, 100);
        assert_eq!((kept.len(), kept[0], kept[99]), (100, 0, 699));
    }

    #[test]
    fn a_diverged_curve_leaves_a_gap() {
        let mut h = Html::new();
        polyline(
            &mut h,
            "c",
            [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)],
        );
        assert_eq!(
            h.into_string(),
            "<path class=\"c\" d=\"M0,1M2,3 3,4\"></path>"
        );
    }
}
