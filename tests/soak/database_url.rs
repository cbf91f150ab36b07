//! Database URLs by the million: none makes the parser panic, and no error quotes one.

#![allow(clippy::print_stderr, reason = "a soak is run for its figures, too")]

use std::time::{Duration, Instant};

use loginetl::db::Conninfo;

const FOR: Duration = Duration::from_secs(20);

/// What stands where a password may stand. No word of an error has it in it.
const SECRET: &str = "S3cr3t";

/// Pieces that URLs and keyword strings are made of.
const PIECES: [&str; 64] = [
    "postgres://",
    "postgresql://",
    "jdbc:",
    "://",
    "@",
    ":",
    "/",
    "?",
    "&",
    "=",
    ",",
    "%",
    "%40",
    "%00",
    "%ff",
    "%zz",
    "[",
    "]",
    "[::1]",
    "'",
    "\\",
    "\"",
    "#",
    "+",
    " ",
    "\n",
    "\0",
    "é",
    "\u{1F511}",
    "S3cr3t",
    "S3cr3t",
    "S3cr3t",
    "u",
    "h",
    "h.example",
    "5432",
    "0",
    "99999",
    "host=",
    "hostaddr=",
    "127.0.0.1",
    "port=",
    "dbname=",
    "user=",
    "password=",
    "passfile=",
    "options=",
    "sslmode=",
    "disable",
    "require",
    "verify-full",
    "prefer",
    "sslcert=",
    "sslkey=",
    "sslrootcert=",
    "sslnegotiation=direct",
    "target_session_attrs=",
    "primary",
    "channel_binding=",
    "connect_timeout=",
    "keepalives=",
    "schema=",
    "service=",
    "ssl=true",
];

/// Well-formed ones to begin with.
const SEEDS: [&str; 4] = [
    "postgres://u:S3cr3t@h:5432/d?sslmode=disable",
    "postgres://u:S3cr3t@a:1,[::1]:2/d?target_session_attrs=primary&sslrootcert=S3cr3t&\
     connect_timeout=5",
    "host=h user=u password='S3cr3t' sslmode=require dbname=d",
    "postgresql:///d?host=/run&user=u&password=S3cr3t&options=-c%20x%3Dy",
];

/// xorshift64*: fast, and the same at each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }

    /// A seed with pieces put in or taken out, or pieces alone.
    fn text(&mut self, text: &mut String) {
        text.clear();
        if self.below(3) > 0 {
            text.push_str(SEEDS[self.below(SEEDS.len())]);
        }
        for _ in 0..=self.below(8) {
            let at = self.below(text.len() + 1);
            let at = (at..).find(|at| text.is_char_boundary(*at)).expect("the end is one");
            if self.below(4) == 0 && at < text.len() {
                text.remove(at);
            } else {
                text.insert_str(at, PIECES[self.below(PIECES.len())]);
            }
        }
    }
}

#[test]
fn no_database_url_makes_the_parser_panic_or_is_quoted() {
    let mut random = Random(0x1095_E71A);
    let (mut tried, mut taken, mut text) = (0_u64, 0_u64, String::new());
    let end = Instant::now() + FOR;
    while !tried.is_multiple_of(1000) || Instant::now() < end {
        random.text(&mut text);
        tried += 1;
        match Conninfo::parse(&text) {
            Ok(_) => taken += 1,
            Err(problem) => {
                let said = format!("{problem} {}", problem.remedy());
                assert!(!said.contains(SECRET) && !said.contains("S3c"), "{text:?}: {said}");
                assert!(said.len() < 500 && !said.contains(char::is_control), "{text:?}: {said}");
            }
        }
    }
    eprintln!("{tried} database URLs, {taken} of them taken");
}
