//! The MITRE ATT&CK classification of a threat, all of it.
//!
//! The model has one tactic and one technique; where a detector names several, all of them are in the threat's properties
//! ([`Threat`](detectors_api::definition::Threat)).

use detectors_api::proto;

use super::words::known;

/// What a threat is in MITRE ATT&CK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mitre<'t> {
    /// Tactics, by name.
    pub(super) tactics: Vec<&'t str>,
    /// Techniques: id, and name where it is known. One of the two says something.
    pub(super) techniques: Vec<(&'t str, Option<&'t str>)>,
    /// Sub-techniques, by id.
    pub(super) sub_techniques: Vec<&'t str>,
}

impl<'t> Mitre<'t> {
    pub(super) fn of(threat: &'t proto::Threat) -> Self {
        let mitre = threat.mitre.as_ref();
        let tactic = mitre.and_then(|mitre| known(&mitre.tactic.as_ref()?.name));
        let technique = mitre
            .and_then(|mitre| mitre.technique.as_ref())
            .map(|technique| (technique.id.as_str(), known(&technique.name)))
            .filter(|(id, name)| !id.is_empty() || name.is_some());
        let mut tactics = list(threat, "mitre_tactics");
        if tactics.is_empty() {
            tactics.extend(tactic);
        }
        let mut techniques: Vec<_> = list(threat, "mitre_techniques")
            .into_iter()
            .map(|id| match technique {
                Some((first, name)) if first == id => (id, name),
                _ => (id, None),
            })
            .collect();
        if techniques.is_empty() {
            techniques.extend(technique);
        }
        Self {
            tactics,
            techniques,
            sub_techniques: list(threat, "mitre_sub_techniques"),
        }
    }
}

/// The parts of a property that lists things with commas.
fn list<'t>(threat: &'t proto::Threat, property: &str) -> Vec<&'t str> {
    let text = threat.properties.get(property).map_or("", String::as_str);
    text.split(',').filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use detectors_api::definition::Threat;

    use super::*;

    #[test]
    fn all_that_a_detector_names_is_found() {
        let threat = Threat::high("x")
            .tactic("Defense Evasion")
            .tactic("Privilege Escalation")
            .technique("T1055", "Process Injection")
            .technique("T1068", "Exploitation for Privilege Escalation")
            .sub_technique("T1055.001")
            .to_proto();
        let mitre = Mitre::of(&threat);
        assert_eq!(mitre.tactics, ["Defense Evasion", "Privilege Escalation"]);
        assert_eq!(
            mitre.techniques,
            [("T1055", Some("Process Injection")), ("T1068", None)]
        );
        assert_eq!(mitre.sub_techniques, ["T1055.001"]);
    }

    #[test]
    fn one_of_each_and_none() {
        let threat = Threat::high("x")
            .tactic("Impact")
            .technique("T1496", "")
            .to_proto();
        let mitre = Mitre::of(&threat);
        assert_eq!(
            (mitre.tactics, mitre.techniques),
            (vec!["Impact"], vec![("T1496", None)])
        );
        assert_eq!(Mitre::of(&Threat::high("x").to_proto()), Mitre::default());
    }
}
