//! A proxy in front of LocalStack that makes calls fail, hang or answer otherwise: for
//! what the real thing cannot do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What to do with one call.
pub enum Action {
    /// Let it through.
    Forward,
    /// Let it through and change the answer's body.
    Rewrite(Box<dyn Fn(String) -> String>),
    /// Do not let it through; answer this status and body.
    Answer(u16, &'static str),
    /// Do not let it through, and never answer.
    Hang,
}

/// A call, as it comes in.
pub struct Call<'a> {
    /// Its target (`AmazonSQS.ReceiveMessage`).
    pub target: &'a str,
    /// Its request line and headers.
    #[allow(dead_code, reason = "for tests/rights, which notes who calls")]
    pub head: &'a str,
    #[allow(dead_code, reason = "for tests/rights, which notes what is asked")]
    pub body: &'a [u8],
}

type Handler = dyn Fn(&Call) -> Action + Send + Sync;

pub struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// A proxy that decides by the target of a call.
    pub fn start(handler: impl Fn(&str) -> Action + Send + Sync + 'static) -> Self {
        Self::start_with(move |call| handler(call.target))
    }

    /// A proxy that decides by the whole call; it lives as long as the test's process.
    pub fn start_with(handler: impl Fn(&Call) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let handler: Arc<Handler> = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let handler = Arc::clone(&handler);
                std::thread::spawn(move || drop(serve(stream, handler.as_ref())));
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// One call a connection: simple, and fast enough for tests.
fn serve(stream: TcpStream, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (head, body) = read_message(&mut reader)?;
    let target = header(&head, "x-amz-target").unwrap_or_default();
    match handler(&Call { target: &target, head: &head, body: &body }) {
        Action::Forward => write(stream, &forward(&head, &body)?),
        Action::Rewrite(change) => {
            let (answer_head, answer_body) = split(&forward(&head, &body)?);
            let changed = change(answer_body);
            let status = answer_head.lines().next().unwrap_or_default().to_owned();
            write(stream, answer(&status, "application/x-amz-json-1.0", &changed).as_bytes())
        }
        Action::Answer(status, body) => {
            let kind =
                if body.starts_with('<') { "text/xml" } else { "application/x-amz-json-1.0" };
            write(stream, answer(&format!("HTTP/1.1 {status} Fault"), kind, body).as_bytes())
        }
        Action::Hang => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
    }
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    format!(
        "{status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn forward(head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let endpoint = super::setting("AWS_ENDPOINT_URL");
    let mut upstream =
        TcpStream::connect(endpoint.trim_start_matches("http://").trim_end_matches('/'))?;
    let kept = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .collect::<Vec<_>>()
        .join("\r\n");
    upstream.write_all(format!("{}\r\nconnection: close\r\n\r\n", kept.trim_end()).as_bytes())?;
    upstream.write_all(body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn read_message(reader: &mut BufReader<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length = header(&head, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

pub fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .into_iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

fn split(answer: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let chunked = header(head, "transfer-encoding").is_some_and(|e| e.contains("chunked"));
    (head.to_owned(), if chunked { unchunk(body) } else { body.to_owned() })
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

fn write(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)
}
