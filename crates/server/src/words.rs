//! The stable words of `model` and its counts, as the description of the API shows them.

use model::{
    Facets, FailureReason, JobClass, MessageKind, Phase, Role, ScanStatus, Severity, scan::ChangeReason,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Type},
    },
};

/// One of a list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Word<T>(pub(crate) T);

macro_rules! describe {
    ($($alias:ident, $type:ty, $name:literal, $all:expr;)+) => {
        $(
            // An alias, because the description takes a type's arguments for parts of its schema.
            pub(crate) type $alias = Word<$type>;

            impl PartialSchema for Word<$type> {
                fn schema() -> RefOr<Schema> {
                    let words = $all.iter().map(|word| word.as_str());
                    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
                }
            }

            impl ToSchema for Word<$type> {
                fn name() -> std::borrow::Cow<'static, str> {
                    $name.into()
                }
            }
        )+
    };
}

describe! {
    ScanStatusWord, ScanStatus, "ScanStatus", ScanStatus::ALL;
    FailureReasonWord, FailureReason, "FailureReason", FailureReason::ALL;
    JobClassWord, JobClass, "JobClass", JobClass::ALL;
    PhaseWord, Phase, "Phase", Phase::ALL;
    RoleWord, Role, "Role", Role::ALL;
    ChangeReasonWord, ChangeReason, "ChangeReason", ChangeReason::ALL;
    MessageKindWord, MessageKind, "MessageKind", MessageKind::ALL;
    SeverityWord, Severity, "Severity", Severity::DESCENDING;
}

/// Counts of findings by severity.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Facets)]
pub(crate) struct FacetsBody {
    critical: u32,
    high: u32,
    medium: u32,
    low: u32,
    negligible: u32,
    /// Of no known severity.
    unknown: u32,
    /// Those, of any severity, that a newer version fixes.
    fixable: u32,
}

impl From<Facets> for FacetsBody {
    fn from(facets: Facets) -> Self {
        let Facets { critical, high, medium, low, negligible, unknown, fixable } = facets;
        Self { critical, high, medium, low, negligible, unknown, fixable }
    }
}
