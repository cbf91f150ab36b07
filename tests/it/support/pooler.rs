//! A pooler in transaction mode, as far as tests need one: it keeps a few connections to
//! the server for each login and database, and hands each transaction to the one that has
//! rested longest. Between two transactions it discards nothing.
//!
//! Invariant: the connections of a pool are made for its first client, and serve all that
//! come later.

use std::collections::{HashMap, VecDeque};
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

/// Version 3.0 of the protocol, which begins every startup message that is one.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];
/// Authentication is over.
const WELCOME: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];
/// A key to cancel with, which nobody listens to; and: ready, in no transaction.
const READY: [u8; 19] = [b'K', 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, b'Z', 0, 0, 0, 5, b'I'];

pub struct Pooler {
    address: SocketAddr,
}

/// Where the server is, how many connections a pool has, and the pools by what their
/// connections begin with.
struct Shared {
    upstream: String,
    size: usize,
    pools: Mutex<HashMap<Vec<u8>, Arc<Pool>>>,
}

struct Pool {
    upstream: String,
    startup: Vec<u8>,
    /// The server's parameters, as it has told them.
    parameters: Vec<u8>,
    /// What rests, the longest first.
    resting: Mutex<mpsc::UnboundedReceiver<Server>>,
    back: mpsc::UnboundedSender<Server>,
}

/// A connection to the server.
struct Server {
    answers: mpsc::Receiver<Vec<u8>>,
    to_server: OwnedWriteHalf,
}

impl Pooler {
    /// A pooler of the server in this URL. It ends with the test's runtime.
    pub async fn start(url: &str, size: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared =
            Arc::new(Shared { upstream: parts(url).1.to_owned(), size, pools: Mutex::default() });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        Self { address }
    }

    /// The same database by way of the pooler.
    pub fn url(&self, url: &str) -> String {
        let (before, _, after) = parts(url);
        format!("{before}@{}/{after}", self.address)
    }
}

/// What stands before, in and after the address of a URL.
fn parts(url: &str) -> (&str, &str, &str) {
    let (before, rest) = url.split_once('@').expect("a user");
    let (address, after) = rest.split_once('/').expect("a database");
    (before, address, after)
}

/// One client, from its startup to its end. Nothing when it ends before its time.
async fn serve(client: TcpStream, shared: Arc<Shared>) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = BufReader::new(from_client);
    let startup = read_startup(&mut from_client).await.ok()?;
    let pool = shared.pool(&startup).await?;
    to_client.write_all(&[&WELCOME[..], &pool.parameters, &READY].concat()).await.ok()?;
    let mut asked = messages(from_client);
    while let Some(first) = asked.recv().await {
        if first[0] == b'X' {
            break;
        }
        let mut server = pool.resting.lock().await.recv().await?;
        if transaction(first, &mut asked, &mut to_client, &mut server).await.is_some() {
            pool.back.send(server).ok()?;
        } else {
            // Its client went away in the middle: nobody else may find what
            // that one has left.
            drop(server);
            pool.back.send(connect(&pool.upstream, &pool.startup).await.ok()?.0).ok()?;
        }
    }
    Some(())
}

/// Passes messages on until the server is in no transaction and owes no answer; nothing
/// if it never gets there.
async fn transaction(
    first: Vec<u8>,
    asked: &mut mpsc::Receiver<Vec<u8>>,
    to_client: &mut OwnedWriteHalf,
    server: &mut Server,
) -> Option<()> {
    // What the server will call itself ready after: Query and Sync. While it takes a COPY
    // it reads over a Sync.
    let mut owed = VecDeque::new();
    let (mut is_copying, mut is_there, mut next) = (false, true, Some(first));
    loop {
        if let Some(message) = next.take() {
            match message[0] {
                kind @ (b'Q' | b'S') if !is_copying => owed.push_back(kind),
                b'c' | b'f' => is_copying = false,
                _ => {}
            }
            server.to_server.write_all(&message).await.ok()?;
        }
        if !is_there && owed.is_empty() {
            return None;
        }
        tokio::select! {
            message = asked.recv(), if is_there => match message {
                Some(message) if message[0] != b'X' => next = Some(message),
                _ => is_there = false,
            },
            answer = server.answers.recv() => {
                let answer = answer?;
                is_there &= to_client.write_all(&answer).await.is_ok();
                match answer[0] {
                    b'G' => {
                        is_copying = true;
                        owed.retain(|kind| *kind == b'Q');
                    }
                    b'Z' => {
                        is_copying = false;
                        owed.pop_front();
                        if owed.is_empty() && answer[5] == b'I' {
                            return Some(());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Shared {
    /// The pool for the login and database that a client names, made when
    /// the first one comes.
    async fn pool(&self, startup: &[u8]) -> Option<Arc<Pool>> {
        let startup = startup_of_servers(startup);
        let mut pools = self.pools.lock().await;
        if let Some(pool) = pools.get(&startup) {
            return Some(Arc::clone(pool));
        }
        let (back, resting) = mpsc::unbounded_channel();
        let mut parameters = Vec::new();
        for _ in 0..self.size {
            let (server, told) = connect(&self.upstream, &startup).await.ok()?;
            parameters = told;
            back.send(server).ok()?;
        }
        let (upstream, resting) = (self.upstream.clone(), Mutex::new(resting));
        let pool = Arc::new(Pool { upstream, startup: startup.clone(), parameters, resting, back });
        pools.insert(startup, Arc::clone(&pool));
        Some(pool)
    }
}

/// Of what a client begins with, the login and the database: the rest
/// is the pooler's own.
fn startup_of_servers(startup: &[u8]) -> Vec<u8> {
    let texts: Vec<&[u8]> = startup[PROTOCOL.len()..].split(|byte| *byte == 0).collect();
    let mut own = PROTOCOL.to_vec();
    let named = texts.chunks_exact(2).filter(|pair| [&b"user"[..], b"database"].contains(&pair[0]));
    for text in named.flatten().copied().chain([
        &b"client_encoding"[..],
        b"UTF8",
        b"application_name",
        b"pooler",
    ]) {
        own.extend(text);
        own.push(0);
    }
    own.push(0);
    own
}

/// A connection that is ready, and the parameters that the server has told.
async fn connect(upstream: &str, startup: &[u8]) -> Result<(Server, Vec<u8>)> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (from_server, mut to_server) = stream.into_split();
    let length = (startup.len() as u32 + 4).to_be_bytes();
    to_server.write_all(&[&length[..], startup].concat()).await?;
    let mut answers = messages(BufReader::new(from_server));
    let mut parameters = Vec::new();
    while let Some(answer) = answers.recv().await {
        match answer[0] {
            b'S' => parameters.extend(answer),
            b'Z' => return Ok((Server { answers, to_server }, parameters)),
            _ => {}
        }
    }
    Err(std::io::ErrorKind::ConnectionRefused.into())
}

/// What comes in, message by message, until it ends.
fn messages(mut from: BufReader<OwnedReadHalf>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(1024);
    tokio::spawn(async move {
        while let Ok(message) = read_message(&mut from).await {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    });
    receiver
}

/// A message with its kind and its length.
async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(1 + length.max(4), 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// What a client begins with, without its length. A call to cancel something is none.
async fn read_startup(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut startup = vec![0; length.saturating_sub(4) as usize];
    from.read_exact(&mut startup).await?;
    if startup.starts_with(&PROTOCOL) {
        Ok(startup)
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}
