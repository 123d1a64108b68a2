//! A small HTTP/1.1 server on loopback: answers what a function says, and remembers what was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// One request without a body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// A path, or for a proxy a whole URL.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A running server. Its thread ends with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts it; `answer` gives the bytes of whole answers.
    pub(crate) fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), log: Arc::default() };
        let (answer, log) = (Arc::new(answer), Arc::clone(&server.log));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                thread::spawn(move || serve(stream, &*answer, &log));
            }
        });
        server
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// Their targets.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.target).collect()
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Vec<u8>, log: &Mutex<Vec<Request>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let request = Request { target, headers };
    let answer = answer(&request);
    log.lock().unwrap().push(request);
    // A client that has gone away is the test's business.
    let _ = stream.write_all(&answer);
}

/// A whole answer that ends the connection.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Asks another server for `path` as the request asked this one, and yields its whole answer.
pub(crate) fn forward(to: SocketAddr, path: &str, request: &Request) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    let passed: String = ["accept", "range", "if-match"]
        .iter()
        .filter_map(|name| Some(format!("{name}: {}\r\n", request.header(name)?)))
        .collect();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {to}\r\n{passed}connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}
