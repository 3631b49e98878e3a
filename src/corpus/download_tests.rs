use std::cell::RefCell;
use std::io::{BufRead, BufReader, Cursor};
use std::net::TcpListener;
use std::thread::JoinHandle;

use md5::Digest;

use super::*;
use crate::files::hex;

/// How the server treats one request.
enum Mode {
    /// As asked, with or without a range.
    Proper,
    /// As asked, but the connection ends after so many bytes of the body.
    Cut(usize),
    /// Always the whole file.
    WithoutRanges,
    /// Partial content from another place than asked for.
    WrongRange,
    /// 416.
    Unsatisfiable,
    /// 404.
    NotFound,
    /// 302, to the same server.
    Redirect,
    /// As asked, without saying how much will come.
    WithoutLength,
}

/// A server for as many requests as there are modes; its thread returns the Range header of each.
fn serve(content: &[u8], modes: Vec<Mode>) -> (String, JoinHandle<Vec<Option<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.zip?download=1", listener.local_addr().unwrap());
    let content = content.to_vec();
    let thread = std::thread::spawn(move || {
        let answer = |mode| {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream)
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty());
            let range = lines
                .filter_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("range: bytes=")
                        .map(str::to_owned)
                })
                .last();
            let from: Option<usize> = range
                .as_ref()
                .map(|r| r.trim_end_matches('-').parse().unwrap());
            let (status, from) = match (&mode, from) {
                (Mode::NotFound, _) => ("404 Not Found", content.len()),
                (Mode::Redirect, _) => ("302 Found", content.len()),
                (Mode::Unsatisfiable, _) => ("416 Range Not Satisfiable", content.len()),
                (Mode::WithoutRanges, _) | (_, None) => ("200 OK", 0),
                (Mode::WrongRange, Some(_)) => ("206 Partial Content", 1),
                (_, Some(from)) => ("206 Partial Content", from),
            };
            let body = &content[from..];
            let place = format!(
                "Content-Range: bytes {from}-{}/{}\r\n",
                content.len() - 1,
                content.len()
            );
            let place = match &mode {
                Mode::Redirect => "Location: /elsewhere?signed=1\r\n".to_owned(),
                _ => place,
            };
            let length = match &mode {
                Mode::WithoutLength => String::new(),
                _ => format!("Content-Length: {}\r\n", body.len()),
            };
            let head = format!("HTTP/1.1 {status}\r\n{length}{place}Connection: close\r\n\r\n");
            let sent = if let Mode::Cut(n) = mode {
                &body[..n.min(body.len())]
            } else {
                body
            };
            // A client that has read enough closes the connection.
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(sent));
            range
        };
        modes.into_iter().map(answer).collect()
    });
    (url, thread)
}

fn content() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 16).to_le_bytes())
        .collect()
}

fn spec(url: &str, content: &[u8]) -> Download {
    Download {
        url: url.to_owned(),
        file_name: "a.zip".to_owned(),
        bytes: Some(content.len() as u64),
        checksum: Some(Checksum::Md5(hex(&Md5::digest(content)))),
    }
}

fn go(spec: &Download, dest: &Path) -> Result<PathBuf> {
    fetch(spec, dest, &Cancel::default(), &|_, _| {})
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_fetched_once() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("new/folder");
    let (url, server) = serve(&content, vec![Mode::Proper]);
    let spec = spec(&url, &content);
    let ticks = RefCell::new(Vec::new());
    let path = fetch(&spec, &dest, &Cancel::default(), &|done, total| {
        ticks.borrow_mut().push((done, total))
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), content);
    assert_eq!(names(&dest), ["a.zip"]);
    let total = Some(content.len() as u64);
    assert_eq!(ticks.borrow().first(), Some(&(0, total)));
    assert_eq!(ticks.borrow().last(), Some(&(content.len() as u64, total)));
    assert!(ticks.borrow().is_sorted());
    assert_eq!(server.join().unwrap(), [None]);
    // Nobody listens any more: what is there is used.
    assert_eq!(go(&spec, &dest).unwrap(), path);
}

#[test]
fn a_broken_transfer_is_continued() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(
        &content,
        vec![Mode::Cut(500_000), Mode::Cut(100_000), Mode::Proper],
    );
    let path = go(&spec(&url, &content), folder.path()).unwrap();
    assert_eq!(fs::read(path).unwrap(), content);
    let ranges = server.join().unwrap();
    assert_eq!(ranges[0], None);
    let second: usize = ranges[1]
        .as_ref()
        .unwrap()
        .trim_end_matches('-')
        .parse()
        .unwrap();
    let third: usize = ranges[2]
        .as_ref()
        .unwrap()
        .trim_end_matches('-')
        .parse()
        .unwrap();
    assert!(
        0 < second && second <= 500_000 && second < third && third <= second + 100_000,
        "{ranges:?}"
    );
}

#[test]
fn a_later_run_continues_what_an_earlier_one_left() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("a.zip.part");
    for (modes, ranges) in [
        (vec![Mode::Proper], vec![Some("700000-".to_owned())]),
        (vec![Mode::WithoutRanges], vec![Some("700000-".to_owned())]),
    ] {
        fs::write(&part, &content[..700_000]).unwrap();
        let (url, server) = serve(&content, modes);
        let path = go(&spec(&url, &content), folder.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(server.join().unwrap(), ranges);
        fs::remove_file(path).unwrap();
    }
    // Complete, but not yet renamed: nothing has to be fetched.
    fs::write(&part, &content).unwrap();
    go(&spec("http://127.0.0.1:9/", &content), folder.path()).unwrap();
    fs::remove_file(folder.path().join("a.zip")).unwrap();
    // Longer than the file: from the beginning.
    fs::write(&part, [content.as_slice(), b"more"].concat()).unwrap();
    let (url, server) = serve(&content, vec![Mode::Proper]);
    assert_eq!(
        fs::read(go(&spec(&url, &content), folder.path()).unwrap()).unwrap(),
        content
    );
    assert_eq!(server.join().unwrap(), [None]);
}

#[test]
fn a_server_that_loses_its_place_is_not_believed() {
    let content = content();
    for mode in [Mode::WrongRange, Mode::Unsatisfiable] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.zip.part"), &content[..1_000]).unwrap();
        let (url, server) = serve(&content, vec![mode]);
        let error = go(&spec(&url, &content), folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(names(folder.path()).is_empty(), "the next run begins anew");
        server.join().unwrap();
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_forgotten() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        Checksum::Md5("0".repeat(32)),
        Checksum::Sha256("0".repeat(64)),
    ];
    for checksum in wrong {
        let (url, server) = serve(&content, vec![Mode::Proper]);
        let name = checksum.name();
        let spec = Download {
            checksum: Some(checksum),
            ..spec(&url, &content)
        };
        let error = go(&spec, folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.to_string().contains(name), "{error}");
        assert!(names(folder.path()).is_empty());
        server.join().unwrap();
    }
    // The SHA-256 of "abc", from the standard.
    let (url, server) = serve(b"abc", vec![Mode::Proper]);
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let right = Download {
        checksum: Some(Checksum::Sha256(sum.to_owned())),
        ..spec(&url, b"abc")
    };
    go(&right, folder.path()).unwrap();
    server.join().unwrap();
}

#[test]
fn a_redirect_is_followed_from_where_the_transfer_stopped() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let modes = vec![
        Mode::Redirect,
        Mode::Cut(500_000),
        Mode::Redirect,
        Mode::Proper,
    ];
    let (url, server) = serve(&content, modes);
    let path = go(&spec(&url, &content), folder.path()).unwrap();
    assert_eq!(fs::read(path).unwrap(), content);
    let ranges = server.join().unwrap();
    assert!(ranges[0].is_none() && ranges[1].is_none());
    assert!(ranges[2].is_some() && ranges[2] == ranges[3], "{ranges:?}");
}

#[test]
fn a_file_of_unknown_size_is_fetched_as_far_as_the_server_says() {
    let content = content();
    let unknown = |url: &str| Download {
        bytes: None,
        checksum: None,
        ..spec(url, &content)
    };
    for modes in [
        vec![Mode::Proper],
        vec![Mode::Cut(300_000), Mode::Proper],
        vec![Mode::WithoutLength],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (url, server) = serve(&content, modes);
        let path = go(&unknown(&url), folder.path()).unwrap();
        assert_eq!(fs::read(path).unwrap(), content);
        assert_eq!(names(folder.path()), ["a.zip"]);
        server.join().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(&content, vec![Mode::Cut(300_000), Mode::NotFound]);
    let error = go(&unknown(&url), folder.path()).unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    assert_eq!(names(folder.path()), ["a.zip.part"]);
    server.join().unwrap();
}

#[test]
fn a_wrong_size_is_refused_before_anything_is_fetched() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(&content, vec![Mode::Proper]);
    let spec = Download {
        bytes: Some(7),
        ..spec(&url, &content)
    };
    let error = go(&spec, folder.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("offers 1200000 bytes instead of 7"),
        "{error}"
    );
    assert!(names(folder.path()).is_empty());
    drop(server);
}

#[test]
fn failures_say_what_to_do_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(b"x", vec![Mode::NotFound]);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (url, part) in [
        (url, "404"),
        (format!("http://{closed}/a.zip"), "no answer"),
    ] {
        let error = go(&spec(&url, b"x"), folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        assert!(
            error.to_string().contains(part) && error.to_string().contains(&url),
            "{error}"
        );
        let hint = error.hint_text().unwrap();
        for word in [
            url.as_str(),
            "a.zip (1 bytes)",
            &folder.path().display().to_string(),
        ] {
            assert!(hint.contains(word), "{hint}");
        }
    }
    server.join().unwrap();
}

#[test]
fn a_file_put_there_by_hand_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec("http://127.0.0.1:9/", b"right");
    let path = folder.path().join("a.zip");
    fs::write(&path, "right").unwrap();
    assert_eq!(go(&spec, folder.path()).unwrap(), path);
    for (wrong, word, name) in [
        ("wrong", "MD5", "a.zip.bad"),
        ("short of it", "11 bytes instead of 5", "a.zip.bad-2"),
    ] {
        fs::write(&path, wrong).unwrap();
        let error = go(&spec, folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().contains(word), "{error}");
        let bad = folder.path().join(name);
        assert!(
            error
                .to_string()
                .contains(&format!("renamed to {}", bad.display())),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(&bad).unwrap(),
            wrong,
            "nothing that a person put there is lost"
        );
        assert!(!path.exists(), "the next call fetches it");
    }
}

#[test]
fn a_stop_keeps_what_was_fetched() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    let (url, server) = serve(&content, vec![Mode::Proper]);
    let cancel = Cancel::default();
    let stop = |done, _| {
        if done > 200_000 {
            cancel.request();
        }
    };
    let error = fetch(&spec(&url, &content), folder.path(), &cancel, &stop).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    let kept = fs::read(folder.path().join("a.zip.part")).unwrap();
    assert!(kept.len() > 200_000 && kept == content[..kept.len()]);
    drop(server);
}

#[test]
fn corpora_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let get = |name| corpora(name, folder.path(), &Cancel::default(), &|_, _| {});
    let Ok(Obtained::ByHand(text)) = get("iemocap") else {
        panic!("iemocap cannot be fetched")
    };
    assert!(
        text.contains("sail.usc.edu/iemocap")
            && text.contains(&folder.path().join("iemocap").display().to_string())
    );
    assert_eq!(get("ravdes").unwrap_err().kind(), Kind::Usage);
    // An archive that a person put there, which is not the right one.
    fs::create_dir(folder.path().join("downloads")).unwrap();
    fs::write(folder.path().join("downloads/emodb.zip"), "PK").unwrap();
    assert_eq!(get("emodb").unwrap_err().kind(), Kind::Data);
    assert_eq!(names(&folder.path().join("downloads")), ["emodb.zip.bad"]);
}

/// An archive of these files.
fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_wrong_archive_is_set_aside_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, root) = (folder.path().join("emodb.zip"), folder.path().join("emodb"));
    fs::create_dir_all(root.join("wav")).unwrap();
    fs::write(root.join("wav/own.wav"), "own").unwrap();
    let files = originals("emodb").unwrap();
    let check = |folder: &Path| files.verify(folder, &Cancel::default());
    for bytes in [
        zip_of(&[("wav/03a01Fa.wav", b"RIFF")]),
        b"no zip".to_vec(),
        zip_of(&[("wav/CON.wav", b"x")]),
    ] {
        fs::write(&archive, &bytes).unwrap();
        let error = install(&archive, &root, &Cancel::default(), &check).unwrap_err();
        assert!(
            error.kind() == Kind::Data && error.to_string().contains("emodb.zip.bad"),
            "{error}"
        );
        assert_eq!(names(folder.path()), ["emodb", "emodb.zip.bad"]);
        assert_eq!(names(&root.join("wav")), ["own.wav"]);
        fs::write(&archive, &bytes).unwrap();
        assert!(
            install(&archive, &root, &Cancel::default(), &check)
                .unwrap_err()
                .to_string()
                .contains("emodb.zip.bad-2"),
            "none is replaced"
        );
        ["emodb.zip.bad", "emodb.zip.bad-2"]
            .iter()
            .for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
    }
    // A right one fills the gaps and leaves other files alone.
    fs::create_dir(
        folder
            .path()
            .join(format!("{}unpack-emodb-killed", crate::files::TEMPORARY)),
    )
    .unwrap();
    fs::write(
        &archive,
        zip_of(&[
            ("wav/a.wav", b"a"),
            ("wav/b/c.wav", b"c"),
            ("top.txt", b"t"),
        ]),
    )
    .unwrap();
    fs::write(root.join("wav/a.wav"), "older").unwrap();
    let error = install(&archive, &root, &Cancel::default(), &|_| Ok(())).unwrap_err();
    assert!(
        error.to_string().contains("a.wav is there already"),
        "{error}"
    );
    assert_eq!(
        names(&root.join("wav")),
        ["a.wav", "own.wav"],
        "nothing was put there"
    );
    fs::write(root.join("wav/a.wav"), "a").unwrap();
    install(&archive, &root, &Cancel::default(), &|_| Ok(())).unwrap();
    assert_eq!(names(&root.join("wav")), ["a.wav", "b", "own.wav"]);
    assert_eq!(
        names(folder.path()),
        ["emodb", "emodb.zip"],
        "no temporary folder stays"
    );
}

#[test]
fn a_stop_in_the_middle_of_a_check_keeps_the_archive() {
    let content = content();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.zip"), &content).unwrap();
    let cancel = Cancel::default();
    cancel.request();
    let error = fetch(
        &spec("http://127.0.0.1:9/", &content),
        folder.path(),
        &cancel,
        &|_, _| {},
    )
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(names(folder.path()), ["a.zip"]);
}
