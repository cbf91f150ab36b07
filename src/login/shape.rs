//! What a body is that is no JSON object: known by its first bytes, so that its reason
//! says more than "no".
//!
//! Only rejected bodies come here.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::RejectReason;

/// The first bytes of gzip, and of zstd.
const COMPRESSED: [&[u8]; 2] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]];
/// gzip that was taken for text: a byte that is no UTF-8 has become U+FFFD.
const DAMAGED_GZIP: &str = "\u{1f}\u{fffd}\u{8}";
/// Shorter than any compressed event.
const SHORTEST_ENCODED: usize = 20;
/// The first element of what the extended clients for Java and Python send.
const POINTERS: [&str; 2] = [
    "software.amazon.payloadoffloading.PayloadS3Pointer",
    "com.amazon.sqs.javamessaging.MessageS3Pointer",
];

/// What bytes are that are no UTF-8.
pub(super) fn of_bytes(body: &[u8]) -> RejectReason {
    if is_compressed(body) { RejectReason::Compressed } else { RejectReason::NotUtf8 }
}

/// What a text is that is no JSON.
pub(super) fn of_text(text: &str) -> RejectReason {
    let trimmed = text.trim_ascii();
    match trimmed.as_bytes().first() {
        Some(b'{') if has_several_objects(trimmed) => RejectReason::SeveralObjects,
        _ if text.starts_with(DAMAGED_GZIP) || is_encoded(trimmed) => RejectReason::Compressed,
        _ => RejectReason::NotJson,
    }
}

/// What a JSON value is that is no object.
pub(super) fn of_value(text: &str) -> RejectReason {
    let Some(rest) = text.trim_ascii_start().strip_prefix('[') else {
        return RejectReason::NotAnObject;
    };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return RejectReason::NotJson;
    }
    let first = rest.trim_ascii_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
    if first.is_some_and(|first| POINTERS.contains(&first)) {
        RejectReason::ExtendedClientPointer
    } else {
        RejectReason::WrappedInArray
    }
}

fn is_compressed(body: &[u8]) -> bool {
    COMPRESSED.iter().any(|magic| body.starts_with(magic)) || is_zlib(body)
}

/// The header of zlib: a window of at most 32 KiB, deflate, and a check of both bytes.
fn is_zlib(body: &[u8]) -> bool {
    let [cmf, flags, ..] = body else { return false };
    *cmf == 0x78 && u16::from_be_bytes([*cmf, *flags]).is_multiple_of(31)
}

/// Base64 of either alphabet throughout, and its first bytes are those
/// of compressed ones.
fn is_encoded(text: &str) -> bool {
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&b);
    let Some(first) =
        text.get(..8).filter(|_| text.len() >= SHORTEST_ENCODED && text.bytes().all(is_base64))
    else {
        return false;
    };
    [BASE64_STANDARD, BASE64_URL_SAFE]
        .iter()
        .any(|base64| base64.decode(first).is_ok_and(|bytes| is_compressed(&bytes)))
}

fn has_several_objects(text: &str) -> bool {
    let mut count = 0;
    let mut values =
        serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().inspect(|_| count += 1);
    values.all(|value| value.is_ok_and(|value| value.get().starts_with('{'))) && count > 1
}
