//! `serve`: the reports of this machine for a browser elsewhere, through a tunnel. It listens on the
//! loopback address alone, answers only those who know the token of the address that it prints, and
//! reads files below the folder of the reports and no others.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::args::{Args, Open};
use super::open::page_of;
use super::{print, say, system};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::escape::url_path;

/// Between two looks for a stop.
const PAUSE: Duration = Duration::from_millis(50);
/// A client that says nothing for so long is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients at a time; a browser opens about six connections.
const MOST_CLIENTS: usize = 32;
/// Bytes of a request.
const MOST_REQUEST: usize = 16 << 10;

/// Which report, and where it can be reached.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Which report.
    #[command(flatten)]
    pub place: Open,
    /// Port of the loopback address; 0 for any that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
}

/// Serves until a stop is asked for.
pub fn serve(serve: &Serve, args: &Args, cancel: &Cancel) -> Result<()> {
    let page = page_of(&serve.place)?;
    let root = &serve.place.reports_dir;
    let real = root
        .canonicalize()
        .map_err(|e| Error::io("find", root, e))?;
    let below = page.strip_prefix(root).unwrap_or(&page);
    let what = format!("127.0.0.1:{}", serve.port);
    let refused = |e| {
        Error::io("listen on", Path::new(&what), e)
            .hint("another program may have this port: --port names another one")
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, serve.port)).map_err(refused)?;
    let refused = |e| Error::io("listen on", Path::new(&what), e);
    listener.set_nonblocking(true).map_err(refused)?;
    let port = listener.local_addr().map_err(refused)?.port();
    let token = format!("{:032x}", rand::random::<u128>());
    let url = format!(
        "http://127.0.0.1:{port}/{token}/{}",
        url_path(&below.to_string_lossy())
    );
    match args.global.json {
        true => print(&serde_json::json!({ "url": url, "port": port }).to_string())?,
        false => {
            print(&url)?;
            say(&format!(
                "from another machine: ssh -N -L {port}:127.0.0.1:{port} {}, then open the address there; ctrl-C ends it",
                system::host()
            ));
        }
    }
    let site = Arc::new(Site { root: real, token });
    let clients = Arc::new(AtomicUsize::new(0));
    while !cancel.requested() {
        match listener.accept() {
            Ok((client, _)) if clients.load(Ordering::Relaxed) < MOST_CLIENTS => {
                let (site, clients) = (Arc::clone(&site), Arc::clone(&clients));
                clients.fetch_add(1, Ordering::Relaxed);
                let served = Arc::clone(&clients);
                let thread = std::thread::Builder::new().spawn(move || {
                    // A client that went away needs no answer.
                    let _ = site.answer(client);
                    served.fetch_sub(1, Ordering::Relaxed);
                });
                if thread.is_err() {
                    clients.fetch_sub(1, Ordering::Relaxed);
                    std::thread::sleep(PAUSE);
                }
            }
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // Nobody is there, or a client went away, or there are too many open files for now.
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
    Ok(())
}

/// What is served, and to whom.
struct Site {
    root: PathBuf,
    token: String,
}

impl Site {
    fn answer(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_nonblocking(false)?;
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        let Some(request) = request(&mut client)? else {
            return head(&mut client, "400 Bad Request", "text/plain", 0);
        };
        let mut words = request.split(' ');
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        if !["GET", "HEAD"].contains(&method) {
            return head(&mut client, "405 Method Not Allowed", "text/plain", 0);
        }
        if let Some(there) = self.with_slash(target) {
            let answer = format!(
                "HTTP/1.1 301 Moved Permanently\r\nLocation: {there}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return client.write_all(answer.as_bytes());
        }
        let found = self.find(target).and_then(|path| {
            let file = File::open(&path).ok()?;
            let length = file.metadata().ok().filter(|about| about.is_file())?.len();
            Some((path, file, length))
        });
        let Some((path, file, length)) = found else {
            return head(&mut client, "404 Not Found", "text/plain", 0);
        };
        head(&mut client, "200 OK", kind(&path), length)?;
        if method == "GET" {
            std::io::copy(&mut file.take(length), &mut client)?;
        }
        client.flush()
    }

    /// The file of an address; none without the token, nor for anything that is hidden or lies
    /// elsewhere, links followed.
    fn find(&self, target: &str) -> Option<PathBuf> {
        let mut found = self.below(self.asked(target)?.1)?;
        if found.is_dir() {
            found = found.join("index.html").canonicalize().ok()?;
        }
        self.is_shown(&found).then_some(found)
    }

    /// An address without its query, and what of it comes after the token; none with another token.
    fn asked<'t>(&self, target: &'t str) -> Option<(&'t str, &'t str)> {
        let address = target.split(['?', '#']).next()?;
        let (token, path) = address.strip_prefix('/')?.split_once('/')?;
        // Hashes are compared in constant time.
        let is_ours = blake3::hash(token.as_bytes()) == blake3::hash(self.token.as_bytes());
        is_ours.then_some((address, path))
    }

    /// The address of a folder with the slash that its pages' links need, where it lacks that.
    fn with_slash(&self, target: &str) -> Option<String> {
        let (address, path) = self.asked(target)?;
        let lacks = !path.is_empty() && !path.ends_with('/');
        let folder = lacks.then(|| self.below(path)).flatten()?;
        (folder.is_dir() && self.is_shown(&folder)).then(|| format!("{address}/"))
    }

    /// Whether a file lies below the root, links followed, and no part of its path is hidden.
    fn is_shown(&self, found: &Path) -> bool {
        let below = found.strip_prefix(&self.root);
        below.is_ok_and(|path| {
            path.components()
                .all(|part| !part.as_os_str().to_string_lossy().starts_with('.'))
        })
    }

    fn below(&self, path: &str) -> Option<PathBuf> {
        let path = PathBuf::from(decoded(path)?);
        let is_plain = |part: Component| match part {
            Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
            _ => false,
        };
        if !path.components().all(is_plain) {
            return None;
        }
        self.root.join(path).canonicalize().ok()
    }
}

/// The first line of a request, once its head is whole; `None` where it is too long or no text.
fn request(client: &mut TcpStream) -> std::io::Result<Option<String>> {
    let (mut bytes, mut block) = (Vec::new(), [0; 1024]);
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = client.read(&mut block)?;
        bytes.extend_from_slice(&block[..n]);
        if n == 0 || bytes.len() > MOST_REQUEST {
            return Ok(None);
        }
    }
    let text = String::from_utf8(bytes).ok();
    Ok(text.and_then(|text| text.lines().next().map(str::to_owned)))
}

/// The head of an answer. The address holds the token, which no link hands on.
fn head(client: &mut TcpStream, status: &str, kind: &str, length: u64) -> std::io::Result<()> {
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    );
    client.write_all(text.as_bytes())
}

fn kind(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match extension.as_ref() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "md" | "tex" | "bib" | "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A part of an address as text; `None` where it is none.
fn decoded(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                out.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, _) => out.push(*byte),
        }
    }
    String::from_utf8(out)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_files_below_the_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("reports");
        std::fs::create_dir_all(root.join("de mo")).unwrap();
        for file in ["index.html", "de mo/index.html", ".hidden", "../secret"] {
            std::fs::write(root.join(file), file).unwrap();
        }
        #[cfg(unix)]
        for (to, link) in [("../secret", "link"), (".hidden", "shown")] {
            std::os::unix::fs::symlink(root.join(to), root.join(link)).unwrap();
        }
        let site = Site {
            root: root.clone(),
            token: "abc".into(),
        };
        assert_eq!(site.find("/abc/"), Some(root.join("index.html")));
        assert_eq!(
            site.find("/abc/de%20mo/?x"),
            Some(root.join("de mo/index.html"))
        );
        assert_eq!(
            site.with_slash("/abc/de%20mo?x").as_deref(),
            Some("/abc/de%20mo/")
        );
        for other in [
            "/abc/",
            "/abc/de%20mo/",
            "/abc/index.html",
            "/abd/de%20mo",
            "/abc/..",
        ] {
            assert_eq!(site.with_slash(other), None, "{other}");
        }
        for refused in [
            "/",
            "/abc",
            "/abd/index.html",
            "//index.html",
            "/abc/../secret",
            "/abc/%2e%2e/secret",
            "/abc/..%2Fsecret",
            "/abc//etc/passwd",
            "/abc/%2Fetc/passwd",
            "/abc/.hidden",
            "/abc/link",
            "/abc/shown",
            "/abc/none",
            "/abc/%zz",
            "/abc/%",
            "/abc/a%00",
            "abc/index.html",
        ] {
            assert_eq!(site.find(refused), None, "{refused}");
        }
        let name = "ä b@c/d%.html";
        assert_eq!(decoded(&url_path(name)).as_deref(), Some(name));
    }
}
