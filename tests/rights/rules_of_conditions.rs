//! The evaluator itself: conditions, by the rules of AWS' pages.
//!
//! All under docs.aws.amazon.com/IAM/latest/UserGuide/. `OPERATORS`:
//! reference_policies_elements_condition_operators; `SETS`:
//! reference_policies_condition-single-vs-multi-valued-context-keys; `VARIABLES`:
//! reference_policies_variables; `KEYS`: reference_policies_elements_condition.

use serde_json::{Value, json};

use crate::policy::{Policy, Principal, Request, decide};
use crate::rules::statement;

const ROLE: &str = "arn:aws:iam::111122223333:role/loader";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1";

/// Whether a condition holds for a call with this encryption context.
fn holds(operator: &str, key: &str, values: Value, context: &[(&str, &str)]) -> bool {
    let request = Request::new(&Principal::Aws(ROLE.to_owned()), "kms:Decrypt", KEY)
        .with_encryption_context(context.iter().copied())
        .expect("known");
    holds_for(operator, key, values, &request)
}

fn holds_for(operator: &str, key: &str, values: Value, request: &Request) -> bool {
    let fields = json!({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*",
                        "Resource": "*", "Condition": {operator: {key: values}}});
    let policy = Policy::key(&statement(&fields)).expect("known");
    decide(request, &[], Some(&policy)).expect("known").is_allowed()
}

const APP: &str = "kms:EncryptionContext:app";
const NAMES: &str = "kms:EncryptionContextKeys";

#[test]
fn a_missing_key_matches_nothing_so_that_a_negated_operator_is_true() {
    // OPERATORS: "If the key … is not present in the request context, the values do not
    // match and the condition is false. If the policy condition requires that the key is
    // not matched … the condition is true."
    for operator in ["StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnLike", "ArnEquals"]
    {
        assert!(!holds(operator, APP, json!("*"), &[]), "{operator}");
        let if_exists = format!("{operator}IfExists");
        assert!(holds(&if_exists, APP, json!("*"), &[]), "OPERATORS, IfExists: {operator}");
    }
    for operator in ["StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "ArnNotLike"]
    {
        assert!(holds(operator, APP, json!("*"), &[]), "{operator}");
    }
    assert!(!holds("Bool", "kms:ReEncryptOnSameKey", json!("false"), &[]));
}

#[test]
fn strings_are_compared_as_their_operator_says() {
    let app = [("app", "loginetl")];
    for (operator, value, expected) in [
        ("StringEquals", "loginetl", true),
        ("StringEquals", "LOGINETL", false),
        ("StringEquals", "login*", false),
        ("StringEqualsIgnoreCase", "LoginETL", true),
        ("StringNotEquals", "loginetl", false),
        ("StringNotEquals", "other", true),
        ("StringNotEqualsIgnoreCase", "LOGINETL", false),
        ("StringLike", "login*", true),
        ("StringLike", "loginet?", true),
        ("StringLike", "LOGIN*", false),
        ("StringLike", "?*", true),
        ("StringNotLike", "login*", false),
        ("StringEqualsIfExists", "other", false),
    ] {
        assert_eq!(holds(operator, APP, json!(value), &app), expected, "{operator} {value}");
    }
    assert!(!holds("StringLike", APP, json!("?*"), &[("app", "")]), "? is one character");
}

#[test]
fn of_several_values_one_is_enough_and_of_a_negated_operator_none_may_match() {
    // OPERATORS, "Evaluation logic for multiple context keys or values": OR, and NOR.
    let app = [("app", "b")];
    assert!(holds("StringEquals", APP, json!(["a", "b"]), &app));
    assert!(!holds("StringNotEquals", APP, json!(["a", "b"]), &app));
    assert!(holds("StringNotEquals", APP, json!(["a", "c"]), &app));
}

#[test]
fn all_conditions_of_a_statement_must_hold() {
    // The same page: several operators, and several keys of one, are joined by AND.
    let block = json!({"StringEquals": {APP: "a", "kms:EncryptionContext:holder": "h"},
                       "Null": {NAMES: "false"}});
    let fields = json!({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*",
                        "Resource": "*", "Condition": block});
    let policy = Policy::key(&statement(&fields)).expect("known");
    for (context, expected) in [
        (&[("app", "a"), ("holder", "h")][..], true),
        (&[("app", "a")], false),
        (&[("app", "a"), ("holder", "x")], false),
    ] {
        let request = Request::new(&Principal::Aws(ROLE.to_owned()), "kms:Decrypt", KEY)
            .with_encryption_context(context.iter().copied())
            .expect("known");
        let decision = decide(&request, &[], Some(&policy)).expect("known");
        assert_eq!(decision.is_allowed(), expected, "{context:?}");
    }
}

#[test]
fn names_of_keys_are_compared_without_regard_to_case_and_values_with_it() {
    // KEYS: "Context key names are not case-sensitive."
    let upper = [("APP", "loginetl")];
    assert!(holds("StringEquals", APP, json!("loginetl"), &upper));
    assert!(!holds("ForAllValues:StringEquals", NAMES, json!(["app"]), &upper));
}

#[test]
fn a_key_of_several_values_is_taken_all_or_any() {
    // SETS: ForAllValues is true of no values, ForAnyValue is false of none.
    let (one, two) = ([("app", "x")], [("app", "x"), ("more", "y")]);
    let names = json!(["app", "holder"]);
    assert!(holds("ForAllValues:StringEquals", NAMES, names.clone(), &one));
    assert!(!holds("ForAllValues:StringEquals", NAMES, names.clone(), &two));
    assert!(holds("ForAllValues:StringEquals", NAMES, names.clone(), &[]));
    assert!(holds("ForAnyValue:StringEquals", NAMES, names.clone(), &two));
    assert!(!holds("ForAnyValue:StringEquals", NAMES, names.clone(), &[]));
    assert!(!holds("ForAnyValue:StringEquals", NAMES, names.clone(), &[("more", "y")]));
    assert!(holds("ForAllValues:StringNotEquals", NAMES, names.clone(), &[("more", "y")]));
    assert!(!holds("ForAllValues:StringNotEquals", NAMES, names.clone(), &two));
    assert!(holds("ForAnyValue:StringNotEquals", NAMES, names.clone(), &two));
    assert!(!holds("ForAnyValue:StringNotEquals", NAMES, names, &[]));
    assert!(holds("ForAllValues:StringEquals", APP, json!("x"), &one), "one value is a set of one");
}

#[test]
fn null_asks_whether_a_key_is_missing() {
    // OPERATORS, "Condition operator to check existence of condition keys".
    for (key, context) in [(APP, &[("app", "x")][..]), (NAMES, &[("app", "x")][..])] {
        assert!(holds("Null", key, json!("false"), context), "{key} is there");
        assert!(!holds("Null", key, json!("true"), context), "{key} is there");
        assert!(holds("Null", key, json!(true), &[]), "{key} is missing");
        assert!(!holds("Null", key, json!(false), &[]), "{key} is missing");
    }
}

#[test]
fn switches_and_arns_are_compared_as_their_operators_say() {
    let role = Principal::Aws(ROLE.to_owned());
    let request = Request::new(&role, "kms:ReEncryptTo", KEY).with_same_key(true);
    let another = Request::new(&role, "kms:ReEncryptTo", KEY);
    assert!(holds_for("Bool", "kms:ReEncryptOnSameKey", json!("false"), &another));
    assert!(holds_for("Bool", "kms:ReEncryptOnSameKey", json!("true"), &request));
    assert!(holds_for("Bool", "kms:ReEncryptOnSameKey", json!(true), &request));
    assert!(!holds_for("Bool", "kms:ReEncryptOnSameKey", json!("false"), &request));
    // OPERATORS, "ARN condition operators": Equals and Like behave identically; each part
    // is compared by itself.
    for operator in ["ArnEquals", "ArnLike"] {
        for (value, expected) in [
            (ROLE, true),
            ("arn:aws:iam::111122223333:role/*", true),
            ("arn:aws:iam::*:role/loader", true),
            ("arn:aws:iam::111122223333:role/other", false),
            ("*", true),
            ("arn:aws:iam:?*:*:role/loader", false),
        ] {
            let found = holds_for(operator, "aws:PrincipalArn", json!(value), &request);
            assert_eq!(found, expected, "{operator} {value}");
        }
    }
    let not = json!("arn:aws:iam::111122223333:role/*");
    assert!(!holds_for("ArnNotLike", "aws:PrincipalArn", not, &request));
}

#[test]
fn a_variable_is_what_the_request_says_and_nothing_without_a_value() {
    // VARIABLES: special characters, defaults, and "the value is effectively null".
    let tagged = Request::new(&Principal::Aws(ROLE.to_owned()), "kms:Decrypt", KEY)
        .with("aws:RequestTag/team", "log*")
        .expect("known");
    let with = |app| tagged.clone().with_encryption_context([("app", app)]).expect("known");
    let team = json!("${aws:RequestTag/team}");
    assert!(holds_for("StringEquals", APP, team.clone(), &with("log*")));
    assert!(!holds_for("StringEquals", APP, team.clone(), &with("logs")));
    assert!(!holds_for("StringLike", APP, team.clone(), &with("logs")), "its star is a star");
    assert!(holds_for("StringLike", APP, json!("${aws:RequestTag/team}s?"), &with("log*st")));
    assert!(holds_for("StringEquals", APP, json!("${*}${?}${$}"), &with("*?$")));
    let missing = json!("${aws:RequestTag/none}");
    assert!(!holds_for("StringEquals", APP, missing.clone(), &with("")));
    assert!(!holds_for("StringLike", APP, json!("${aws:RequestTag/none}*"), &with("a")));
    assert!(holds_for("StringNotEquals", APP, missing, &with("a")));
    assert!(holds_for("StringEquals", APP, json!("${aws:RequestTag/none, 'a'}"), &with("a")));
    let fields = json!({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*",
                        "Resource": "arn:aws:kms:*:*:key/${aws:RequestTag/none}"});
    let policy = Policy::key(&statement(&fields)).expect("known");
    let decision = decide(&tagged, &[], Some(&policy)).expect("known");
    assert!(!decision.is_allowed(), "a resource without the tag is no resource");
}
