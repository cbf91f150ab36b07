//! Flags that exist once a field: made from [`Field::ALL`], so that a further field has
//! them too.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::token::{Field, Fields, PerField};

/// Flags of one kind, one a field.
trait FieldFlags: Sized {
    /// The flag of a field; nothing where it has none.
    fn flag(field: Field) -> Option<Arg>;

    /// Takes what was given.
    fn take(matches: &ArgMatches) -> Self;
}

/// `--ip-hash HASH…` and its like: the hashes of each field.
#[derive(Default)]
pub(crate) struct HashFlags(pub PerField<Vec<String>>);

impl FieldFlags for HashFlags {
    fn flag(field: Field) -> Option<Arg> {
        let flag = Arg::new(field.flags().hash).long(field.flags().hash).value_name("HASH");
        let help = format!("Recover the {} with these hashes", field.nouns());
        Some(
            flag.num_args(1..).action(ArgAction::Append).groups(["selectors", "listed"]).help(help),
        )
    }

    fn take(matches: &ArgMatches) -> Self {
        let given = |field: Field| {
            matches.get_many(field.flags().hash).unwrap_or_default().cloned().collect()
        };
        Self(Field::ALL.into_iter().map(|field| (field, given(field))).collect())
    }
}

/// `--find-ip ADDRESS` and its like: a value whose rows are wanted.
#[derive(Default)]
pub(crate) struct FindFlags(pub Option<(Field, String)>);

impl FieldFlags for FindFlags {
    fn flag(field: Field) -> Option<Arg> {
        let flag =
            Arg::new(field.flags().find).long(field.flags().find).value_name(field.flags().value);
        let help = format!("Which rows have this {}? - reads it from standard input", field.noun());
        Some(flag.groups(["selectors", "value"]).conflicts_with("listed").help(help))
    }

    fn take(matches: &ArgMatches) -> Self {
        let given =
            |field: Field| Some((field, matches.get_one::<String>(field.flags().find)?.clone()));
        Self(Field::ALL.into_iter().find_map(given))
    }
}

/// `--ip-column COLUMN` and its like: where plain values stand.
#[derive(Default)]
pub(crate) struct ColumnFlags(pub PerField<String>);

impl FieldFlags for ColumnFlags {
    fn flag(field: Field) -> Option<Arg> {
        let flag = Arg::new(field.flags().column).long(field.flags().column).value_name("COLUMN");
        Some(flag.help(format!("The column that holds plain {}", field.nouns())))
    }

    fn take(matches: &ArgMatches) -> Self {
        let given =
            |field: Field| Some((field, matches.get_one::<String>(field.flags().column)?.clone()));
        Self(Field::ALL.into_iter().filter_map(given).collect())
    }
}

/// `--mask-user-id` and its like: optional fields that are to be masked.
#[derive(Default)]
pub(crate) struct MaskFlags(pub Fields);

impl FieldFlags for MaskFlags {
    fn flag(field: Field) -> Option<Arg> {
        let flag =
            Arg::new(field.flags().mask?).long(field.flags().mask?).action(ArgAction::SetTrue);
        Some(flag.help(format!("Mask {} too, from now on and for good", field.nouns())))
    }

    fn take(matches: &ArgMatches) -> Self {
        let is_given =
            |field: &Field| field.flags().mask.is_some_and(|flag| matches.get_flag(flag));
        Self(Field::ALL.into_iter().filter(is_given).collect())
    }
}

/// What clap asks of flags, for each kind.
macro_rules! flags {
    ($($kind:ty),*) => { $(
        impl Args for $kind {
            fn augment_args(command: Command) -> Command {
                command.args(Field::ALL.into_iter().filter_map(<$kind>::flag))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $kind {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
                Ok(Self::take(matches))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
                *self = Self::take(matches);
                Ok(())
            }
        }
    )* };
}

flags!(HashFlags, FindFlags, ColumnFlags, MaskFlags);
