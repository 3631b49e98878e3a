//! Markup that cannot carry unescaped data: literal markup is `&'static str`, everything else is
//! escaped on its way in. At the end the stylesheet and the script that every page carries.

use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::escape::{reorders, url_path};
pub use crate::text::{decimals, percent, shorten};

use super::figure::{FIGURES, Figure};

/// A growing piece of HTML or SVG.
#[derive(Debug, Default)]
pub struct Html {
    markup: String,
    headings: Vec<(String, String)>,
    figures: Option<Figures>,
}

/// Pictures that become files.
#[derive(Debug)]
struct Figures {
    /// Their folder below that of all figures; empty where there is none.
    folder: String,
    done: Vec<Figure>,
}

/// Attributes of an element; names are literals, values are escaped.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    /// Nothing yet.
    pub fn new() -> Self {
        Html::default()
    }

    /// Nothing yet; pictures become files as well, in `folder` below that of all figures.
    pub(super) fn with_figures(folder: &str) -> Html {
        Html {
            figures: Some(Figures {
                folder: folder.to_owned(),
                done: vec![],
            }),
            ..Html::default()
        }
    }

    /// What another piece of HTML held.
    pub(super) fn of_markup(markup: &str) -> Html {
        Html {
            markup: markup.to_owned(),
            ..Html::default()
        }
    }

    /// Keeps a picture as a file and writes a link to it, where pictures become files.
    pub(super) fn figure(&mut self, id: &str, title: &str, svg: impl FnOnce() -> String) {
        let Some(figures) = &mut self.figures else {
            return;
        };
        // On the page of an experiment all identifiers begin with this.
        let name = id.trim_start_matches("x-");
        let parts = [FIGURES, &figures.folder, &format!("{name}.svg")];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let path = parts.join("/");
        // A folder of downloads is flat.
        let saved = parts[1..].join("-");
        let svg = svg();
        let link = html! {
            p.take { a href=(path) download=(saved) aria-label={ "SVG: " (title) } { "SVG" } }
        };
        figures.done.push(Figure { path, svg });
        self.put(link);
    }

    /// Literal markup of this program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.markup.push_str(markup);
        self
    }

    /// Text from anywhere, escaped.
    pub fn text(&mut self, text: impl AsRef<str>) -> &mut Self {
        escape_into(&mut self.markup, text.as_ref(), false);
        self
    }

    /// Markup of a template, whose values are escaped.
    pub fn put(&mut self, markup: Markup) -> &mut Self {
        self.markup.extend(markup.0.chars().map(visible));
        self
    }

    /// A start tag.
    pub fn open(&mut self, tag: &'static str, attributes: Attributes) -> &mut Self {
        self.markup.push('<');
        self.markup.push_str(tag);
        for (name, value) in attributes {
            self.markup.push(' ');
            self.markup.push_str(name);
            self.markup.push_str("=\"");
            escape_into(&mut self.markup, value, true);
            self.markup.push('"');
        }
        self.markup.push('>');
        self
    }

    /// An end tag.
    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        self.markup.push_str("</");
        self.markup.push_str(tag);
        self.markup.push('>');
        self
    }

    /// An element that holds text only.
    pub fn el(
        &mut self,
        tag: &'static str,
        attributes: Attributes,
        text: impl AsRef<str>,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// An element whose content `fill` writes.
    pub fn within(
        &mut self,
        tag: &'static str,
        attributes: Attributes,
        fill: impl FnOnce(&mut Html),
    ) -> &mut Self {
        self.open(tag, attributes);
        fill(self);
        self.close(tag)
    }

    /// The heading of a part of the page, to which the page's navigation leads.
    pub fn part(&mut self, id: &str, title: &str) -> &mut Self {
        self.headings.push((id.to_owned(), title.to_owned()));
        self.line_break().el("h2", &[("id", id)], title)
    }

    /// Identifiers and titles of the parts so far.
    pub fn parts(&self) -> &[(String, String)] {
        &self.headings
    }

    /// What was written elsewhere.
    pub fn append(&mut self, other: Html) -> &mut Self {
        self.markup.push_str(&other.markup);
        self.headings.extend(other.headings);
        if let (Some(figures), Some(others)) = (&mut self.figures, other.figures) {
            figures.done.extend(others.done);
        }
        self
    }

    /// A line break in the source, which changes nothing that is seen.
    pub fn line_break(&mut self) -> &mut Self {
        self.markup.push('\n');
        self
    }

    /// The markup.
    pub fn into_string(self) -> String {
        self.markup
    }
}

/// What `fill` writes, for a template.
pub fn markup(fill: impl FnOnce(&mut Html)) -> Markup {
    let mut h = Html::new();
    fill(&mut h);
    PreEscaped(h.into_string())
}

/// Control characters that HTML forbids, and those that turn the text around them, become U+FFFD.
fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        c if c.is_control() || reorders(c) => '\u{fffd}',
        c => c,
    }
}

/// Escapes for text and for double-quoted attributes.
fn escape_into(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' | '\r' if attribute => {
                out.push_str(match c {
                    '\n' => "&#10;",
                    '\t' => "&#9;",
                    _ => "&#13;",
                });
            }
            c => out.push(visible(c)),
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    title: &'a str,
    numeric: bool,
}

/// A column of words.
pub fn words(title: &str) -> Column<'_> {
    Column {
        title,
        numeric: false,
    }
}

/// A column of numbers, aligned to the right.
pub fn numbers(title: &str) -> Column<'_> {
    Column {
        title,
        numeric: true,
    }
}

/// A table in its own scrolling frame.
#[derive(Debug)]
pub struct Table {
    id: String,
    caption: String,
    class: &'static str,
    sortable: bool,
}

impl Table {
    /// With an identifier that is unique in the page, a caption that says what it holds, and the
    /// classes of its element; headers become sort buttons where there is script.
    pub fn new(id: impl Into<String>, caption: impl Into<String>, class: &'static str) -> Self {
        Table {
            id: id.into(),
            caption: caption.into(),
            class,
            sortable: true,
        }
    }

    /// With rows that keep their order.
    pub fn unsorted(self) -> Self {
        Table {
            sortable: false,
            ..self
        }
    }

    /// Writes the table, whose rows `rows` writes.
    pub fn write(self, h: &mut Html, columns: &[Column], rows: impl FnOnce(&mut Html)) {
        h.put(self.markup(columns, markup(rows)));
    }

    /// The table with the rows of its body.
    pub fn markup(self, columns: &[Column], rows: Markup) -> Markup {
        self.frame(columns, html! { tbody { (rows) } })
    }

    /// The table with everything after the header row.
    pub fn frame(self, columns: &[Column], bodies: Markup) -> Markup {
        let caption_id = format!("{}-caption", self.id);
        let sortable = if self.sortable { "yes" } else { "no" };
        html! {
            "\n"
            div.scroll tabindex="0" role="group" aria-labelledby=(caption_id) {
                table id=(self.id) class=(self.class) data-sortable=(sortable) {
                    caption id=(caption_id) { span { (self.caption) } }
                    thead {
                        tr {
                            @for column in columns {
                                th scope="col" class=(if column.numeric { "n" } else { "w" }) {
                                    (column.title)
                                }
                            }
                        }
                    }
                    (bodies)
                }
            }
        }
    }
}

/// A cell of words.
pub fn cell(h: &mut Html, text: impl AsRef<str>) {
    h.el("td", &[("class", "w")], text);
}

/// A cell of a number that is shown rounded and sorted by its full value.
pub fn number(h: &mut Html, shown: impl AsRef<str>, value: f64) {
    h.el(
        "td",
        &[("class", "n"), ("data-v", &value.to_string())],
        shown,
    );
}

/// As [`number`], for a template.
pub(super) fn number_cell(shown: impl AsRef<str>, value: f64) -> Markup {
    html! { td.n data-v=(value) { (shown.as_ref()) } }
}

/// A row header.
pub fn row_head(h: &mut Html, text: impl AsRef<str>) {
    h.el("th", &[("scope", "row")], text);
}

/// A signed distance in percentage points.
pub(super) fn points(difference: f64) -> String {
    let text = decimals(difference * 100.0, 1);
    if difference.is_finite() && !text.starts_with('\u{2212}') && text != "0.0" {
        format!("+{text}")
    } else {
        text
    }
}

/// A p value: four decimals, or where it is small two digits and the power of ten, `3.1e-09`.
pub fn p_value(p: f64) -> String {
    if p >= 0.001 {
        return format!("{p:.4}");
    }
    let text = format!("{p:.1e}");
    match text.split_once("e-") {
        Some((digits, power)) => format!("{digits}e-{power:0>2}"),
        // Smaller than any number.
        None => "< 1e-300".to_owned(),
    }
}

/// A count with thin groups of three digits.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// `1 utterance`, `12 345 utterances`, with the groups of [`count`].
pub fn plural(n: usize, one: &str) -> String {
    format!("{} {}", count(n), crate::text::noun(n, one))
}

/// Seconds as people say them.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "–".to_owned();
    }
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

/// A link to a file under a folder, both relative to the page, whatever they are called.
pub(super) fn relative_link(folder: &str, path: &str) -> String {
    format!("./{}/{}", url_path(folder), url_path(path))
}

/// Whether a file is a page that [`page`] made, of this version or an earlier one.
pub fn is_written_by_ser(bytes: &[u8]) -> bool {
    const GENERATOR: &[u8] = b"<meta name=\"generator\" content=\"ser\">";
    bytes
        .windows(GENERATOR.len())
        .any(|window| window == GENERATOR)
}

/// A whole page: one file that asks for nothing from anywhere.
pub fn page(title: &str, body: impl FnOnce(&mut Html)) -> String {
    whole(Html::new(), title, body).into_string()
}

/// As [`page`], with its pictures as files.
pub(super) fn page_with_figures(
    folder: &str,
    title: &str,
    body: impl FnOnce(&mut Html),
) -> (String, Vec<Figure>) {
    let h = whole(Html::with_figures(folder), title, body);
    let figures = h.figures.map(|figures| figures.done);
    (h.markup, figures.unwrap_or_default())
}

fn whole(mut h: Html, title: &str, body: impl FnOnce(&mut Html)) -> Html {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src '{}'; img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'",
        Style::script_hash()
    );
    h.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    h.open(
        "meta",
        &[
            ("http-equiv", "Content-Security-Policy"),
            ("content", &policy),
        ],
    );
    h.raw("\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" content=\"ser\">\n");
    h.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n");
    h.el("title", &[], title);
    h.raw("\n<style>\n")
        .raw(Style::CSS)
        .raw("</style>\n<script>")
        .raw(Style::SCRIPT)
        .raw("</script>\n</head>\n<body>\n");
    h.raw("<a class=\"skip\" href=\"#main\">Skip to the results</a>\n");
    body(&mut h);
    h.raw("\n</body>\n</html>\n");
    h
}

/// The stylesheet and the script, compiled in.
pub(super) struct Style;

impl Style {
    pub(super) const CSS: &'static str = include_str!("style.css");
    pub(super) const SCRIPT: &'static str = include_str!("script.js");

    /// `sha256-…` of the script, by which the content security policy admits it and nothing else.
    pub(super) fn script_hash() -> String {
        format!(
            "sha256-{}",
            base64(&Sha256::digest(Self::SCRIPT.as_bytes()))
        )
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, &byte)| {
            word | u32::from(byte) << (16 - 8 * i)
        });
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut h = Html::new();
        h.el(
            "p",
            &[("title", "a\"b'c\nd<e>&\u{0}")],
            "</p><script>alert('x')</script>&\u{7}\n",
        );
        assert_eq!(
            h.into_string(),
            "<p title=\"a&quot;b&#39;c&#10;d&lt;e&gt;&amp;\u{fffd}\">&lt;/p&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\u{fffd}\n</p>"
        );
    }

    #[test]
    fn numbers_are_rounded_and_signed_as_people_write_them() {
        assert_eq!(
            [0.043_21, 1.0, 0.001, 3.14e-9, 1.23e-5, 2.5e-120].map(p_value),
            [
                "0.0432", "1.0000", "0.0010", "3.1e-09", "1.2e-05", "2.5e-120"
            ]
        );
        assert_eq!(p_value(0.0), "< 1e-300");
        assert_eq!(percent(0.716_12), "71.6");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(points(-0.009_8), "\u{2212}1.0");
        assert_eq!(points(0.012), "+1.2");
        assert_eq!(points(-0.000_000_1), "0.0");
        assert_eq!(count(1440), "1440");
        assert_eq!(count(15_840), "15\u{202f}840");
        assert_eq!(plural(1, "class"), "1 class");
        assert_eq!(plural(8, "class"), "8 classes");
        assert_eq!(shorten("abcdef", 4), "abc…");
    }

    #[test]
    fn the_page_allows_no_script_but_its_own_and_no_request() {
        let page = page("a <b>", |_| {});
        assert!(page.contains("default-src &#39;none&#39;"));
        assert!(page.contains("script-src &#39;sha256-"));
        assert!(page.contains("<title>a &lt;b&gt;</title>"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }

    #[test]
    fn base64_matches_the_test_vectors_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_assets_cannot_end_their_element_early_and_ask_for_nothing() {
        for asset in [Style::CSS, Style::SCRIPT] {
            assert!(!asset.contains("</"));
            assert!(
                !asset.contains("http") && !asset.contains("url(") && !asset.contains("@import")
            );
        }
    }
}
