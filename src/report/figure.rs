//! Pictures of a page as files of their own: light, with their styles, title and legend.

use super::html::{self, Html, Style};
use super::marker;
use super::svg::{self, Picture, at};

/// Folder of the files, beside the pages.
pub const FIGURES: &str = "figures";

/// Room around a drawing.
const MARGIN: f64 = 12.0;
/// Height of a line of the title or the legend.
const LINE: f64 = 21.0;
/// Width of a letter, about that of the widest fonts that the styles name: of the legend, and of the
/// title, which is bold.
const LETTER: f64 = 7.4;
const BOLD: f64 = 9.2;
/// Width of a piece of line or a box in the legend, with the gap behind it.
const SAMPLE: f64 = 36.0;

/// A picture as a file.
#[derive(Debug)]
pub(super) struct Figure {
    /// Its path from the page.
    pub path: String,
    /// The whole file.
    pub svg: String,
}

/// What stands before the text of an entry of a legend: a piece of what the chart draws, by its
/// class.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    Box(&'static str),
    Line(&'static str),
    Curve(&'static str),
    /// The marks of the class of this number.
    Mark(usize),
}

/// Entries of a legend.
pub(super) type Legend<'a> = &'a [(Sample, String)];

/// The picture as a file.
pub(super) fn file(picture: &Picture, legend: Legend, drawing: &str) -> String {
    let letters = (picture.width / BOLD) as usize;
    let title = lines(&picture.title, letters);
    let top = LINE * title.len() as f64 + 4.0;
    let (rows, entries) = placed(legend, picture.width);
    let below = top + picture.height + 8.0;
    let (width, height) = (
        picture.width + 2.0 * MARGIN,
        below + LINE * rows as f64 + 2.0 * MARGIN,
    );
    let view = format!("{0} {0} {1} {2}", at(-MARGIN), at(width), at(height));
    let mut h = Html::new();
    h.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    h.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("role", "img"),
            ("aria-labelledby", "title description"),
            ("viewBox", &view),
            ("width", &at(width)),
            ("height", &at(height)),
            ("class", "plot"),
        ],
    );
    h.el("title", &[("id", "title")], &picture.title);
    let said = of_itself(&picture.description);
    h.el("desc", &[("id", "description")], &said).line_break();
    h.el("style", &[], styles(Style::CSS)).line_break();
    let ground = [at(-MARGIN), at(width), at(height)];
    h.open(
        "rect",
        &[
            ("fill", "#ffffff"),
            ("x", &ground[0]),
            ("y", &ground[0]),
            ("width", &ground[1]),
            ("height", &ground[2]),
        ],
    )
    .raw("</rect>");
    for (i, line) in title.iter().enumerate() {
        svg::label(
            &mut h,
            "strong",
            "start",
            (0.0, LINE * i as f64 + 14.0),
            line,
        );
    }
    let moved = format!("translate(0 {})", at(top));
    h.within("g", &[("transform", &moved)], |h| {
        h.append(Html::of_markup(drawing));
    });
    for ((x, row), (sample, text)) in entries.into_iter().zip(legend) {
        let y = below + LINE * row as f64;
        draw(&mut h, *sample, (x, y + 10.0));
        svg::label(&mut h, "value", "start", (x + SAMPLE, y + 14.0), text);
    }
    h.raw("</svg>\n");
    h.into_string()
}

fn draw(h: &mut Html, sample: Sample, (x, y): (f64, f64)) {
    let (from, to) = ((x, y), (x + SAMPLE - 8.0, y));
    match sample {
        Sample::Box(class) => svg::bar(h, class, (x, y - 5.0), (SAMPLE - 8.0, 10.0), ""),
        Sample::Line(class) => svg::line(h, class, from, to),
        Sample::Curve(class) => svg::polyline(h, class, [from, to]),
        Sample::Mark(class) => marker::write(h, class, std::iter::once((x + 14.0, y))),
    }
}

/// How many rows a legend has, and where its entries stand: distance from the left, and row.
fn placed(legend: Legend, width: f64) -> (usize, Vec<(f64, usize)>) {
    let (mut x, mut row) = (0.0, 0);
    let mut places = Vec::new();
    for (_, text) in legend {
        let needed = SAMPLE + LETTER * text.chars().count() as f64;
        if x > 0.0 && x + needed > width {
            (x, row) = (0.0, row + 1);
        }
        places.push((x, row));
        x += needed + 14.0;
    }
    (if legend.is_empty() { 0 } else { row + 1 }, places)
}

/// A text in lines of at most so many letters, as far as its words allow.
fn lines(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        let fits = |line: &&mut String| line.chars().count() + 1 + word.chars().count() <= letters;
        match lines.last_mut().filter(fits) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(html::shorten(word, letters)),
        }
    }
    lines
}

/// The sentences that do not speak of a table of the page.
fn of_itself(description: &str) -> String {
    let sentences = description.split_inclusive(". ");
    let own: String = sentences.filter(|one| !one.contains(" table ")).collect();
    own.trim_end().to_owned()
}

/// The styles of drawings, with the light colours in place of variables: readers of SVG know
/// neither those nor `light-dark`.
fn styles(css: &str) -> String {
    let mut out = String::from(
        ".plot { font-family: Helvetica, Arial, \"Liberation Sans\", \"DejaVu Sans\", sans-serif; font-size: 13px; }\n",
    );
    let mut variables: Vec<(String, String)> = Vec::new();
    for (selectors, body) in rules(css) {
        if selectors == ":root" {
            let pairs = body.split(';').filter_map(|one| one.split_once(':'));
            variables.extend(pairs.filter_map(|(name, value)| {
                let name = name.trim().strip_prefix("--")?;
                Some((name.to_owned(), light(value.trim())))
            }));
            continue;
        }
        let drawn: Vec<&str> = selectors
            .split(',')
            .map(str::trim)
            .filter(is_drawn)
            .collect();
        if drawn.is_empty() {
            continue;
        }
        let mut body = light(body.trim());
        for (name, value) in &variables {
            // Paper is whiter than a page.
            let value = if name == "ground" { "#ffffff" } else { value };
            body = body.replace(&format!("var(--{name})"), value);
        }
        out.push_str(&format!("{} {{ {body} }}\n", drawn.join(", ")));
    }
    out
}

/// Whether a selector is of something that stands in a drawing.
fn is_drawn(selector: &&str) -> bool {
    let number = |letter: &str| {
        let rest = selector.strip_prefix(letter);
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let element = ["line", "path", "rect", "circle"].iter().any(|element| {
        let rest = selector.strip_prefix(element);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let plain = !selector.contains([':', '[', '>']);
    plain
        && (element
            || number(".f")
            || number(".k")
            || *selector == ".dots"
            || selector.starts_with(".plot "))
}

/// Selectors and bodies of a stylesheet, without comments and what stands under conditions.
fn rules(css: &str) -> Vec<(&str, &str)> {
    let mut rules = Vec::new();
    let mut rest = css;
    while let Some(open) = rest.find('{') {
        let head = rest[..open].rsplit("*/").next().unwrap_or_default().trim();
        let body = &rest[open + 1..];
        let mut depth = 1;
        let end = body.find(|c| {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        let end = end.unwrap_or(body.len());
        if !head.starts_with('@') {
            rules.push((head, &body[..end]));
        }
        rest = body.get(end + 1..).unwrap_or_default();
    }
    rules
}

/// The first of the two colours of each `light-dark`.
fn light(body: &str) -> String {
    const PAIR: &str = "light-dark(";
    let mut out = String::new();
    let mut rest = body;
    while let Some(start) = rest.find(PAIR) {
        out.push_str(&rest[..start]);
        let inner = &rest[start + PAIR.len()..];
        let mut depth = 0;
        let end = |stop: char, depth: &mut i32, text: &str| {
            text.find(|c| {
                let found = *depth == 0 && c == stop;
                *depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                found
            })
        };
        let comma = end(',', &mut depth, inner).unwrap_or(inner.len());
        out.push_str(&inner[..comma]);
        depth = 0;
        let close = end(')', &mut depth, inner).map_or(inner.len(), |close| close + 1);
        rest = &inner[close..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_hold_light_colours_of_drawings_alone() {
        let css = ":root { --ink: light-dark(#111, #eee); --shade: light-dark(rgb(1 2 3 / 4%), rgb(5 6 7 / 8%)); }\n\
                   p { margin: 0; }\n/* Charts */\n.plot { display: block; }\n.plot text, .legend { fill: var(--ink); }\n\
                   .f0 { fill: light-dark(#abc, #def); }\n.path { color: red; }\nline, path { stroke: var(--shade); }\n\
                   @media print { line { stroke: none; } }\n.plot[data-shown] .dots { opacity: 0; }\n.k7 { fill: var(--ground); }";
        let out = styles(css);
        let own = out.split_once('\n').unwrap().1;
        assert_eq!(
            own,
            ".plot text { fill: #111; }\n.f0 { fill: #abc; }\nline, path { stroke: rgb(1 2 3 / 4%); }\n.k7 { fill: var(--ground); }\n"
        );
        let out = styles(Style::CSS);
        assert!(!out.contains("var(") && !out.contains("light-dark") && !out.contains(".legend"));
        for class in [
            "rect.wa",
            "circle.speaker",
            ".k7",
            ".f9",
            "line.halo",
            "path.cells",
        ] {
            assert!(out.contains(&format!("{class} {{")), "{class} in {out}");
        }
        assert!(out.contains("line.halo { stroke: #ffffff;"));
    }

    #[test]
    fn a_file_has_its_title_legend_and_own_words() {
        let picture = Picture::new(
            "x",
            "Accuracy & UAR of all of these",
            "Two bars. The table below holds every value.",
            [120.0, 50.0],
        );
        let legend = [
            (Sample::Box("wa"), "accuracy".to_owned()),
            (Sample::Mark(1), "a < b".to_owned()),
        ];
        let text = file(&picture, &legend, "<line class=\"axis\"></line>");
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns="));
        assert!(text.contains("<title id=\"title\">Accuracy &amp; UAR of all of these</title>"));
        assert!(text.contains("<desc id=\"description\">Two bars.</desc>"));
        // Three lines of title of 21 pixels and a gap of 4, the drawing and a gap of 8, two rows of
        // legend, and a margin of 12 above and below.
        assert!(text.contains("<g transform=\"translate(0 67)\"><line class=\"axis\"></line></g>"));
        assert!(text.contains("viewBox=\"-12 -12 144 191\""), "{text}");
        assert!(text.contains(">a &lt; b</text>") && text.contains("class=\"dots k1\""));
        assert_eq!(lines("ab cd efghijkl", 5), ["ab cd", "efgh…"]);
    }
}
