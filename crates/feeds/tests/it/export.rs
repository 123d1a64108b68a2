//! A server with the layout of OSV's exports, on loopback, that can misbehave.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use egress::Url;

/// What the server does with a path.
#[derive(Clone, Default)]
pub(crate) struct Export {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: &'static str,
    /// Statuses to answer first, one for each request.
    pub(crate) failures: Vec<u16>,
    /// Send only this many bytes of the first body.
    pub(crate) cut: Option<usize>,
}

#[derive(Clone, Default)]
pub(crate) struct Server {
    exports: Arc<Mutex<BTreeMap<String, Export>>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start() -> (Self, Url) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/osv/", listener.local_addr().unwrap()).parse().unwrap();
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        (server, base)
    }

    pub(crate) fn put(&self, path: &str, export: Export) {
        self.exports.lock().unwrap().insert(path.to_owned(), export);
    }

    /// `PATH STATUS` for each request since the last call.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut path, mut condition) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim();
            if line.starts_with("GET ") {
                path = line.split(' ').nth(1).unwrap().to_owned();
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("if-none-match")
            {
                condition = value.trim().to_owned();
            } else if line.is_empty() {
                break;
            }
        }
        let (status, etag, body, cut) = {
            let mut exports = self.exports.lock().unwrap();
            match exports.get_mut(&path) {
                None => (404, "", Vec::new(), None),
                Some(export) if !export.failures.is_empty() => {
                    (export.failures.remove(0), "", Vec::new(), None)
                }
                Some(export) if !export.etag.is_empty() && condition == export.etag => {
                    (304, export.etag, Vec::new(), None)
                }
                Some(export) => (200, export.etag, export.body.clone(), export.cut.take()),
            }
        };
        self.log.lock().unwrap().push(format!("{path} {status}"));
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{}connection: close\r\n\r\n",
            body.len(),
            if etag.is_empty() { String::new() } else { format!("etag: {etag}\r\n") }
        );
        let mut stream = stream;
        // A client that has gone away is the test's business.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body[..cut.unwrap_or(body.len())]);
    }
}

/// An export of these records, as `all.zip`.
pub(crate) fn zip(records: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (id, json) in records {
        let method = rawzip::CompressionMethod::DEFLATE;
        let name = format!("{id}.json");
        let (mut entry, config) = archive.new_file(&name).compression_method(method).start().unwrap();
        let mut writer =
            config.wrap(flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default()));
        writer.write_all(json.as_bytes()).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// A record that affects one package below a version, in each of these ecosystems.
pub(crate) fn record(id: &str, ecosystems: &[&str], name: &str, fixed: &str) -> String {
    let affected: Vec<String> = ecosystems
        .iter()
        .map(|ecosystem| {
            format!(
                r#"{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"id":"{id}","modified":"2025-01-01T00:00:00Z","summary":"{id}","affected":[{}]}}"#,
        affected.join(",")
    )
}
