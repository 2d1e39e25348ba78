//! From the parser's events to a tree.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{Entry, Kind, MAX_DEPTH, MAX_EXPANSION, NODE_COST, Node, Scalar, Style};
use crate::error::{Faults, Reason};

/// Reads a document. The first fault that leaves its structure unknown ends it; others are reported on the way.
pub(super) struct Builder<'t, 'f> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    /// Byte offset of every character: the parser counts characters.
    offsets: Vec<usize>,
    /// What aliases can name, with its cost.
    anchors: HashMap<usize, (Node, usize)>,
    /// Cost of what was built so far.
    cost: usize,
    faults: &'f mut Faults,
}

impl<'t, 'f> Builder<'t, 'f> {
    pub(super) fn new(text: &'t str, faults: &'f mut Faults) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            text,
            offsets: text.char_indices().map(|(offset, _)| offset).collect(),
            anchors: HashMap::new(),
            cost: 0,
            faults,
        }
    }

    pub(super) fn document(mut self) -> Option<Node> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => {
                    self.faults.add(0, Reason::EmptyFile);
                    return None;
                }
                (event, span) => {
                    let root = self.node(event, span, 0)?;
                    return self.end().map(|()| root);
                }
            }
        }
    }

    /// Makes sure that the document ends here. Whatever comes after an explicit end is another document's.
    fn end(&mut self) -> Option<()> {
        let (_, span) = self.next()?;
        let explicit = matches!(&self.text[span.clone()], "---" | "...");
        match self.parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => {}
            Some(Err(error)) if !explicit => {
                self.syntax(&error);
                return None;
            }
            Some(_) => {
                self.faults.add(span.start, Reason::SecondDocument).harmless();
            }
        }
        Some(())
    }

    /// The next event; `None`, with a fault, where the text is not YAML.
    fn next(&mut self) -> Option<(Event<'t>, Range<usize>)> {
        match self.parser.next_event()? {
            Ok((event, span)) => Some((event, self.range(span))),
            Err(error) => {
                self.syntax(&error);
                None
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let offset = self.offset(error.marker().index());
        let rest = &self.text[offset..];
        if rest.starts_with('!') {
            self.unknown_tag(offset);
            return;
        }
        let message = error.info().to_owned();
        let hint = syntax_hint(rest, &message);
        self.faults
            .add(offset, Reason::Syntax { message })
            .hint_some(hint);
    }

    fn unknown_tag(&mut self, offset: usize) {
        let tag = self.text[offset..].split_whitespace().next().unwrap_or("!");
        let tag = tag.chars().take(40).collect();
        self.faults
            .add(offset, Reason::Tag { tag })
            .hint("an expression that begins with ! has to be in quotes: '!(…)'");
    }

    fn offset(&self, characters: usize) -> usize {
        self.offsets.get(characters).copied().unwrap_or(self.text.len())
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start.index());
        start..self.offset(span.end.index()).max(start)
    }

    fn node(&mut self, event: Event<'t>, span: Range<usize>, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            self.faults.add(span.start, Reason::TooDeep);
            return None;
        }
        let before = self.cost;
        self.spend(NODE_COST, span.start)?;
        let (anchor, tag, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, &span),
            Event::Scalar(value, style, anchor, tag) => {
                self.spend(value.len(), span.start)?;
                let scalar = Scalar {
                    value: value.into_owned(),
                    style: style_of(style),
                };
                let kind = Kind::Scalar(scalar);
                (anchor, tag, Node { span, kind })
            }
            Event::SequenceStart(anchor, tag) => (anchor, tag, self.list(span, depth)?),
            Event::MappingStart(anchor, tag) => (anchor, tag, self.mapping(span, depth)?),
            // The parser gives no other event where a node has to be.
            _ => return None,
        };
        let node = match tag {
            Some(tag) => self.tagged(&tag, node),
            None => node,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.cost - before));
        }
        Some(node)
    }

    fn spend(&mut self, cost: usize, offset: usize) -> Option<()> {
        self.cost += cost;
        if self.cost > MAX_EXPANSION {
            self.faults.add(offset, Reason::TooLargeExpanded);
            return None;
        }
        Some(())
    }

    fn alias(&mut self, anchor: usize, span: &Range<usize>) -> Option<Node> {
        // An alias within what it names has no end.
        let Some((_, cost)) = self.anchors.get(&anchor) else {
            self.faults.add(span.start, Reason::EndlessAlias);
            return None;
        };
        self.spend(*cost, span.start)?;
        self.anchors.get(&anchor).map(|(node, _)| node.clone())
    }

    fn list(&mut self, span: Range<usize>, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => return Some(whole(&span, &end, Kind::List(items))),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, span: Range<usize>, depth: usize) -> Option<Node> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = HashSet::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, end) => return Some(whole(&span, &end, Kind::Mapping(entries))),
                (event, span) => self.node(event, span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match key.kind {
                Kind::Scalar(scalar) => {
                    if keys.insert(scalar.value.clone()) {
                        entries.push(Entry {
                            key: scalar.value,
                            span: key.span,
                            value,
                        });
                    } else {
                        let reason = Reason::DuplicateKey { key: scalar.value };
                        self.faults.add(key.span.start, reason);
                    }
                }
                Kind::List(_) | Kind::Mapping(_) => {
                    let found = key.kind.name();
                    self.faults.add(key.span.start, Reason::KeyKind { found });
                }
                Kind::Invalid => {}
            }
        }
    }

    /// `node` under its tag. Those of YAML itself say what a node is anyway; others mean nothing here.
    fn tagged(&mut self, tag: &Tag, node: Node) -> Node {
        const KNOWN: [&str; 7] = ["str", "int", "float", "bool", "null", "seq", "map"];
        if tag.is_yaml_core_schema() && KNOWN.contains(&tag.suffix.as_str()) {
            return node;
        }
        self.unknown_tag(node.span.start);
        Node {
            kind: Kind::Invalid,
            ..node
        }
    }
}

fn whole(start: &Range<usize>, end: &Range<usize>, kind: Kind) -> Node {
    Node {
        span: start.start..end.end.max(start.start),
        kind,
    }
}

const fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

/// What to do about a syntax error that people make when they write expressions.
fn syntax_hint(rest: &str, message: &str) -> Option<&'static str> {
    if message.contains("quoted scalar") && message.contains("trailing") {
        return Some("put the whole expression in quotes: '\"a\" == b'");
    }
    match rest.chars().next()? {
        '@' | '`' | '%' => Some("a text that begins with this character has to be in quotes"),
        ':' => Some("a text with a colon and a space in it has to be in quotes"),
        '\t' => Some("indent with spaces"),
        _ if message.contains("tab") => Some("indent with spaces"),
        _ => None,
    }
}
