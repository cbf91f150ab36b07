//! A dropped key or event leaves nothing in this process's memory: searched for in
//! /proc/self/mem, stack and heap alike.
//!
//! A test binary of its own, so that no other test's memory is in the way. The needles
//! are kept XORed, or the search would find itself.

#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Mutex, PoisonError};

use loginetl::crypto::{SecretBytes, derive_key, random_secret};
use loginetl::login::{Body, NearNames, Reading, parse};
use loginetl::token::{
    DataKey, Field, FieldCipher, FieldHasher, KeyId, Plaintext, Purpose, Sealer,
};

const MASK: u8 = 0x5a;

/// One search at a time: each would look through the room of the other.
static SEARCHING: Mutex<()> = Mutex::new(());

/// 16 bytes of a secret, in disguise.
struct Needle {
    name: &'static str,
    disguised: Vec<u8>,
}

/// Every 16 bytes of a secret: an allocator overwrites the first bytes of what was freed,
/// which proves nothing.
fn needles(name: &'static str, secret: &SecretBytes) -> Vec<Needle> {
    let blocks = secret.expose().chunks_exact(16);
    blocks
        .map(|block| Needle { name, disguised: block.iter().map(|b| b ^ MASK).collect() })
        .collect()
}

fn is_at(window: &[u8], needle: &Needle) -> bool {
    window.iter().zip(&needle.disguised).all(|(byte, disguised)| byte ^ MASK == *disguised)
}

/// Names every needle that stands somewhere in writable memory. `bytes` has its room
/// already: searching allocates little.
fn search(needles: &[Needle], bytes: &mut Vec<u8>) -> Vec<&'static str> {
    let mut found = Vec::new();
    let own = bytes.as_ptr() as u64..bytes.as_ptr() as u64 + bytes.capacity() as u64;
    let mut memory = File::open("/proc/self/mem").expect("own memory");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("own maps");
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|p| p.starts_with("rw")))
    {
        let (start, end) =
            line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let start = u64::from_str_radix(start, 16).expect("an address");
        let end = u64::from_str_radix(end, 16).expect("an address");
        if own.contains(&start) || (start..end).contains(&own.start) {
            continue;
        }
        bytes.clear();
        memory.seek(SeekFrom::Start(start)).expect("an address");
        if memory.by_ref().take(end - start).read_to_end(bytes).is_err() {
            continue;
        }
        for needle in needles {
            if bytes.windows(16).any(|window| is_at(window, needle)) {
                found.push(needle.name);
            }
        }
    }
    found
}

/// Every kind of secret, in use.
#[expect(dead_code, reason = "held to be dropped")]
struct Alive {
    keys: Vec<DataKey>,
    cipher: Box<FieldCipher>,
    hasher: Box<FieldHasher>,
    sealer: Box<Sealer>,
    plaintext: Plaintext,
}

/// Uses every kind of key once; returns it all, with what must not be found
/// once it is dropped.
#[inline(never)]
fn secrets_in_use() -> (Alive, Vec<Needle>) {
    let mut all = Vec::new();
    let key_id = KeyId::new(7).expect("not zero");
    let plaintext = Plaintext::of(Field::DeviceId, &device_id()).expect("a device id");
    all.extend(needles("plaintext", &SecretBytes::copy_of(&plaintext.expose()[..32])));
    let keys: Vec<DataKey> = Purpose::ALL
        .map(|purpose| {
            DataKey::new(purpose, random_secret(purpose.key_len()).expect("random bytes"))
                .expect("its length")
        })
        .into();
    for key in &keys {
        all.extend(needles("data key", key.expose_for_wrapping()));
    }
    for (key, name, info, len) in [
        (&keys[0], "token key", &b"loginetl/siv/v1\x09device_id"[..], 64),
        (&keys[1], "hash key", b"loginetl/hash/v1\x09device_id", 32),
        (&keys[2], "sealing key", b"loginetl/seal/v1", 64),
    ] {
        all.extend(needles(name, &derive_key(key.expose_for_wrapping(), info, len)));
    }
    let mut cipher = Box::new(FieldCipher::new(&keys[0], Field::DeviceId, key_id));
    let hasher = Box::new(FieldHasher::new(&keys[1], Field::DeviceId));
    let mut sealer = Box::new(Sealer::new(&keys[2], key_id));
    let token = cipher.seal(&plaintext);
    drop(cipher.open(&token).expect("it opens"));
    let _ = hasher.hash(&plaintext);
    let sealed = sealer.seal(uuid::Uuid::nil(), plaintext.expose()).expect("sealed");
    drop(sealer.open(uuid::Uuid::nil(), &sealed).expect("it opens"));
    (Alive { keys, cipher, hasher, sealer, plaintext }, all)
}

/// A device id that the search can tell from chance; its text lives in
/// memory that is cleared.
fn device_id() -> zeroize::Zeroizing<String> {
    let random = random_secret(20).expect("random bytes");
    let mut text = zeroize::Zeroizing::new(String::with_capacity(40));
    for byte in random.expose() {
        text.push(char::from(b'a' + byte / 16));
        text.push(char::from(b'a' + byte % 16));
    }
    text
}

/// Calls deep enough to overwrite what returned functions left on the stack, as the next
/// calls of a program do.
#[inline(never)]
fn reuse_the_stack() -> usize {
    let frame = std::hint::black_box([0xa5_u8; 64 << 10]);
    frame.iter().filter(|byte| **byte == 0xa5).count()
}

#[test]
fn a_dropped_key_leaves_nothing_behind() {
    let _alone = SEARCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut room = Vec::with_capacity(64 << 20);
    let (alive, needles) = secrets_in_use();
    reuse_the_stack();
    let found = search(&needles, &mut room);
    for name in ["data key", "token key", "sealing key", "plaintext"] {
        assert!(found.contains(&name), "the search finds a {name} that is in use");
    }
    drop(alive);
    reuse_the_stack();
    assert_eq!(search(&needles, &mut room), Vec::<&str>::new(), "what was dropped is gone");
}

/// An event in an envelope of SNS: its text is there twice, the second
/// time without escapes.
#[inline(never)]
fn wrapped_event() -> (Body, Vec<Needle>) {
    let device = device_id();
    let needles = needles("device id", &SecretBytes::copy_of(&device.as_bytes()[..32]));
    let mut body = SecretBytes::copy_of(
        br#"{"Type": "Notification", "Message": "{\"user_id\": \"u\", \"app_version\": \"1.2\", "#,
    );
    body.append(br#"\"ip\": \"192.0.2.7\", \"device_id\": \""#);
    body.append(device.as_bytes());
    body.append(br#"\"}", "Timestamp": "2024-02-29T00:00:00.000Z"}"#);
    (Body::from_secret(body), needles)
}

#[test]
fn an_event_taken_out_of_its_envelope_leaves_nothing_behind() {
    let _alone = SEARCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut room = Vec::with_capacity(64 << 20);
    let (body, needles) = wrapped_event();
    let near = NearNames::default();
    let event = parse(&body, jiff::civil::date(2026, 1, 2), Reading::default(), &near);
    assert!(event.is_ok(), "it is one");
    drop(body);
    reuse_the_stack();
    assert!(!search(&needles, &mut room).is_empty(), "the search finds the event");
    drop(event);
    reuse_the_stack();
    assert_eq!(search(&needles, &mut room), Vec::<&str>::new(), "what was dropped is gone");
}
