//! `masking-speed`: what masking one address costs, beside the cryptography in it. Part
//! of `make bench`; one thread.
//!
//! Invariant: all sides work on the same values under the same key, taking turns, and
//! seal them to the same bytes, which is checked first. So "the AES blocks" are all that
//! a token needs and nothing else. Bounded: VALUES values, ROUNDS rounds.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it prints its numbers, and stops at the first surprise"
)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use aes::Aes256;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _, BlockSizeUser,
    KeyInit as _,
};
use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use loginetl::crypto::{SecretBytes, derive_key};
use loginetl::login::{FieldPlan, KeySource, MaskedField, Masker, Plan, ValueKeys};
use loginetl::token::{DataKey, Field, Fields, KeyId, Plaintext, Purpose};

const VALUES: u32 = 200_000;
const ROUNDS: usize = 9;
/// A value: one of S2V and one of key stream. What S2V makes of zero and the associated
/// data is the same for all values of a key; the library computes it for each, and
/// schedules one of its two keys anew.
const BLOCKS: usize = 2;
const MASK_KEY: u32 = 1;
const HASH_KEY: u32 = 2;
const SEAL_KEY: u32 = 3;

fn main() {
    let keys = Keys::new();
    let mut masker =
        Masker::new(plan(), &keys).unwrap_or_else(|key| panic!("key {key} is not there"));
    let field_key = derive_key(keys.mask.expose_for_wrapping(), b"loginetl/siv/v1\x02ip", 64);
    let mut library = Aes256Siv::new(field_key.expose().try_into().expect("64 bytes"));
    let blocks = Blocks::new(&field_key);
    let mac = Hmac::<Sha256>::new_from_slice(&[9; 32]).expect("HMAC takes keys of any length");

    let texts: Vec<String> =
        (0..VALUES).map(|n| Ipv4Addr::from(n.wrapping_mul(0x9E37_79B1)).to_string()).collect();
    let plain: Vec<u128> = texts.iter().map(|text| bits(mask_input(text).expose())).collect();
    let mut sealed = texts
        .iter()
        .map(|text| (mask(&mut masker, text), seal(&mut library, bits(mask_input(text).expose()))));
    blocks.seal_all(&plain, |siv, ciphertext| {
        let (masked, sealed) = sealed.next().expect("as many");
        same_bytes(&masked, &sealed, (siv, ciphertext));
    });
    drop(sealed);

    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(nanoseconds(|| {
            texts.iter().for_each(|text| _ = black_box(mask(&mut masker, text)))
        }));
        times[1].push(nanoseconds(|| {
            plain.iter().for_each(|&value| _ = black_box(seal(&mut library, value)))
        }));
        times[2].push(nanoseconds(|| {
            plain.iter().for_each(|&value| _ = black_box(authenticate(&mac, value)))
        }));
        times[3].push(nanoseconds(|| {
            blocks.seal_all(&plain, |siv, ciphertext| _ = black_box((siv, ciphertext)))
        }));
    }
    print(times);
}

/// What the loader does with one address: text in, text of the token and hash out.
fn mask(masker: &mut Masker, text: &str) -> MaskedField {
    masker.mask_value(&mask_input(text)).expect("addresses are masked")
}

fn mask_input(text: &str) -> Plaintext {
    Plaintext::of(Field::Ip, text).expect("an address")
}

/// The AES-SIV of it alone, by the library's cipher, keyed once.
fn seal(siv: &mut Aes256Siv, value: u128) -> [u8; 32] {
    let mut sealed = [0; 32];
    let (tag, text) = sealed.split_at_mut(16);
    text.copy_from_slice(&value.to_be_bytes());
    let sealing = siv.encrypt_inout_detached([associated_data()], text.into());
    tag.copy_from_slice(&sealing.expect("one component of associated data"));
    sealed
}

/// The hash of it alone, by a function that is keyed once.
fn authenticate(mac: &Hmac<Sha256>, value: u128) -> [u8; 32] {
    mac.clone().chain_update(value.to_be_bytes()).finalize().into_bytes().into()
}

/// The block operations of AES-256-SIV (RFC 5297) over one block, by keys that are
/// scheduled once: CMAC of the value, and one block of key stream. `state` is what S2V
/// makes of zero and the associated data.
struct Blocks {
    mac: Aes256,
    stream: Aes256,
    subkey: u128,
    state: u128,
}

impl Blocks {
    fn new(key: &SecretBytes) -> Self {
        let half =
            |at: usize| Aes256::new_from_slice(&key.expose()[at..at + 32]).expect("32 bytes");
        let (mac, stream) = (half(0), half(32));
        let mut zero = [0; 16].into();
        mac.encrypt_block(&mut zero);
        let subkey = doubled(bits(&zero));
        let cmac = |block: u128| {
            let mut block = (block ^ subkey).to_be_bytes().into();
            mac.encrypt_block(&mut block);
            bits(&block)
        };
        let state = doubled(cmac(0)) ^ cmac(u128::from_be_bytes(associated_data()));
        Self { subkey, state, mac, stream }
    }

    /// Calls `done` with SIV and C of each value. The library is called once for
    /// all of them, as a call costs it more than a block; so the processor may
    /// overlap them, too.
    fn seal_all(&self, values: &[u128], done: impl FnMut(u128, u128)) {
        self.mac.encrypt_with_backend(WithMac {
            stream: &self.stream,
            subkey: self.subkey,
            state: self.state,
            values,
            done,
        });
    }
}

struct WithMac<'a, F> {
    stream: &'a Aes256,
    subkey: u128,
    state: u128,
    values: &'a [u128],
    done: F,
}

impl<F> BlockSizeUser for WithMac<'_, F> {
    type BlockSize = U16;
}

impl<F: FnMut(u128, u128)> BlockCipherEncClosure for WithMac<'_, F> {
    fn call<M: BlockCipherEncBackend<BlockSize = U16>>(self, mac: &M) {
        self.stream.encrypt_with_backend(WithBoth {
            mac,
            subkey: self.subkey,
            state: self.state,
            values: self.values,
            done: self.done,
        });
    }
}

struct WithBoth<'a, M, F> {
    mac: &'a M,
    subkey: u128,
    state: u128,
    values: &'a [u128],
    done: F,
}

impl<M, F> BlockSizeUser for WithBoth<'_, M, F> {
    type BlockSize = U16;
}

impl<M: BlockCipherEncBackend<BlockSize = U16>, F: FnMut(u128, u128)> BlockCipherEncClosure
    for WithBoth<'_, M, F>
{
    #[inline(always)]
    fn call<S: BlockCipherEncBackend<BlockSize = U16>>(mut self, stream: &S) {
        const TOP_BITS_OF_LAST_WORDS: u128 = 0x8000_0000_8000_0000;
        for &value in self.values {
            let siv = encrypt(self.mac, value ^ self.state ^ self.subkey);
            (self.done)(siv, value ^ encrypt(stream, siv & !TOP_BITS_OF_LAST_WORDS));
        }
    }
}

#[inline(always)]
fn encrypt(cipher: &impl BlockCipherEncBackend<BlockSize = U16>, block: u128) -> u128 {
    let mut block = aes::Block::from(block.to_be_bytes());
    cipher.encrypt_block((&mut block).into());
    u128::from_be_bytes(block.into())
}

/// Multiplied by x in GF(2^128).
fn doubled(block: u128) -> u128 {
    (block << 1) ^ (0x87 * (block >> 127))
}

/// That of tokens of addresses.
fn associated_data() -> [u8; 16] {
    *b"loginetl\x01\x02ip\x00\x00\x00\x01"
}

fn bits(block: &[u8]) -> u128 {
    u128::from_be_bytes(block.try_into().expect("16 bytes"))
}

fn same_bytes(masked: &MaskedField, sealed: &[u8], (siv, ciphertext): (u128, u128)) {
    assert_eq!(
        (bits(&sealed[..16]), bits(&sealed[16..])),
        (siv, ciphertext),
        "the blocks are not those of AES-SIV"
    );
    let body = BASE64_URL_SAFE_NO_PAD.encode(sealed);
    assert_eq!(
        masked.token.as_str().strip_prefix("ip1.1."),
        Some(body.as_str()),
        "the token is not this AES-SIV"
    );
}

/// Nanoseconds a value, of work on all of them.
fn nanoseconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e9 / f64::from(VALUES)
}

fn print(times: [Vec<f64>; 4]) {
    let [masking, siv, mac, blocks] = &times;
    let ratios = |below: &dyn Fn(usize) -> f64| {
        (0..ROUNDS).map(|round| masking[round] / below(round)).collect::<Vec<_>>()
    };
    println!("  {:45} {} ns", "masking a value (token and hash)", spread(masking, 0));
    println!("  {:45} {} ns", "the AES-SIV of it by the aes-siv library", spread(siv, 0));
    println!("  {:45} {} ns", "the HMAC-SHA256 of it alone", spread(mac, 0));
    println!("  {:45} {} ns", format!("the {BLOCKS} AES blocks of it alone"), spread(blocks, 0));
    println!(
        "  {:45} {}",
        "ratio masking / (that AES-SIV + HMAC)",
        spread(&ratios(&|round| siv[round] + mac[round]), 2)
    );
    println!(
        "  {:45} {}",
        "ratio masking / (AES blocks + HMAC)",
        spread(&ratios(&|round| blocks[round] + mac[round]), 2)
    );
}

/// The median and the range.
fn spread(values: &[f64], digits: usize) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, middle, last) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    format!("{middle:.digits$} ({first:.digits$}-{last:.digits$})")
}

/// Keys of nobody.
struct Keys {
    mask: DataKey,
    hash: DataKey,
    seal: DataKey,
}

impl Keys {
    fn new() -> Self {
        let key = |purpose: Purpose, byte| {
            DataKey::new(purpose, SecretBytes::new(vec![byte; purpose.key_len()]))
                .expect("the length of the purpose")
        };
        Self {
            mask: key(Purpose::Mask, 1),
            hash: key(Purpose::Hash, 2),
            seal: key(Purpose::Seal, 3),
        }
    }
}

impl KeySource for Keys {
    fn data_key(&self, id: KeyId) -> Option<&DataKey> {
        let known = [(MASK_KEY, &self.mask), (HASH_KEY, &self.hash), (SEAL_KEY, &self.seal)];
        known.into_iter().find(|(number, _)| key_id(*number) == id).map(|(_, key)| key)
    }
}

fn key_id(number: u32) -> KeyId {
    KeyId::new(number).expect("not zero")
}

/// No rotation runs.
fn plan() -> Plan {
    let keys = ValueKeys { mask: key_id(MASK_KEY), hash: key_id(HASH_KEY) };
    let field = FieldPlan { from: keys, to: keys, watermark: Uuid::nil() };
    Plan { fields: Fields::always().map(|_, ()| field), seal: key_id(SEAL_KEY) }
}
