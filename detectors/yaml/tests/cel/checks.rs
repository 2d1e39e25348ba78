//! What is refused before the first event, where, and with what advice.

use crate::{environment, problems};

/// Asserts that `source`, in which `^` marks the place of its one problem, has the problem.
fn refused(marked: &str, message: &str, hint: &str) {
    let offset = marked.find('^').expect("the place is marked");
    let source = marked.replacen('^', "", 1);
    let problems = problems(&source);
    assert_eq!(problems.len(), 1, "{source}: {problems:?}");
    let problem = &problems[0];
    assert_eq!(problem.message, message, "{source}");
    assert_eq!(problem.hint.as_deref().unwrap_or_default(), hint, "{source}");
    assert_eq!(problem.offset, offset, "{source}: {problem:?}");
}

#[test]
fn names() {
    refused(
        "'é' == '' && ^evnt.id == 1",
        "undeclared reference to `evnt`",
        "did you mean event?",
    );
    refused(
        "getEventData('a') in ^SHELL_NAMES",
        "undeclared reference to `SHELL_NAMES`",
        "a list `SHELL_NAMES` would be a file of type string_list next to the detector",
    );
    refused(
        "'a' in ^SHELS",
        "undeclared reference to `SHELS`",
        "did you mean SHELLS?",
    );
    refused(
        "^basename == ''",
        "undeclared reference to `basename`",
        "`basename` is a function: write `basename(…)`",
    );
    refused(
        "workload.process.^pidd == 1",
        "tracee.v1beta1.Process has no member `pidd`",
        "did you mean pid?",
    );
    refused(
        "workload.container.^zzz == 1",
        "tracee.v1beta1.Container has no member `zzz`",
        "it has: id, name, image, started",
    );
    refused(
        "has(event.^zzzzzz)",
        "tracee.v1beta1.Event has no member `zzzzzz`",
        "it has: timestamp, id, name, policies, workload, data, threat, detected_from",
    );
    refused("event.name.^x == ''", "string has no members, so no `x`", "");
    refused(
        "[1].exists(x, true) && ^x == 1",
        "undeclared reference to `x`",
        "",
    );
}

#[test]
fn functions() {
    refused(
        "^getEventDat('a') == 1",
        "there is no function `getEventDat`",
        "did you mean getEventData?",
    );
    refused("'a'.^lowerAscii() == ''", "there is no function `lowerAscii`", "");
    refused(
        "^process.gett(1u) == null",
        "there is no function `process.gett`",
        "did you mean process.get?",
    );
    refused(
        "process.^get(1) == null",
        "there is no process.get(int)",
        "there is process.get(uint); an unsigned number ends in `u`: 1u, or uint(x)",
    );
    refused(
        "'a,b'.^split(',') == []",
        "there is no string.split(string)",
        "there is split(string, string)",
    );
    refused(
        "event.name.^contains(1)",
        "there is no string.contains(int)",
        "there is string.contains(string)",
    );
    refused(
        "^join([1], '') == ''",
        "there is no join(list(int), string)",
        "there is join(list(string), string)",
    );
    refused(
        "^getEventData() == 1",
        "`getEventData` takes the name of a field: getEventData(\"pathname\")",
        "",
    );
    refused(
        "getEventData(^1, 'a') == 1",
        "the first of two arguments must be an event, this is int",
        "",
    );
    refused(
        "getEventData(^1) == 1",
        "the name of a field must be a string, this is int",
        "",
    );
    refused(
        "has(^workload)",
        "`has` takes a member of something: has(x.member)",
        "`hasData(\"name\")` tells whether the event has a field",
    );
    refused(
        "[1].^all(x)",
        "`all` takes a variable and an expression: list.all(x, …)",
        "",
    );
    refused(
        "[1].all(^1, true)",
        "the first argument of `all` must be a name, the variable",
        "",
    );
    refused(
        "^1.all(x, true)",
        "`all` goes through a list or the keys of a map, not int",
        "",
    );
    refused("[1].all(x, x ^+ 1)", "`all` takes bool, this is int", "");
    refused(
        "timestamp.^getHours('Europe/Berlin') == 1",
        "`Europe/Berlin` is no offset from UTC",
        "write `UTC` or an offset, such as `+02:00`: names of time zones mean different things on different machines",
    );
    let problem = &problems("event.name.matches('(')")[0];
    assert!(problem.message.contains("unclosed group"), "{problem:?}");
    assert_eq!(problem.offset, 11);
}

#[test]
fn types() {
    refused("1 ^== 'a'", "`==` does not take int and string", "");
    refused("'a' ^< 1", "`<` does not take string and int", "");
    refused(
        "event.name ^== null",
        "`==` does not take string and null_type",
        "string is never null: what is unset reads as \"\"",
    );
    refused(
        "event.id ^== null",
        "`==` does not take int and null_type",
        "int is never null: what is unset reads as 0",
    );
    refused(
        "workload.process.pid ^+ 1 == 2",
        "`+` does not take wrapper(uint) and int",
        "write 1u",
    );
    refused("1 ^+ 1u == 2", "`+` does not take int and uint", "write 1u");
    refused(
        "1 ^+ 1.0 == 2.0",
        "`+` does not take int and double",
        "convert one of them: int(x), uint(x), double(x)",
    );
    refused(
        "'a' ^+ 1 == ''",
        "`+` does not take string and int",
        "string(x) makes a text of a number",
    );
    refused(
        "1 ^in 2",
        "`in` does not take int and int",
        "`in` looks for an element of a list, or a key of a map",
    );
    refused(
        "'a' ^in [1]",
        "`in` does not take string and list(int)",
        "`in` looks for an element of a list, or a key of a map",
    );
    refused("!(^1)", "`!` takes bool, this is int", "");
    refused("true && ^'a'", "`&&` takes bool, this is string", "");
    refused(
        "true ^? 1 : 'a'",
        "both branches of `?:` must be of one type; these are int and string",
        "`dyn(x)` is of any type",
    );
    refused(
        "[1]^['a'] == 1".replace("^[", "[^").as_str(),
        "the index must be int, this is string",
        "",
    );
    refused("1^[0] == 1", "int has no elements", "");
    refused("{^[1]: 1} == {}", "a key of a map cannot be list(int)", "");
    refused("^-'a' == 'a'", "`-` does not take string", "");
}

#[test]
fn a_condition_is_a_truth_value() {
    refused(
        "^getEventData('flag')",
        "a condition must be bool, this is dyn",
        "compare it, such as with `== true`",
    );
    refused(
        "^event.name",
        "a condition must be bool, this is string",
        "compare it, such as with `!= \"\"`",
    );
    refused(
        "^event.id",
        "a condition must be bool, this is int",
        "compare it with something",
    );
    for source in [
        "getEventData('flag') == true",
        "workload.container.started",
        "bool(getEventData('flag'))",
    ] {
        assert!(environment().condition(source).is_ok(), "{source}");
    }
}

#[test]
fn texts() {
    refused("1 == ^", "found the end, expected an expression", "");
    refused("^", "found the end, expected an expression", "");
    refused("1 ^2", "found a number, expected the end", "");
    refused("[1 ^2]", "found a number, expected an operator", "");
    refused("(1 == 1^", "found the end, expected `)`", "");
    refused("event.id.^", "found the end, expected a name", "");
    refused("a ^= 1", "`=` is no operator", "write `==` to compare");
    refused("true ^& true", "`&` is no operator", "write `&&`");
    let unended = "a text of several lines has `\\n`, or three quotes";
    refused("^'abc", "the text has no closing quote on its line", unended);
    refused("^'a\nb'", "the text has no closing quote on its line", unended);
    refused(
        r"^'a\d'",
        "the text has an unknown escape sequence",
        "a backslash is written `\\\\`; in raw texts, r\"…\", it stands for itself",
    );
    for number in ["99999999999999999999", "9223372036854775808"] {
        refused(
            &format!("1 == ^{number}"),
            "the number does not fit into an int",
            "an unsigned number ends in `u`: 10u",
        );
    }
    refused(
        "^99999999999999999999u == 1u",
        "the number does not fit into 64 bits",
        "",
    );
    refused("^1e999 > 1.0", "the number does not fit into a double", "");
    refused("^while == 1", "`while` is reserved by the language", "");
    refused("1 == 1^é", "unexpected character 'é'", "");
    refused("a^.?b", "unsupported syntax '.?'", "");
    refused(
        "tracee.v1beta1.Threat^{name: 'x'} == 1",
        "messages cannot be made here",
        "select fields of `event`, or write a map: {\"key\": value}",
    );
    refused("size([1],^) == 1", "found `)`, expected an expression", "");
}

#[test]
fn all_problems_are_told() {
    let problems = problems("evnt.id == 1 && event.nam == '' && 1 == 'a'");
    let offsets: Vec<_> = problems.iter().map(|problem| problem.offset).collect();
    assert_eq!(offsets, [0, 22, 37]);
}

#[test]
fn long_and_deep_texts_are_refused() {
    for source in [
        format!("{}true{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("event{}", ".x".repeat(5_000)),
        format!("1{} == 1", " + 1".repeat(3_000)),
        format!("{}1{} == 1", "[".repeat(5_000), "]".repeat(5_000)),
        format!("true{}", " ? true : true".repeat(1_000)),
        format!("true{}", "[0]".repeat(5_000)),
        format!("'{}' == ''", "x".repeat(40_000)),
        format!("[{}] == []", "1,".repeat(10_000)),
    ] {
        let problems = problems(&source);
        assert!(
            problems[0].message.contains("nested")
                || problems[0].message.contains("at most")
                || problems[0].message.contains("more than"),
            "{problems:?}"
        );
    }
    // A long chain is not deep.
    let chain = vec!["true"; 2_000].join(" && ");
    assert!(environment().condition(&chain).is_ok());
}
