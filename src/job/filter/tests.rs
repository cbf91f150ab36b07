//! When a filter asks for its keys again, and what comes of it.

use std::io;
use std::sync::atomic::AtomicUsize;

use super::*;

/// Says which of the filters that were opened has turned a line.
struct Numbered {
    keys: usize,
    /// Kept when its keys are renewed, as the beginning of a stream is.
    begun: usize,
}

impl Filter for Numbered {
    fn turn(&mut self, line: Body, into: &mut Vec<u8>) -> (Fate, Body) {
        into.extend_from_slice(format!("{} {} ", self.begun, self.keys).as_bytes());
        into.extend_from_slice(line.expose());
        into.push(b'\n');
        (Fate::Through, line)
    }

    fn pass_over(&mut self, _: usize, _: &mut Vec<u8>) -> Option<Fate> {
        None
    }

    fn gather(&mut self, is_end: bool, into: &mut Vec<u8>) {
        if is_end {
            into.extend_from_slice(b"end\n");
        }
    }

    fn renew(&mut self, newer: Self) {
        self.keys = newer.keys;
    }

    fn near_names(&self) -> Option<&NearNames> {
        None
    }
}

/// Gives one line a read, so that each is waited for.
struct LineByLine(Vec<&'static [u8]>);

impl Read for LineByLine {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let line = self.0.remove(0);
        into[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written, how often keys were asked for, and how it ended. From so many times
/// on KMS refuses.
async fn run(refresh_after: Duration, refuses_at: usize) -> (String, usize, Result<(), Error>) {
    let (written, opened) = (Sink::default(), Arc::new(AtomicUsize::new(0)));
    let from = Box::new(LineByLine(vec![b"a\n", b"b\n", b"c\n"]));
    let pipes = Pipes { from, to: Box::new(written.clone()), refresh_after };
    let count = Arc::clone(&opened);
    let open = move || {
        let keys = count.fetch_add(1, Ordering::Relaxed);
        async move {
            match keys {
                keys if keys < refuses_at => Ok(Numbered { keys, begun: keys }),
                _ => Err(Error::Stopped),
            }
        }
    };
    let done = filter(open, pipes, &Counts::default(), &Stop::default()).await;
    let text = written.0.lock().map(|bytes| bytes.clone()).unwrap_or_default();
    (String::from_utf8(text).unwrap_or_default(), opened.load(Ordering::Relaxed), done)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_again_before_a_line_and_never_at_the_end() {
    let (written, opened, done) = run(Duration::ZERO, usize::MAX).await;
    assert!(done.is_ok(), "{done:?}");
    assert_eq!(written, "0 0 a\n0 1 b\n0 2 c\nend\n", "one stream, under newer keys");
    assert_eq!(opened, 3, "at the start, and once a line that was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn young_keys_are_not_asked_for_again() {
    let (written, opened, done) = run(REFRESH_AFTER, usize::MAX).await;
    assert!(done.is_ok(), "{done:?}");
    assert_eq!((written.as_str(), opened), ("0 0 a\n0 0 b\n0 0 c\nend\n", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_keys_were_refused_is_whole() {
    let (written, _, done) = run(Duration::ZERO, 2).await;
    assert!(matches!(done, Err(Error::Stopped)), "{done:?}");
    assert_eq!(written, "0 0 a\n0 1 b\n", "no line under keys that were refused, and no end");
}
