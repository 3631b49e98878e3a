//! The pages: each is listed, and every link leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::docs::{pages, repository};

/// The text outside of blocks of code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let prose = text.split("\n```").step_by(2);
    prose.collect::<Vec<_>>().join("\n")
}

/// The anchor that GitHub and mdBook give a heading.
pub fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| anchor(line.trim_start_matches('#')));
    // Places that a page names itself.
    let named = prose.split("<a id=\"").skip(1);
    headings
        .chain(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())))
        .collect()
}

/// Targets of the links of a page that lead to files here, as (path in the repository, anchor).
fn links(page: &Path) -> Vec<(PathBuf, String)> {
    // Continuous integration builds the site from the top, where the summary is moved.
    let folder = if page.ends_with("docs/SUMMARY.md") {
        repository()
    } else {
        page.parent().unwrap()
    };
    let prose = prose(page);
    let targets = prose.split("](").skip(1).map(|rest| {
        let target = rest.split(')').next().unwrap();
        target.split_once('#').unwrap_or((target, ""))
    });
    targets
        .filter(|(path, _)| !path.contains("://"))
        .map(|(path, anchor)| {
            let mut whole = folder.join(path);
            if path.is_empty() {
                whole = page.to_owned();
            }
            let mut plain = PathBuf::new();
            for part in whole.components() {
                if part == Component::ParentDir {
                    plain.pop();
                } else if part != Component::CurDir {
                    plain.push(part);
                }
            }
            (plain, anchor.to_owned())
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut n = 0;
    for page in pages() {
        for (path, anchor) in links(&page) {
            let at = format!("{}: {}#{anchor}", page.display(), path.display());
            assert!(path.exists(), "{at}: there is no such file");
            assert!(
                anchor.is_empty() || anchors(&path).contains(&anchor),
                "{at}: there is no such heading"
            );
            n += 1;
        }
    }
    assert!(n > 200, "{n} links");
    assert_eq!(
        anchor(" The corpus's `own` parts, v2"),
        "the-corpuss-own-parts-v2"
    );
}

#[test]
fn every_page_is_listed_for_readers_and_for_the_site() {
    for list in ["docs/README.md", "docs/SUMMARY.md"] {
        let list = repository().join(list);
        let listed: BTreeSet<PathBuf> = links(&list).into_iter().map(|(path, _)| path).collect();
        for page in pages() {
            assert!(
                listed.contains(&page)
                    || page.ends_with("docs/README.md")
                    || page.ends_with("docs/SUMMARY.md"),
                "{} does not list {}",
                list.display(),
                page.display()
            );
        }
    }
}
