//! The expressions of a file, checked and brought back to their places.

use std::collections::BTreeSet;

use detectors_api::catalogue::catalogue;
use detectors_api::definition::DetectorDefinition;

use crate::cel::{CelError, Environment, Program};
use crate::detector::{Condition, OutputField};
use crate::document::Kind;
use crate::document::item::Item;
use crate::error::{Faults, Reason, did_you_mean};
use crate::schema::OutputDraft;

/// What expressions are compiled against: the lists of a directory.
pub(crate) struct Compiler<'l> {
    pub(crate) environment: &'l Environment,
    /// The text that the expressions stand in.
    pub(crate) text: &'l str,
    /// Names of lists that are wrong, and so not in the environment.
    pub(crate) broken: &'l BTreeSet<String>,
    /// What [`known_fields`] tells.
    pub(crate) fields: Option<BTreeSet<&'static str>>,
}

/// The fields of the events that a detector consumes. `None` if it consumes other detectors' events, which are not known
/// before registration.
pub(crate) fn known_fields(definition: &DetectorDefinition) -> Option<BTreeSet<&'static str>> {
    let mut fields = BTreeSet::new();
    for event in &definition.events {
        fields.extend(
            catalogue()
                .get(&event.name)?
                .fields
                .iter()
                .map(|field| field.name),
        );
    }
    Some(fields)
}

impl Compiler<'_> {
    /// A condition. `None` if it is wrong.
    pub(crate) fn condition(&self, item: &Item<'_>, faults: &mut Faults) -> Option<Condition> {
        let program = self.program(item, faults, Environment::condition)?;
        let path = item.path.clone();
        Some(Condition { path, program })
    }

    /// An output field. `None` if its expression is wrong.
    pub(crate) fn output(&self, draft: OutputDraft<'_>, faults: &mut Faults) -> Option<OutputField> {
        let program = self.program(&draft.expression, faults, Environment::expression)?;
        Some(OutputField {
            name: draft.name,
            path: draft.expression.path,
            program,
            optional: draft.optional,
            field_type: draft.field_type,
        })
    }

    fn program(
        &self,
        item: &Item<'_>,
        faults: &mut Faults,
        compile: fn(&Environment, &str) -> Result<Program, Vec<CelError>>,
    ) -> Option<Program> {
        // Reported when the document was read.
        let Kind::Scalar(scalar) = &item.node.kind else {
            return None;
        };
        let errors = match compile(self.environment, &scalar.value) {
            Ok(program) => {
                self.check_fields(item, &program, faults);
                return Some(program);
            }
            Err(errors) => errors,
        };
        for error in errors {
            let hint = self.broken_list(&scalar.value, error.offset).or(error.hint);
            let message = error.message;
            let offset = item.node.locate(self.text, error.offset);
            faults
                .add_at(offset, item.path.clone(), Reason::Expression { message })
                .hint_some(hint);
        }
        None
    }

    /// Warns of names of fields that no event of the detector has.
    fn check_fields(&self, item: &Item<'_>, program: &Program, faults: &mut Faults) {
        let Some(fields) = &self.fields else { return };
        for (start, name) in program.fields() {
            if !fields.contains(name) {
                let offset = item.node.locate(self.text, start);
                let name = name.to_owned();
                let hint = did_you_mean(&name, fields.iter().copied());
                faults
                    .add_at(offset, item.path.clone(), Reason::UnknownField { name })
                    .hint_some(hint)
                    .harmless();
            }
        }
    }

    /// A name is unknown because its list is wrong.
    fn broken_list(&self, expression: &str, offset: usize) -> Option<String> {
        let rest = expression.get(offset..)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        self.broken
            .contains(name)
            .then(|| format!("the list {name} is not there, because it is wrong itself"))
    }
}
