//! The reference of detectors, as a page of Markdown.
//!
//! `docs/detectors.md` is this page of the built-in ones. It says nothing that the definitions do not, so it cannot fall
//! behind them; a test compares.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use detectors_api::definition::{Dependency, DetectorDefinition, EventRequirement, Threat};

/// The tactics of MITRE ATT&CK for enterprises, in its order, by name and id.
const TACTICS: [(&str, &str); 14] = [
    ("Reconnaissance", "TA0043"),
    ("Resource Development", "TA0042"),
    ("Initial Access", "TA0001"),
    ("Execution", "TA0002"),
    ("Persistence", "TA0003"),
    ("Privilege Escalation", "TA0004"),
    ("Defense Evasion", "TA0005"),
    ("Credential Access", "TA0006"),
    ("Discovery", "TA0007"),
    ("Lateral Movement", "TA0008"),
    ("Collection", "TA0009"),
    ("Command and Control", "TA0011"),
    ("Exfiltration", "TA0010"),
    ("Impact", "TA0040"),
];

/// A section for each detector, after a table of all and one by tactic.
///
/// Detectors come in the order of their ids, numbers as numbers; tactics in that of MITRE ATT&CK.
#[must_use]
pub fn page(definitions: &[DetectorDefinition]) -> String {
    let mut definitions: Vec<_> = definitions.iter().collect();
    definitions.sort_by_key(|definition| place(&definition.id));
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = overview(&mut page, &definitions)
        .and_then(|()| by_tactic(&mut page, &definitions))
        .and_then(|()| {
            definitions
                .iter()
                .try_for_each(|definition| section(&mut page, definition))
        });
    page
}

fn overview(page: &mut String, definitions: &[&DetectorDefinition]) -> fmt::Result {
    writeln!(page, "| detector | event | severity | what it detects |")?;
    writeln!(page, "|---|---|---|---|")?;
    for definition in definitions {
        writeln!(
            page,
            "| {} | `{}` | {} | {} |",
            link(&definition.id),
            definition.event.name,
            definition.threat.as_ref().map(severity).unwrap_or_default(),
            text(&definition.event.description),
        )?;
    }
    Ok(())
}

fn by_tactic(page: &mut String, definitions: &[&DetectorDefinition]) -> fmt::Result {
    let mut detectors: BTreeMap<(usize, &str, &str, &str), Vec<String>> = BTreeMap::new();
    for definition in definitions {
        let Some(threat) = &definition.threat else {
            continue;
        };
        for tactic in &threat.tactics {
            let known = TACTICS.iter().position(|(name, _)| name == tactic);
            for (id, name) in &threat.techniques {
                let row = (
                    known.unwrap_or(TACTICS.len()),
                    tactic.as_str(),
                    id.as_str(),
                    name.as_str(),
                );
                detectors.entry(row).or_default().push(link(&definition.id));
            }
        }
    }
    writeln!(page, "\n## By tactic\n")?;
    writeln!(page, "| tactic | technique | detectors |")?;
    writeln!(page, "|---|---|---|")?;
    for ((_, tactic, id, name), detectors) in detectors {
        let detectors = detectors.join(", ");
        writeln!(
            page,
            "| {} | {} | {detectors} |",
            tactic_link(tactic),
            technique_link(id, name)
        )?;
    }
    Ok(())
}

fn section(page: &mut String, definition: &DetectorDefinition) -> fmt::Result {
    let event = &definition.event;
    writeln!(page, "\n## {}\n", definition.id)?;
    if let Some(threat) = &definition.threat {
        writeln!(page, "**{}** ({})\n", text(&threat.name), severity(threat))?;
        writeln!(page, "{}\n", text(&threat.description))?;
    }
    writeln!(
        page,
        "* Event: `{}` {}, number {}",
        event.name,
        event.version,
        event.number()
    )?;
    for field in &event.fields {
        writeln!(page, "* Field: `{}`, {}", field.name, field.field_type)?;
    }
    for tag in &event.tags {
        writeln!(page, "* Tag: `{tag}`")?;
    }
    for requirement in &definition.events {
        writeln!(page, "* Runs on: {}", input(requirement))?;
    }
    for requirement in &definition.stores {
        let dependency = dependency(requirement.dependency);
        writeln!(page, "* Store: `{}`, {dependency}", requirement.name)?;
    }
    for requirement in &definition.enrichments {
        let mode = requirement.config.iter().map(|mode| format!("={mode}"));
        let mode = mode.collect::<String>();
        let dependency = dependency(requirement.dependency);
        writeln!(page, "* Enrichment: `{}{mode}`, {dependency}", requirement.name)?;
    }
    if !definition.architectures.is_empty() {
        writeln!(page, "* Architectures: {}", definition.architectures.join(", "))?;
    }
    let Some(threat) = &definition.threat else {
        return Ok(());
    };
    for tactic in &threat.tactics {
        writeln!(page, "* Tactic: {}", tactic_link(tactic))?;
    }
    for (id, name) in &threat.techniques {
        writeln!(page, "* Technique: {}", technique_link(id, name))?;
    }
    for id in &threat.sub_techniques {
        writeln!(page, "* Sub-technique: {}", technique_link(id, ""))?;
    }
    if let Some((id, name)) = &threat.signature {
        writeln!(page, "* Signature: {} {}", text(id), text(name))?;
    }
    for (key, value) in &threat.properties {
        writeln!(page, "* Property: `{key}` = `{value}`")?;
    }
    Ok(())
}

/// An input event, with its filters as they are written.
fn input(requirement: &EventRequirement) -> String {
    let mut input = format!("`{}`", requirement.name);
    for filter in requirement.scope.iter().chain(&requirement.data) {
        let joint = if input.contains(" with ") { " and" } else { " with" };
        input.push_str(&format!("{joint} `{filter}`"));
    }
    if let Some(lowest) = requirement.min_version {
        input.push_str(&format!(", version {lowest} or later"));
    }
    if let Some(end) = requirement.max_version {
        input.push_str(&format!(", version before {end}"));
    }
    if requirement.dependency == Dependency::Optional {
        input.push_str(", optional");
    }
    input
}

const fn dependency(dependency: Dependency) -> &'static str {
    match dependency {
        Dependency::Required => "required",
        Dependency::Optional => "optional",
    }
}

fn severity(threat: &Threat) -> String {
    format!("{:?}", threat.severity).to_lowercase()
}

/// What ids are sorted by: `TRC-109` comes before `TRC-1010`.
fn place(id: &str) -> (&str, u64, &str) {
    let (prefix, number) = id.rsplit_once('-').unwrap_or((id, ""));
    (prefix, number.parse().unwrap_or(u64::MAX), id)
}

/// A link to a detector's section of the page.
fn link(id: &str) -> String {
    format!("[{id}](#{})", id.to_lowercase())
}

fn tactic_link(name: &str) -> String {
    let known = TACTICS.iter().find(|(known, _)| *known == name);
    known.map_or_else(
        || text(name),
        |(_, id)| format!("[{name}](https://attack.mitre.org/tactics/{id}/)"),
    )
}

fn technique_link(id: &str, name: &str) -> String {
    // A sub-technique is a directory of its technique's.
    let path = id.replace('.', "/");
    let label = format!("{id} {}", text(name));
    format!(
        "[{}](https://attack.mitre.org/techniques/{path}/)",
        label.trim_end()
    )
}

/// `text` with nothing in it that Markdown, or HTML in it, or a table, would take for its own.
fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '`' | '\\' | '[' => escaped.extend(['\\', character]),
            '\n' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use detectors_api::catalogue::{FieldType, Version};
    use detectors_api::definition::{EnrichmentRequirement, StoreRequirement};
    use detectors_api::stores::Store;

    use super::*;

    #[test]
    fn everything_that_a_definition_says_is_on_the_page() {
        let definition = DetectorDefinition::new("ACME-2", "odd_things")
            .event_id(9000)
            .version(Version::new(1, 2, 3))
            .describe("Something | odd")
            .field("odd thing", FieldType::String)
            .tag("odd")
            .on(EventRequirement::new("security_file_open")
                .data("pathname=/etc/*")
                .data("flags=1")
                .scope("container=started"))
            .on(EventRequirement::new("sched_process_exec")
                .min_version(Version::new(1, 0, 0))
                .max_version(Version::new(2, 0, 0))
                .optional())
            .store(StoreRequirement::optional(Store::Process))
            .enrichment(EnrichmentRequirement::required("executable-hash").config("inode"))
            .architectures(["amd64"])
            .threat(
                Threat::high("Odd <things>")
                    .describe("They *happen*.")
                    .tactic("Impact")
                    .technique("T1565.001", "Stored Data Manipulation")
                    .sub_technique("T1565.002")
                    .signature("SIG-1", "Oddity")
                    .property("Category", "impact"),
            );
        let plain = DetectorDefinition::new("ACME-10", "plain_things");
        insta::assert_snapshot!(page(&[plain, definition]));
    }

    #[test]
    fn numbers_count_as_numbers() {
        let mut ids = ["TRC-1010", "TRC-109", "X", "DRV-003", "TRC-x"];
        ids.sort_by_key(|id| place(id));
        assert_eq!(ids, ["DRV-003", "TRC-109", "TRC-1010", "TRC-x", "X"]);
    }
}
