//! A region of one's own choice for KMS, as after a restore elsewhere.
//!
//! Invariants: of a recorded ARN only the region is replaced, and only where the key is a
//! multi-Region key. Partition, account and key id stay what they were.

use std::borrow::Cow;

use crate::aws::CallError;

/// The ids of multi-Region keys begin so, and those of no other key.
const MULTI_REGION: &str = "mrk-";

/// `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
struct KeyArn<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    id: &'a str,
}

impl<'a> KeyArn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "kms", region, account, resource] = parts[..] else { return None };
        let id = resource.strip_prefix("key/")?;
        let is_word =
            |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-'));
        let is_whole = text.len() <= 200
            && [partition, region, account, id].iter().all(|p| is_word(p) && !p.is_empty());
        is_whole.then_some(Self { partition, region, account, id })
    }

    fn is_multi_region(&self) -> bool {
        self.id.starts_with(MULTI_REGION)
    }
}

/// The ARN that a recorded key has in the region that is set. What is no ARN of a key
/// stays as it is: KMS never answers with it.
pub(super) fn localise<'a>(
    operation: &'static str,
    recorded: &'a str,
    region: Option<&str>,
) -> Result<Cow<'a, str>, CallError> {
    match (KeyArn::parse(recorded), region) {
        (Some(arn), Some(region)) if arn.region != region => {
            if !arn.is_multi_region() {
                return Err(CallError::of_other_region(operation, recorded));
            }
            let KeyArn { partition, account, id, .. } = arn;
            Ok(format!("arn:{partition}:kms:{region}:{account}:key/{id}").into())
        }
        _ => Ok(recorded.into()),
    }
}

/// Whether two ARNs name one KMS key: a multi-Region key is one key in all its regions.
#[must_use]
pub(crate) fn is_one_key(a: &str, b: &str) -> bool {
    match (KeyArn::parse(a), KeyArn::parse(b)) {
        (Some(a), Some(b)) if a.is_multi_region() => {
            (a.partition, a.account, a.id) == (b.partition, b.account, b.id)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MULTI: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-0123456789abcdef";
    const SINGLE: &str = "arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-cdef";

    fn in_ireland(recorded: &str) -> Result<String, String> {
        let arn = localise("KMS Decrypt", recorded, Some("eu-west-1"));
        arn.map(Cow::into_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_region_of_a_multi_region_key_is_replaced() {
        for arn in [MULTI, SINGLE] {
            for region in [None, Some("us-east-1")] {
                assert_eq!(localise("KMS Decrypt", arn, region).unwrap(), arn);
            }
        }
        assert_eq!(in_ireland(MULTI).unwrap(), MULTI.replace("us-east-1", "eu-west-1"));
        let china = MULTI.replace("arn:aws:", "arn:aws-cn:");
        assert_eq!(in_ireland(&china).unwrap(), china.replace("us-east-1", "eu-west-1"));
    }

    #[test]
    fn another_key_of_another_region_is_refused_by_name() {
        let error = in_ireland(SINGLE).unwrap_err();
        assert!(error.contains(SINGLE) && error.contains("no multi-Region key"), "{error}");
        // The word elsewhere in the id makes no such key.
        assert!(in_ireland(&SINGLE.replace("cdef", "mrk-")).is_err());
    }

    #[test]
    fn what_is_no_arn_of_a_key_stays_as_it_is() {
        let long = format!("{MULTI}{}", "0".repeat(200));
        for odd in [
            "",
            "mrk-0123456789abcdef",
            "alias/loginetl-ingest",
            "arn:aws:kms:us-east-1:111122223333:alias/mrk-a",
            "arn:aws:s3:us-east-1:111122223333:key/mrk-a",
            "arn:aws:kms:us-east-1:111122223333:key/mrk-a:b",
            "arn:aws:kms:us-east-1:111122223333:key/",
            "arn:aws:kms::111122223333:key/mrk-a",
            "arn:aws:kms:us-east-1:111122223333:key/mrk-a\n",
            &long,
        ] {
            assert_eq!(in_ireland(odd), Ok(odd.to_owned()), "{odd:?}");
        }
    }

    #[test]
    fn a_multi_region_key_is_one_key_in_all_its_regions() {
        let elsewhere = MULTI.replace("us-east-1", "eu-west-1");
        assert!(is_one_key(MULTI, MULTI) && is_one_key(MULTI, &elsewhere));
        assert!(!is_one_key(MULTI, &elsewhere.replace("1111", "4444")));
        assert!(!is_one_key(MULTI, &elsewhere.replace("cdef", "cdee")));
        assert!(is_one_key(SINGLE, SINGLE));
        assert!(!is_one_key(SINGLE, &SINGLE.replace("us-east-1", "eu-west-1")));
    }
}
