//! The tutorial, command by command.

use crate::support::{read, shell, text};

/// A command of the page, and what the page shows of what it prints on stdout.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut within = false;
    for line in page.lines() {
        match line {
            "```console" => within = true,
            "```" => within = false,
            _ if !within => {}
            line => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    command: command.to_owned(),
                    shown: Vec::new(),
                }),
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("{line} is of no command"),
            },
        }
    }
    steps
}

/// Whether `line` is what is shown, where `…` stands for anything.
fn is_like(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn every_command_does_what_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let steps = steps(&read("tutorial-fixtures.md"));
    assert!(steps.len() > 8, "{steps:#?}");
    for step in &steps {
        let output = shell(directory.path(), &step.command);
        let (said, code) = (text(&output), output.status.code());
        if code == Some(4) {
            let note = format!("SKIPPED, no live recording here: {said}\n");
            nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
            return;
        }
        let mut lines: Vec<_> = std::str::from_utf8(&output.stdout)
            .expect("text")
            .lines()
            .collect();
        let code = format!("[exit code {}]", code.expect("it was not killed"));
        if code != "[exit code 0]" {
            lines.push(&code);
        }
        let same = lines.len() == step.shown.len()
            && lines
                .iter()
                .zip(&step.shown)
                .all(|(line, shown)| is_like(line, shown));
        assert!(
            same,
            "{}\nshown:\n{}\nin fact:\n{said}{code}",
            step.command,
            step.shown.join("\n")
        );
    }
}

#[test]
fn three_commands_make_a_test() {
    let page = read("tutorial-fixtures.md");
    let first = page.split("```").nth(1).expect("a block");
    assert_eq!(first.matches("\n$ ").count(), 3, "{first}");
}

#[test]
fn dots_stand_for_anything() {
    assert!(is_like("a b c", "a … c") && is_like("abc", "abc") && is_like("x", "…x"));
    assert!(!is_like("a b", "a … c") && !is_like("abcd", "abc"));
}
