//! Texts by their first bytes.

/// Finds all of its keys that other bytes begin with, in one walk that ends where no key goes on.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    /// The first one is where all keys begin.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The bytes that lead on: bit 0 of word 0 stands for byte 0. Most walks end early, at a byte that is not there.
    bytes: [u64; 4],
    /// Number of bytes that lead on below those of each word.
    below: [u8; 4],
    /// Where they lead, in the order of bytes.
    next: Vec<u32>,
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
            at = self.nodes[at].next(byte).unwrap_or_else(|| {
                let new = self.nodes.len();
                // Keys are short and come from rule files, so there are far fewer nodes than numbers.
                self.nodes[at].lead(byte, new as u32);
                self.nodes.push(Node::default());
                new
            });
        }
        self.nodes[at].values.push(value);
    }

    /// Hands `found` every value whose key `bytes` begin with.
    pub(super) fn find(&self, mut bytes: impl Iterator<Item = u8>, mut found: impl FnMut(u32)) {
        let mut at = Some(0);
        while let Some(node) = at.map(|node| &self.nodes[node]) {
            node.values.iter().for_each(|value| found(*value));
            at = bytes.next().and_then(|byte| node.next(byte));
        }
    }
}

impl Node {
    fn next(&self, byte: u8) -> Option<usize> {
        self.leads(byte).then(|| self.next[self.position(byte)] as usize)
    }

    fn leads(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    /// Number of bytes below `byte` that lead on.
    fn position(&self, byte: u8) -> usize {
        let word = usize::from(byte >> 6);
        let in_word = self.bytes[word] & ((1 << (byte & 63)) - 1);
        usize::from(self.below[word]) + in_word.count_ones() as usize
    }

    /// From now on `byte`, which has led nowhere, leads to `node`.
    fn lead(&mut self, byte: u8, node: u32) {
        self.next.insert(self.position(byte), node);
        let word = usize::from(byte >> 6);
        self.bytes[word] |= 1 << (byte & 63);
        // There are at most 192 bytes below the last word.
        self.below[word + 1..].iter_mut().for_each(|below| *below += 1);
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

    #[test]
    fn every_byte_leads_where_it_should() {
        let mut trie = Trie::new();
        let bytes: Vec<u8> = (0..=255).rev().collect();
        for byte in &bytes {
            trie.insert([*byte, b'x'].into_iter(), u32::from(*byte));
        }
        for byte in bytes {
            let mut found = Vec::new();
            trie.find([byte, b'x'].into_iter(), |value| found.push(value));
            assert_eq!(found, [u32::from(byte)]);
        }
    }
}
