use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use sha2::Digest;

use super::*;
use crate::files::hex;

/// A hub that answers as many requests as it is told, each with what stands under its path, at most
/// `most` bytes of it; its thread returns the paths with the ranges that were asked for.
fn hub(
    files: &BTreeMap<String, Vec<u8>>,
    answers: Vec<Option<usize>>,
) -> (String, JoinHandle<Vec<(String, usize)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let files = files.clone();
    let thread = std::thread::spawn(move || {
        let answer = |most: Option<usize>| {
            let (mut stream, _) = listener.accept().unwrap();
            let lines: Vec<String> = BufReader::new(&stream)
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let path = lines[0].split(' ').nth(1).unwrap().to_owned();
            let range = lines.iter().find_map(|line| {
                let line = line.to_lowercase();
                line.strip_prefix("range: bytes=")?
                    .trim_end_matches('-')
                    .parse()
                    .ok()
            });
            let from: usize = range.unwrap_or(0);
            let (status, body) = match files.get(&path) {
                Some(content) if range.is_some() => ("206 Partial Content", &content[from..]),
                Some(content) => ("200 OK", content.as_slice()),
                None => ("404 Not Found", b"".as_slice()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {from}-\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let sent = &body[..most.unwrap_or(body.len()).min(body.len())];
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(sent));
            (path, from)
        };
        answers.into_iter().map(answer).collect()
    });
    (endpoint, thread)
}

fn weights() -> Vec<u8> {
    (0..200_000_u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn known() -> Known {
    let file = |name: &str, content: Option<&[u8]>| KnownFile {
        name: name.to_owned(),
        bytes: content.map(|content| content.len() as u64),
        sha256: content.map(sha256),
    };
    Known {
        hub: "some/body".to_owned(),
        revision: Some("0123".to_owned()),
        files: vec![
            file("README.md", None),
            file("config.json", Some(b"{}")),
            file("model.safetensors", Some(&weights())),
        ],
        ..super::super::known::known()[0].clone()
    }
}

fn content() -> BTreeMap<String, Vec<u8>> {
    let files = [
        ("README.md", b"# A model".to_vec()),
        ("config.json", b"{}".to_vec()),
        ("model.safetensors", weights()),
    ];
    let path = |name: &str| format!("/some/body/resolve/0123/{name}");
    files.map(|(name, content)| (path(name), content)).into()
}

fn go(known: &Known, endpoint: &str, into: &Path) -> Result<Vec<Fetched>> {
    fetch(known, endpoint, into, &Cancel::default(), &|_, _, _| {})
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_encoder_appears_as_a_whole() {
    let root = tempfile::tempdir().unwrap();
    let into = root.path().join("encoders/one");
    let (endpoint, server) = hub(&content(), vec![None, None, None]);
    let fetched = go(&known(), &endpoint, &into).unwrap();
    let sums: Vec<Sum> = fetched.iter().map(|file| file.sum).collect();
    assert_eq!(sums, [Sum::NotVerified, Sum::AsPublished, Sum::AsPublished]);
    assert_eq!(
        fetched[0].sha256,
        sha256(b"# A model"),
        "computed where none is known"
    );
    assert_eq!(
        names(&into),
        ["README.md", "config.json", "model.safetensors"]
    );
    assert_eq!(names(&root.path().join("encoders")), ["one"]);
    assert_eq!(fs::read(into.join("model.safetensors")).unwrap(), weights());
    server.join().unwrap();
    // Nobody listens any more: what is there is checked and stays.
    assert_eq!(go(&known(), &endpoint, &into).unwrap(), fetched);
}

#[test]
fn a_transfer_goes_on_after_a_cut_in_the_same_run_and_in_the_next() {
    let root = tempfile::tempdir().unwrap();
    let into = root.path().join("one");
    let (endpoint, server) = hub(&content(), vec![None, None, Some(300_000), Some(0)]);
    let error = go(&known(), &endpoint, &into).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    let hint = error.hint_text().unwrap();
    for words in [
        "model.safetensors (800000 bytes)",
        &sha256(&weights()),
        "/some/body/resolve/0123/README.md",
        &into.display().to_string(),
    ] {
        assert!(hint.contains(words), "{words} is not in {hint}");
    }
    assert_eq!(
        names(root.path()),
        ["one.part"],
        "nothing has its name before it is whole"
    );
    let asked = server.join().unwrap();
    assert!(asked[3].1 > 0, "{asked:?}");
    let (endpoint, server) = hub(&content(), vec![None]);
    go(&known(), &endpoint, &into).unwrap();
    let asked = server.join().unwrap();
    assert!(
        asked[0].0.ends_with("/model.safetensors") && asked[0].1 > 0,
        "{asked:?}"
    );
    assert_eq!(names(root.path()), ["one"]);
    assert_eq!(fs::read(into.join("model.safetensors")).unwrap(), weights());
}

#[test]
fn a_wrong_file_is_not_kept() {
    let root = tempfile::tempdir().unwrap();
    let into = root.path().join("one");
    let mut wrong = content();
    wrong.values_mut().for_each(|content| content[0] ^= 1);
    let (endpoint, server) = hub(&wrong, vec![None, None]);
    let error = go(&known(), &endpoint, &into).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.to_string().contains("SHA-256"), "{error}");
    assert_eq!(names(&root.path().join("one.part")), ["README.md"]);
    server.join().unwrap();
    // What the hub does not have.
    let (endpoint, server) = hub(&BTreeMap::new(), vec![None]);
    let error = go(&known(), &endpoint, &root.path().join("two")).unwrap_err();
    assert!(
        error.kind() == Kind::Network && error.to_string().contains("404"),
        "{error}"
    );
    server.join().unwrap();
    assert_eq!(
        names(root.path()),
        ["one.part"],
        "nothing stays of what never came"
    );
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let into = root.path().join("one");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("config.json"), "{\"own\": 1}").unwrap();
    fs::write(into.join("notes.txt"), "own").unwrap();
    let error = go(&known(), "http://127.0.0.1:9", &into).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    assert!(
        error
            .to_string()
            .contains("config.json is not the file that was published")
    );
    assert_eq!(
        fs::read_to_string(into.join("config.json")).unwrap(),
        "{\"own\": 1}"
    );
    // A folder that lacks some is completed.
    fs::write(into.join("config.json"), "{}").unwrap();
    let (endpoint, server) = hub(&content(), vec![None, None]);
    go(&known(), &endpoint, &into).unwrap();
    server.join().unwrap();
    let all = ["README.md", "config.json", "model.safetensors", "notes.txt"];
    assert_eq!(names(&into), all);
}

#[test]
fn what_cannot_be_read_is_not_fetched() {
    let root = tempfile::tempdir().unwrap();
    let other = Known::find("emotion2vec").unwrap();
    let error = go(other, "http://127.0.0.1:9", &root.path().join("x")).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    assert!(names(root.path()).is_empty());
}
