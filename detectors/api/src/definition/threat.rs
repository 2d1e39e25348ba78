//! Why a detection matters.

use std::collections::BTreeMap;

use crate::proto;

/// Why a detection matters.
///
/// The event model has one tactic and one technique. The first of each goes there; when there are more, all of them go to
/// the threat's properties: `mitre_tactics` and `mitre_techniques` (ids), comma-separated. Sub-techniques go to
/// `mitre_sub_techniques`, a signature to `signature_id` and `signature_name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threat {
    /// Short name.
    pub name: String,
    /// Text for people.
    pub description: String,
    /// How bad it is.
    pub severity: proto::Severity,
    /// MITRE ATT&CK tactics, by name.
    pub tactics: Vec<String>,
    /// MITRE ATT&CK techniques: id and name.
    pub techniques: Vec<(String, String)>,
    /// MITRE ATT&CK sub-techniques, by id.
    pub sub_techniques: Vec<String>,
    /// The signature that it stands for: id and name.
    pub signature: Option<(String, String)>,
    /// Free-form properties.
    pub properties: BTreeMap<String, String>,
}

impl Threat {
    /// A threat of the given severity.
    #[must_use]
    pub fn new(severity: proto::Severity, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            severity,
            tactics: Vec::new(),
            techniques: Vec::new(),
            sub_techniques: Vec::new(),
            signature: None,
            properties: BTreeMap::new(),
        }
    }

    /// An informational threat.
    #[must_use]
    pub fn info(name: impl Into<String>) -> Self {
        Self::new(proto::Severity::Info, name)
    }

    /// A low threat.
    #[must_use]
    pub fn low(name: impl Into<String>) -> Self {
        Self::new(proto::Severity::Low, name)
    }

    /// A medium threat.
    #[must_use]
    pub fn medium(name: impl Into<String>) -> Self {
        Self::new(proto::Severity::Medium, name)
    }

    /// A high threat.
    #[must_use]
    pub fn high(name: impl Into<String>) -> Self {
        Self::new(proto::Severity::High, name)
    }

    /// A critical threat.
    #[must_use]
    pub fn critical(name: impl Into<String>) -> Self {
        Self::new(proto::Severity::Critical, name)
    }

    /// Sets the text for people.
    #[must_use]
    pub fn describe(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Adds a MITRE ATT&CK tactic, such as `Defense Evasion`.
    #[must_use]
    pub fn tactic(mut self, name: impl Into<String>) -> Self {
        self.tactics.push(name.into());
        self
    }

    /// Adds a MITRE ATT&CK technique, such as `T1055`, `Process Injection`.
    #[must_use]
    pub fn technique(mut self, id: impl Into<String>, name: impl Into<String>) -> Self {
        self.techniques.push((id.into(), name.into()));
        self
    }

    /// Adds a MITRE ATT&CK sub-technique, such as `T1055.001`.
    #[must_use]
    pub fn sub_technique(mut self, id: impl Into<String>) -> Self {
        self.sub_techniques.push(id.into());
        self
    }

    /// Sets the signature that the detection stands for.
    #[must_use]
    pub fn signature(mut self, id: impl Into<String>, name: impl Into<String>) -> Self {
        self.signature = Some((id.into(), name.into()));
        self
    }

    /// Sets a property.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// The threat as a message.
    #[must_use]
    pub fn to_proto(&self) -> proto::Threat {
        let mut properties = self.properties.clone();
        if self.tactics.len() > 1 {
            properties.insert("mitre_tactics".to_owned(), self.tactics.join(","));
        }
        if self.techniques.len() > 1 {
            let ids: Vec<_> = self.techniques.iter().map(|(id, _)| id.as_str()).collect();
            properties.insert("mitre_techniques".to_owned(), ids.join(","));
        }
        if !self.sub_techniques.is_empty() {
            properties.insert("mitre_sub_techniques".to_owned(), self.sub_techniques.join(","));
        }
        if let Some((id, name)) = &self.signature {
            properties.insert("signature_id".to_owned(), id.clone());
            properties.insert("signature_name".to_owned(), name.clone());
        }
        let mitre = (!self.tactics.is_empty() || !self.techniques.is_empty()).then(|| proto::Mitre {
            tactic: self
                .tactics
                .first()
                .map(|name| proto::MitreTactic { name: name.clone() }),
            technique: self.techniques.first().map(|(id, name)| proto::MitreTechnique {
                id: id.clone(),
                name: name.clone(),
            }),
        });
        proto::Threat {
            description: self.description.clone(),
            mitre,
            severity: self.severity.into(),
            name: self.name.clone(),
            properties,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threat_keeps_what_the_model_has_no_place_for() {
        let threat = Threat::critical("Takeover")
            .tactic("Defense Evasion")
            .tactic("Privilege Escalation")
            .technique("T1055", "Process Injection")
            .sub_technique("T1055.001")
            .signature("SIG-1", "Injection")
            .property("Category", "evasion")
            .to_proto();
        let mitre = threat.mitre.expect("a tactic is set");
        assert_eq!(mitre.tactic.expect("first").name, "Defense Evasion");
        assert_eq!(mitre.technique.expect("first").id, "T1055");
        let properties: Vec<_> = threat
            .properties
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            properties,
            [
                "Category=evasion",
                "mitre_sub_techniques=T1055.001",
                "mitre_tactics=Defense Evasion,Privilege Escalation",
                "signature_id=SIG-1",
                "signature_name=Injection",
            ]
        );
    }
}
