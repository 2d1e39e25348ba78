//! Text to tree: the `cel` crate reads the grammar, we bring its tree into our form.
//!
//! The parser comes without macros, so that calls stay as they are written and errors point at what people wrote. It
//! recurses over chains such as `a.b.c…`, and its tree does so when it is dropped; so it runs on a stack of its own, large
//! enough for the longest text. A panic in it is an error like any other.

use super::convert::Converter;
use super::problem::{UNREADABLE, problem};
use super::{Expr, MAX_DEPTH, MAX_LEN};
use crate::cel::CelError;

/// Stack of the parser, in bytes: memory is used as far as the stack grows. A chain of single letters, the deepest tree for its
/// length, takes about 10 KiB for each of its `MAX_LEN / 2` members in a build without optimisation.
const STACK: usize = MAX_LEN / 2 * (16 << 10);

/// The tree of `source`.
pub(in crate::cel) fn parse(source: &str) -> Result<Expr, CelError> {
    if source.len() > MAX_LEN {
        let message = format!(
            "the expression has {} bytes; at most {MAX_LEN} are allowed",
            source.len()
        );
        return Err(CelError::new(0, message).hint("split it into several conditions"));
    }
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new()
            .name("cel".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || parse_here(source));
        match parser.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) => Err(CelError::new(0, UNREADABLE)),
            Err(error) => Err(CelError::new(
                0,
                format!("no thread to read the expression in: {error}"),
            )),
        }
    })
}

fn parse_here(source: &str) -> Result<Expr, CelError> {
    // An environment without anything has no macros.
    let parser = ::cel::Env::default().parser().max_recursion_depth(MAX_DEPTH);
    let parser = parser.enable_optional_syntax(false);
    match parser.parse_with_source_info(source) {
        Ok((tree, places)) => Converter::new(source, &places).expr(tree, 0),
        Err(errors) => Err(problem(source, &errors.errors)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn tree(source: &str) -> Expr {
        parse(source).unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    fn refused(source: &str) -> (usize, String) {
        match parse(source) {
            Ok(tree) => panic!("{source} is read as {tree:?}"),
            Err(error) => (error.offset, error.message),
        }
    }

    #[test]
    fn every_node_knows_its_place() {
        let source = "\"é\" in a . b && size (c) > f.g( 1 )";
        let Kind::All(operands) = tree(source).kind else {
            panic!("a conjunction");
        };
        let at = |needle: &str| source.find(needle).expect("it is there");
        assert_eq!(operands[0].offset, at("in"));
        let Kind::Binary(_, text, list) = &operands[0].kind else {
            panic!("`in`");
        };
        assert_eq!((text.offset, list.offset), (0, at("b &&")));
        let Kind::Binary(_, size, call) = &operands[1].kind else {
            panic!("a comparison");
        };
        assert_eq!((size.offset, call.offset), (at("size"), at("g(")));
        let Kind::Call { args, .. } = tree("f(\"x\")").kind else {
            panic!("a call");
        };
        assert_eq!(args[0].offset, 2);
    }

    #[test]
    fn a_chain_of_conditions_is_one_node_however_long() {
        let source = ["a"; 3000].join(" && ");
        match tree(&source).kind {
            Kind::All(operands) => assert_eq!(operands.len(), 3000),
            other => panic!("{other:?}"),
        }
        let Kind::Any(operands) = tree("a || b && c || d").kind else {
            panic!("a disjunction");
        };
        assert_eq!(operands.len(), 3);
    }

    #[test]
    fn macros_stay_calls() {
        let Kind::Call { function, args, .. } = tree("has(a.b)").kind else {
            panic!("a call");
        };
        assert_eq!((function.as_str(), args.len()), ("has", 1));
        assert!(matches!(
            tree("x.all(i, i > 0)").kind,
            Kind::Call { target: Some(_), .. }
        ));
    }

    #[test]
    fn errors_point_at_the_place() {
        for (source, offset) in [
            ("", 0),
            ("a ==", 4),
            ("a == && b", 5),
            ("a = b", 2),
            ("\"é\" == \"x", 8),
            ("f(a", 3),
            ("a)", 1),
            ("a.", 2),
            ("1 +\n  * 2", 6),
            ("x ? 1", 5),
            ("for", 0),
            ("9223372036854775808", 0),
            ("tracee.v1beta1.Event{}", 20),
            ("a.?b", 1),
        ] {
            let (at, message) = refused(source);
            assert_eq!(at, offset, "{source}: {message}");
            assert!(!message.is_empty());
        }
    }

    /// The deepest texts of the length that is allowed: none may exhaust the stack.
    #[test]
    fn nothing_is_too_deep_for_the_parser() {
        let repeated = |unit: &str, end: &str| {
            let count = (MAX_LEN - end.len()) / unit.len();
            unit.repeat(count) + end
        };
        for (unit, end) in [
            ("(", ""),
            ("[", ""),
            ("{", ""),
            ("{a:", ""),
            ("a.", "b"),
            ("a+", "b"),
            ("a<", "b"),
            ("a?b:", "c"),
            ("a?", "c"),
            ("a(", ""),
            ("a[", ""),
            ("a.b(", ""),
        ] {
            let (_, message) = refused(&repeated(unit, end));
            assert_ne!(message, UNREADABLE, "{unit}");
        }
        for unit in ["-", "!"] {
            tree(&repeated(unit, "a"));
        }
        tree(&("a".to_owned() + &"[0]".repeat(80)));
        assert!(
            refused(&("a".to_owned() + &"[0]".repeat(MAX_LEN / 3 - 1)))
                .1
                .contains("nested")
        );
        assert!(refused(&"a".repeat(MAX_LEN + 1)).1.contains("bytes"));
    }
}
