//! `--detectors`, `--disable`, `--in`, `--config`, `--list-refused`.

use super::incident::{Incident, lines, member, text};

#[test]
fn words_choose() {
    let incident = Incident::new();
    let chain = [
        "netcat_execution",
        "netcat_in_container",
        "netcat_alert",
        "netcat_execution",
    ];
    for (words, expected) in [
        ("TRC-107", &["ld_preload"][..]),
        ("ld_preload", &["ld_preload"]),
        ("ld_*", &["ld_preload"]),
        ("technique=T1574", &["ld_preload"]),
        ("rules/shadow.yaml", &["shadow_opened"]),
        ("rules/shadow.yaml,ld_preload", &["shadow_opened", "ld_preload"]),
        (
            "rules,chain",
            &[chain[0], chain[1], chain[2], chain[3], "shadow_opened"],
        ),
        ("all,./rules/shadow.yaml", &["shadow_opened", "ld_preload"]),
    ] {
        let (found, stderr) = incident.replay(&["--detectors", words]);
        assert_eq!(found, expected, "{words}: {stderr}");
        assert!(!stderr.contains("also runs"), "{stderr}");
    }
    // Of what is known without being chosen.
    for (words, expected) in [
        ("chain", &chain[..]),
        ("tag=alerts", &["netcat_alert"]),
        ("severity>=critical", &["netcat_alert"]),
        ("shadow,tag=alerts", &["netcat_alert", "shadow_opened"]),
    ] {
        let (found, stderr) = incident.replay(&["--in", "rules", "--detectors", words]);
        assert_eq!(found, expected, "{words}: {stderr}");
    }
    let (found, _) = incident.replay(&["--detectors", "shadow", "--in", "rules", "--detectors", "TRC-107"]);
    assert_eq!(found, ["shadow_opened", "ld_preload"]);
}

#[test]
fn a_consumer_brings_its_producers_along_and_they_stay_in_the_background() {
    let incident = Incident::new();
    let arguments = ["--in", "rules", "--detectors", "netcat_alert"];
    let output = incident.run(&[&["replay", "incident.tcap"], &arguments[..]].concat());
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("also runs chain-1 (netcat_execution), chain-2 (netcat_in_container):"),
        "{stderr}"
    );
    let [found] = &lines(&output.stdout)[..] else {
        panic!("one detection: {stderr}");
    };
    let (mut origin, mut names) = (&found["detected_from"], Vec::new());
    while origin.is_object() {
        names.push(member(origin, "name"));
        origin = &origin["parent"];
    }
    assert_eq!(
        names,
        ["netcat_in_container", "netcat_execution", "sched_process_exec"]
    );
}

#[test]
fn what_is_disabled_does_not_run() {
    let incident = Incident::new();
    let (found, _) = incident.replay(&["--detectors", "rules,builtin", "--disable", "ld_*,chain"]);
    assert_eq!(found, ["shadow_opened"]);
    // A consumer whose producer is disabled is refused, and knows why.
    let (found, stderr) = incident.replay(&["--detectors", "rules", "--disable", "chain-1"]);
    assert_eq!(found, ["shadow_opened"]);
    assert!(
        stderr.contains("chain-1, which produces it, is disabled"),
        "{stderr}"
    );
    let stderr = incident.fails(
        &[
            "replay",
            "incident.tcap",
            "--detectors",
            "TRC-107",
            "--disable",
            "ld_preload",
        ],
        2,
    );
    assert!(
        stderr.contains("all detectors that were chosen are disabled"),
        "{stderr}"
    );
}

#[test]
fn what_nobody_knows_is_a_mistake() {
    let incident = Incident::new();
    for (option, word, hint) in [
        ("--detectors", "ld_prelaod", "did you mean ld_preload?"),
        ("--detectors", "tag=chains", "tags are: "),
        ("--detectors", "severity>=extreme", "severities are: info"),
        ("--detectors", "pid=1", "detectors are not chosen by `pid`"),
        ("--detectors", "TRC-107,", "a word is empty"),
        ("--disable", "ld_prelaod", "did you mean ld_preload?"),
    ] {
        let stderr = incident.fails(&["replay", "incident.tcap", option, word], 2);
        assert!(stderr.contains(hint), "{stderr}");
    }
    let stderr = incident.fails(&["replay", "incident.tcap", "--detectors", "./nowhere"], 3);
    assert!(stderr.contains("nowhere"), "{stderr}");
}

#[test]
fn a_broken_file_stops_the_run_unless_told_otherwise() {
    let incident = Incident::new();
    incident.write(
        "rules/broken.yaml",
        "type: detector\nid: broken\nconditions: [\"tru\"]\n",
    );
    let stderr = incident.fails(&["replay", "incident.tcap", "--detectors", "rules"], 3);
    assert!(
        stderr.contains("rules/broken.yaml:1:1: produced_event is missing"),
        "{stderr}"
    );
    assert!(
        stderr.contains("in 1 file of detectors: nothing was run"),
        "{stderr}"
    );
    let (found, stderr) = incident.replay(&["--detectors", "rules", "--skip-broken"]);
    assert_eq!(found.len(), 5, "{stderr}");
    assert!(stderr.contains("rules/broken.yaml:1:1"), "{stderr}");
}

#[test]
fn settings_choose_and_disable() {
    let incident = Incident::new();
    incident.write(
        "settings.yaml",
        "paths: [rules]\ndetectors:\n  TRC-107: {enabled: false}\n  chain-2: {enabled: false}\n",
    );
    let (found, stderr) = incident.replay(&["--config", "settings.yaml"]);
    assert_eq!(
        found,
        ["netcat_execution", "netcat_execution", "shadow_opened"],
        "{stderr}"
    );
    incident.write("typo.yaml", "detectors:\n  TRC-107O: {enabled: false}\n");
    let stderr = incident.fails(&["replay", "incident.tcap", "--config", "typo.yaml"], 3);
    assert!(stderr.contains("typo.yaml:2:3"), "{stderr}");
    assert!(stderr.contains("did you mean TRC-107?"), "{stderr}");
}

#[test]
fn who_is_refused_is_listed_with_the_reason() {
    let incident = Incident::new();
    incident.write(
        "needs.yaml",
        "type: detector
id: needs-dns
produced_event: {name: needs_dns, version: 1.0.0}
requirements:
  events:
    - name: security_file_opne
    - name: security_file_open
      data_filters: [path=/etc/shadow]
",
    );
    let output = incident.run(&[
        "replay",
        "incident.tcap",
        "--detectors",
        "needs.yaml,TRC-107",
        "--list-refused",
    ]);
    let refused = lines(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let fields: Vec<_> = refused
        .iter()
        .map(|refusal| (member(refusal, "detector"), member(refusal, "field")))
        .collect();
    let expected = ["event security_file_opne", "event security_file_open"]
        .map(|field| ("needs-dns".to_owned(), field.to_owned()));
    assert_eq!(fields, expected);
    // Alone, it leaves nobody to run: that is no clean run.
    let stderr = incident.fails(&["replay", "incident.tcap", "--detectors", "needs.yaml"], 3);
    assert!(
        stderr.contains("no detector can run over this recording"),
        "{stderr}"
    );
    assert!(stderr.contains("did you mean security_file_open?"), "{stderr}");
}
