//! Forms of files, by examples and by any bytes.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::login::{Body, NearNames, Reading, parse};

const EVENT: &str =
    r#"{"user_id":"u1","app_version":"2.3.0","ip":"192.0.2.7","device_id":"111-22-3333"}"#;

fn read(line: &Body) -> Result<(), crate::login::Rejection> {
    parse(line, date(2026, 1, 1), Reading::default(), &NearNames::default()).map(drop)
}

fn form(content: impl AsRef<[u8]>) -> Result<(), Form> {
    examine(content.as_ref(), true, read)
}

fn head(content: impl AsRef<[u8]>) -> Result<(), Form> {
    examine(content.as_ref(), false, read)
}

fn pretty() -> String {
    EVENT.replace(',', ",\n  ").replace('{', "{\n  ").replace('}', "\n}")
}

#[test]
fn packings_are_known_by_their_first_bytes() {
    assert_eq!(Packing::of(b"\x1f\x8b\x08\x00"), Packing::Gzip);
    assert_eq!(Packing::of(b"\x28\xb5\x2f\xfd"), Packing::Zstd);
    assert_eq!(Packing::of(b"\x50\x2a\x4d\x18"), Packing::Zstd, "a frame to be skipped");
    assert_eq!(Packing::of(b"{\"us"), Packing::Plain);
    assert_eq!(Packing::of(b""), Packing::Plain);
}

#[test]
fn one_event_among_the_first_hundred_lines_makes_lines_of_a_file() {
    assert_eq!(form(EVENT), Ok(()));
    assert_eq!(form("no event\n".repeat(99) + EVENT), Ok(()));
    assert_eq!(form(format!("\n \r\n[INFO] begin\n{EVENT}\r\n")), Ok(()));
    assert_eq!(
        form(format!("{{\"user_id\":\"u0\",\"app\n{EVENT}\n{EVENT}\n")),
        Ok(()),
        "a line that was cut"
    );
    assert_eq!(form(format!("[]\n{EVENT}\n")), Ok(()), "an array of its own line");
    assert_eq!(form(format!("{EVENT}{EVENT}\n{EVENT}\n")), Ok(()));
}

#[test]
fn lines_of_which_none_is_an_event_are_refused_with_the_usual_reason() {
    let refusal = form("{\"foo\":1}\n".repeat(150) + EVENT).expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "none of its first 100 lines is a login event (most often: missing_field user_id)"
    );
    let one = form("plain words").expect_err("refused");
    assert_eq!(one.to_string(), "its first line is no login event (not_json)");
    for empty in ["", "\n", " \r\n\t\n"] {
        assert_eq!(form(empty), Ok(()), "nothing in it is nothing wrong with it");
    }
}

#[test]
fn arrays_are_arrays_in_every_layout() {
    let compact = format!("[{EVENT},{EVENT}]");
    let by_line = format!("[\n{EVENT},\n{EVENT}\n]\n");
    let comma_first = format!("[\n{EVENT}\n,{EVENT}\n]\n");
    let indented = format!("  [ {}, {} ]", pretty(), pretty());
    for array in [&compact, &by_line, &comma_first, &indented] {
        assert_eq!(form(array), Err(Form::Array), "{array}");
        assert_eq!(head(&array[..array.len() - 3]), Err(Form::Array), "a part of {array}");
    }
    assert_eq!(form(by_line.replace('\n', "\r")), Err(Form::Array));
}

#[test]
fn objects_over_several_lines_are_pretty_printed() {
    for end in ["", "\n"] {
        assert_eq!(form(pretty() + end), Err(Form::PrettyPrinted));
        assert_eq!(form(format!("{}\n{}{end}", pretty(), pretty())), Err(Form::PrettyPrinted));
    }
    let records = format!("{{\"Records\":[\n{EVENT}\n]}}\n");
    assert_eq!(form(records), Err(Form::PrettyPrinted), "an event on a line of its own is no line");
    assert_eq!(form(pretty().replace('\n', "\r\n")), Err(Form::PrettyPrinted));
    assert_eq!(head(format!("{{\n \"x\": \"{}", "y".repeat(100_000))), Err(Form::PrettyPrinted));
}

#[test]
fn other_ends_and_beginnings_of_records_are_named() {
    assert_eq!(form(format!("{EVENT}\r{EVENT}\r")), Err(Form::CarriageReturns));
    assert_eq!(form(format!("\x1e{EVENT}\n\x1e{EVENT}\n")), Err(Form::JsonSequence));
    assert_eq!(form(format!("\x1e{}\n", pretty())), Err(Form::JsonSequence));
    assert_eq!(form(format!("{EVENT}{EVENT}{EVENT}")), Err(Form::Joined));
    assert_eq!(
        head(format!("{EVENT}{EVENT}")),
        Err(Form::Joined),
        "of a line longer than the head"
    );
}

#[test]
fn tables_are_known_by_our_names_or_by_even_counts() {
    let table = |separator| form("user_id,ip\nu1,192.0.2.1\n".replace(',', separator));
    assert_eq!(table(","), Err(Form::Separated(Separator::Comma)));
    assert_eq!(table("\t"), Err(Form::Separated(Separator::Tab)));
    assert_eq!(table(";"), Err(Form::Separated(Separator::Semicolon)));
    assert_eq!(form("u1,1.2,192.0.2.1\nu2,1.3,\n"), Err(Form::Separated(Separator::Comma)));
    assert!(matches!(form("one, two\nthree\n"), Err(Form::NoEvent { lines: 2, .. })));
}

#[test]
fn wide_text_is_known_with_and_without_a_mark() {
    let little: Vec<u8> = EVENT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = EVENT.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let with = |mark: &[u8], text: &[u8]| [mark, text].concat();
    assert_eq!(form(with(&[0xFF, 0xFE], &little)), Err(Form::WideText(Encoding::Utf16)));
    assert_eq!(form(with(&[0xFE, 0xFF], &big)), Err(Form::WideText(Encoding::Utf16)));
    assert_eq!(form(&little), Err(Form::WideText(Encoding::Utf16Le)));
    assert_eq!(form(&big), Err(Form::WideText(Encoding::Utf16Be)));
    assert_eq!(form([0xFF, 0xFE, 0, 0, b'{', 0, 0, 0]), Err(Form::WideText(Encoding::Utf32)));
}

#[test]
fn other_packings_are_named_with_their_program() {
    let filter = |content: &[u8]| form(content).expect_err("refused").filter();
    assert_eq!(filter(b"\xfd7zXZ\0\0\x04"), Some("xz -dc"));
    assert_eq!(filter(b"BZh91AY&SY"), Some("bzip2 -dc"));
    assert_eq!(filter(b"PK\x03\x04\x14\0"), Some("funzip"));
    assert_eq!(filter(b"\x1f\x8b\x08\0 packed twice"), Some("gzip -dc"));
    assert_eq!(filter(&[&[b'x'; 257][..], b"ustar\0"].concat()), Some("tar -xOf -"));
    assert_eq!(filter(b"PAR1\x15\x04"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_a_form_and_nothing_panics(bytes: Vec<u8>, is_whole: bool) {
        let _ = Packing::of(&bytes);
        let _ = examine(&bytes, is_whole, read).map_err(|form| (form.to_string(), form.filter()));
    }

    #[test]
    fn a_file_that_begins_with_an_event_is_never_refused(rest: Vec<u8>, is_whole: bool) {
        let content = [EVENT.as_bytes(), b"\n", &rest].concat();
        prop_assert_eq!(examine(&content, is_whole, read), Ok(()));
    }

    #[test]
    fn a_refusal_holds_nothing_of_the_file(
        text in "[\\[{\",;\t\r\n]{0,9}(SECRET[,;\t\r\n\"}]{0,3}){1,9}",
    ) {
        if let Err(form) = form(&text) {
            let said = format!("{form} {form:?} {:?}", form.filter());
            prop_assert!(!said.contains("SECRET"));
        }
    }
}
