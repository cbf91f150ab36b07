//! A proxy in front of Postgres: it goes away and comes back as a server does, and notes
//! what a pooler in transaction mode cannot carry.
//!
//! Invariant: while it is closed, nobody listens at its port.

use std::collections::HashSet;
use std::io::{Read, Result, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub struct PgProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    upstream: String,
    closed: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
    seen: Mutex<Seen>,
}

/// What clients have sent.
#[derive(Clone, Default)]
pub struct Seen {
    /// All statements, prepared or simple.
    pub statements: Vec<String>,
    /// What needs the same server after the end of its transaction.
    pub sticky: Vec<String>,
}

/// What one connection is in. A statement that is prepared and closed
/// within it is no matter.
#[derive(Default)]
struct Transaction {
    is_open: bool,
    prepared: HashSet<String>,
}

impl PgProxy {
    /// A proxy of the server in this URL, and the URL through it.
    pub fn start(url: &str) -> (Self, String) {
        let (before, rest) = url.split_once('@').expect("a user");
        let (upstream, after) = rest.split_once('/').expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { upstream: upstream.to_owned(), ..Shared::default() });
        let accepting = Mutex::new(Some(accept(listener, &shared)));
        (Self { address, shared, accepting }, format!("{before}@{address}/{after}"))
    }

    /// Ends all connections and refuses new ones.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // A last connection wakes the thread, which then stops listening.
        drop(TcpStream::connect(self.address));
        let accepting = self.accepting.lock().unwrap().take();
        accepting.expect("it is open").join().expect("no panic");
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again.
    pub fn open(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("the port is still free");
        *self.accepting.lock().unwrap() = Some(accept(listener, &self.shared));
    }

    pub fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap().clone()
    }
}

fn accept(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if shared.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(server) = TcpStream::connect(&shared.upstream) else { continue };
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true);
                shared.streams.lock().unwrap().push(stream.try_clone().expect("a stream"));
            }
            let (mut answers, mut back) =
                (server.try_clone().expect("a stream"), client.try_clone().expect("a stream"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let _ = forward(client, &server, &shared);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    })
}

/// Forwards what a client says, message by message, and looks at it.
fn forward(mut client: TcpStream, mut server: &TcpStream, shared: &Shared) -> Result<()> {
    let mut transaction = Transaction::default();
    let startup = read_body(&mut client)?;
    server.write_all(&[&length(&startup)[..], &startup].concat())?;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let body = read_body(&mut client)?;
        shared.seen.lock().unwrap().look_at(kind[0], &body, &mut transaction);
        server.write_all(&[&kind[..], &length(&body), &body].concat())?;
    }
}

fn read_body(client: &mut TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length).saturating_sub(4) as usize];
    client.read_exact(&mut body)?;
    Ok(body)
}

fn length(body: &[u8]) -> [u8; 4] {
    (body.len() as u32 + 4).to_be_bytes()
}

impl Seen {
    fn look_at(&mut self, kind: u8, body: &[u8], transaction: &mut Transaction) {
        let texts: Vec<_> = body
            .split(|byte| *byte == 0)
            .take(2)
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        let text = |i: usize| texts.get(i).cloned().unwrap_or_default();
        match kind {
            // Parse: the statement's name, and its text.
            b'P' => {
                if !text(0).is_empty() && transaction.is_open {
                    transaction.prepared.insert(text(0));
                } else {
                    self.named("Parse", &text(0), transaction);
                }
                self.statement(&text(1), transaction);
            }
            // Bind: a portal and a statement.
            b'B' => self.named("Bind", &text(1), transaction),
            // Close and Describe: S and a statement, or P and a portal.
            b'C' | b'D' if body.first() == Some(&b'S') => {
                self.named("Close or Describe", &text(0)[1..], transaction);
                if kind == b'C' {
                    transaction.prepared.remove(&text(0)[1..]);
                }
            }
            b'Q' => self.statement(&text(0), transaction),
            _ => {}
        }
    }

    fn named(&mut self, message: &str, name: &str, transaction: &Transaction) {
        if !name.is_empty() && !transaction.prepared.contains(name) {
            self.sticky.push(format!("{message} of the named statement {name}"));
        }
    }

    fn statement(&mut self, text: &str, transaction: &mut Transaction) {
        self.statements.push(text.to_owned());
        for one in text.to_lowercase().split(';').map(str::trim) {
            let begins = |with: &str| one.starts_with(with);
            if begins("begin") || begins("start transaction") {
                transaction.is_open = true;
            } else if begins("commit") || one == "rollback" {
                transaction.is_open = false;
                self.sticky.extend(
                    transaction
                        .prepared
                        .drain()
                        .map(|name| format!("{name} outlives its transaction")),
                );
            }
            let sets = begins("set ") && !begins("set local ") && !begins("set transaction ");
            let session =
                ["listen ", "prepare ", "create temp", "discard ", "load "].into_iter().any(begins)
                    && !one.contains(" on commit drop");
            let locks = one.contains("pg_advisory_lock") || one.contains("pg_try_advisory_lock");
            let cursor = begins("declare ") && one.contains("with hold");
            let configures = one.contains("set_config(") && !one.contains("true)");
            if sets || session || locks || cursor || configures {
                self.sticky.push(one.to_owned());
            }
        }
    }
}
