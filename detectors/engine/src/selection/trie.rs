//! Texts by their first bytes.

/// Finds all of its keys that other bytes begin with, in one walk that ends where no key goes on.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    /// The first one is where all keys begin.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The next byte, and the node that it leads to.
    edges: Vec<(u8, u32)>,
    /// What was inserted under the key that ends here.
    values: Vec<u32>,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    pub(super) fn insert(&mut self, key: impl Iterator<Item = u8>, value: u32) {
        let mut at = 0;
        for byte in key {
            at = match self.next(at, byte) {
                Some(next) => next,
                None => {
                    // Keys are short and come from rule files, so there are far fewer nodes than numbers.
                    let next = self.nodes.len();
                    self.nodes[at].edges.push((byte, next as u32));
                    self.nodes.push(Node::default());
                    next
                }
            };
        }
        self.nodes[at].values.push(value);
    }

    /// Hands `found` every value whose key `bytes` begin with.
    pub(super) fn find(&self, mut bytes: impl Iterator<Item = u8>, mut found: impl FnMut(u32)) {
        let mut at = Some(0);
        while let Some(node) = at {
            self.nodes[node].values.iter().for_each(|value| found(*value));
            at = bytes.next().and_then(|byte| self.next(node, byte));
        }
    }

    fn next(&self, node: usize, byte: u8) -> Option<usize> {
        let edges = &self.nodes[node].edges;
        let edge = edges.iter().find(|(wanted, _)| *wanted == byte);
        edge.map(|(_, next)| *next as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_is_found() {
        let mut trie = Trie::new();
        for (value, key) in ["/etc/", "/e", "", "/etc/", "/x"].iter().enumerate() {
            trie.insert(key.bytes(), value as u32);
        }
        let found = |text: &str| {
            let mut found = Vec::new();
            trie.find(text.bytes(), |value| found.push(value));
            found
        };
        assert_eq!(found("/etc/passwd"), [2, 1, 0, 3]);
        assert_eq!(found("/etc"), [2, 1]);
        assert_eq!(found(""), [2]);
        assert_eq!(found("y"), [2]);
    }
}
