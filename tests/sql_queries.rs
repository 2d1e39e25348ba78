//! `tracee-cap sql`, through the binary, over captures of recorded events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use assert_cmd::Command;
use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

/// Two captures: `host.tcap` (28 event types in regular form) and `pages.tcap` (untidy events of many versions).
static CAPTURES: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a directory");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/data/tracee");
    for (input, capture) in [
        ("v1beta1/events.ndjson.zst", "host.tcap"),
        ("legacy/docs_events.ndjson", "pages.tcap"),
    ] {
        tracee_cap()
            .args(["import", "--skip-bad", "-w"])
            .arg(directory.path().join(capture))
            .arg(data.join(input))
            .assert()
            .success();
    }
    directory
});

fn tracee_cap() -> Command {
    let mut command = Command::cargo_bin("tracee-cap").expect("the binary is built");
    command.env_remove("TRACEE_CAP_LOG");
    command
}

fn capture(name: &str) -> PathBuf {
    CAPTURES.path().join(name)
}

/// `tracee-cap sql`, in the directory of the captures.
fn sql(args: &[&str]) -> Output {
    let mut command = tracee_cap();
    command.current_dir(CAPTURES.path()).arg("sql").args(args);
    command.output().expect("it runs")
}

fn answer(args: &[&str]) -> String {
    let output = sql(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn rows(args: &[&str]) -> Vec<Value> {
    answer(args)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The events of a capture as `export` gives them: another way to the same data.
fn exported(name: &str) -> Vec<Value> {
    let output = tracee_cap()
        .arg("export")
        .arg(capture(name))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn field<'a>(event: &'a Value, name: &str, arm: &str) -> &'a Value {
    event["data"]
        .as_array()
        .and_then(|data| data.iter().find(|field| field["name"] == name))
        .map_or(&Value::Null, |field| &field[arm])
}

#[test]
fn counts_are_those_of_the_export() {
    for name in ["host.tcap", "pages.tcap"] {
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for event in exported(name) {
            *expected
                .entry(event["name"].as_str().expect("a name").to_owned())
                .or_default() += 1;
        }
        let counted: BTreeMap<String, u64> =
            rows(&[name, "SELECT name, count(*) AS n FROM events GROUP BY name"])
                .iter()
                .map(|row| {
                    (
                        row["name"].as_str().expect("a name").to_owned(),
                        row["n"].as_u64().expect("a count"),
                    )
                })
                .collect();
        assert_eq!(counted, expected, "{name}");
        let total: u64 = expected.values().sum();
        assert_eq!(
            answer(&[name, "SELECT count(*) AS n FROM events"]),
            format!("{{\"n\":{total}}}\n")
        );
    }
}

#[test]
fn an_event_table_shows_fields_and_the_process() {
    let expected: Vec<_> = exported("host.tcap")
        .into_iter()
        .filter(|event| event["name"] == "security_file_open")
        .collect();
    let found = rows(&[
        "host.tcap",
        "SELECT timestamp, pathname, flags, inode, comm, exe, host_pid, pid, uid, container_id FROM security_file_open",
    ]);
    assert_eq!(found.len(), expected.len());
    assert!(found.len() > 2000);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (row, event) in found.iter().zip(&expected) {
        let process = &event["workload"]["process"];
        assert_eq!(row["pathname"], *field(event, "pathname", "str"));
        assert_eq!(row["flags"], *field(event, "flags", "int32"));
        assert_eq!(row["inode"].to_string(), text(field(event, "inode", "u_int64")));
        assert_eq!(row["comm"], process["thread"]["name"]);
        assert_eq!(text(&row["exe"]), text(&process["executable"]["path"]));
        assert_eq!(row["host_pid"], process["host_pid"]);
        assert_eq!(row["pid"], process["pid"]);
        assert_eq!(row["uid"], process["real_user"]["id"]);
        assert_eq!(
            text(&row["container_id"]),
            text(&event["workload"]["container"]["id"])
        );
        let time = |value: &Value| text(value).trim_end_matches('Z').trim_end_matches('0').to_owned();
        assert_eq!(time(&row["timestamp"]), time(&event["timestamp"]));
    }
}

#[test]
fn events_come_in_order_with_their_data() {
    for name in ["host.tcap", "pages.tcap"] {
        let expected = exported(name);
        let found = rows(&[name, "SELECT seq, name, data FROM events"]);
        assert_eq!(found.len(), expected.len());
        let mut before = None;
        for (row, event) in found.iter().zip(&expected) {
            let seq = row["seq"].as_u64().expect("a number");
            assert!(before.is_none_or(|before| before < seq));
            before = Some(seq);
            assert_eq!(row["name"], event["name"]);
            let data: Value = serde_json::from_str(row["data"].as_str().expect("text")).expect("JSON");
            let names: Vec<_> = data.as_object().expect("an object").keys().collect();
            let fields: Vec<_> = event["data"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|field| field["name"].as_str().expect("a name"))
                .collect();
            assert_eq!(names, fields, "{name} event {seq}");
        }
    }
}

#[test]
fn messages_are_json() {
    let dns = rows(&[
        "host.tcap",
        "SELECT seq, proto_dns FROM net_packet_dns WHERE proto_dns IS NOT NULL",
    ]);
    assert!(!dns.is_empty());
    let expected: Vec<_> = exported("host.tcap")
        .into_iter()
        .filter(|event| event["name"] == "net_packet_dns")
        .map(|event| field(&event, "proto_dns", "dns").clone())
        .filter(|dns| !dns.is_null())
        .collect();
    let found: Vec<Value> = dns
        .iter()
        .map(|row| serde_json::from_str(row["proto_dns"].as_str().expect("text")).expect("JSON"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn forms_of_an_answer() {
    let query = "SELECT seq, timestamp, comm, pid, remote_addr, remote_addr_family AS family, remote_addr_port AS port, \
                 thread_syscall FROM security_socket_connect LIMIT 3";
    for form in ["table", "ndjson", "json", "csv"] {
        assert_snapshot!(
            format!("answer_{form}"),
            answer(&["host.tcap", query, "-o", form])
        );
    }
    assert_eq!(
        answer(&[
            "host.tcap",
            "-o",
            "csv",
            "SELECT make_array('a', 'b \"c\"', NULL) AS list, seq FROM events LIMIT 1"
        ]),
        "list,seq\n\"[\"\"a\"\",\"\"b \\\"\"c\\\"\"\"\",null]\",0\n"
    );
    for form in ["table", "json", "csv"] {
        assert!(!answer(&["pages.tcap", "SELECT * FROM events", "-o", form]).is_empty());
    }
    let none = "SELECT seq, pathname FROM security_file_open WHERE pathname = 'no such file'";
    assert_eq!(answer(&["host.tcap", none]), "");
    assert_eq!(answer(&["host.tcap", none, "-o", "json"]), "[]\n");
    assert_eq!(answer(&["host.tcap", none, "-o", "csv"]), "seq,pathname\n");
    let output = sql(&[
        "host.tcap",
        "SELECT seq FROM events",
        "-o",
        "table",
        "--max-rows",
        "2",
    ]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 6);
    assert!(String::from_utf8_lossy(&output.stderr).contains("only the first 2 rows"));
}

/// A reader that has seen enough is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    for form in ["ndjson", "json", "csv", "table"] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
            .current_dir(CAPTURES.path())
            .args(["sql", "host.tcap", "SELECT * FROM events", "-o", form])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it runs");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{form}");
    }
}

#[test]
fn numbers_are_exact() {
    assert_eq!(
        answer(&[
            "host.tcap",
            "SELECT 18446744073709551615 AS n, CAST(-9223372036854775808 AS BIGINT) AS m"
        ]),
        "{\"n\":18446744073709551615,\"m\":-9223372036854775808}\n"
    );
}

#[test]
fn processes_have_their_life() {
    assert_snapshot!(answer(&[
        "host.tcap",
        "-o",
        "table",
        "SELECT process_id, host_pid, parent_id, start_time, exit_time, exit_code, exe, comm, argv FROM processes \
         WHERE exit_time IS NOT NULL AND argv IS NOT NULL ORDER BY start_time, process_id LIMIT 5",
    ]));
    let execs = rows(&[
        "host.tcap",
        "SELECT count(DISTINCT process_id) AS n FROM sched_process_exec",
    ]);
    let known = rows(&[
        "host.tcap",
        "SELECT count(*) AS n FROM processes WHERE argv IS NOT NULL",
    ]);
    assert_eq!(execs, known);
}

#[test]
fn answers_do_not_depend_on_threads() {
    for query in [
        "SELECT * FROM events",
        "SELECT comm, count(*), avg(flags) FROM security_file_open GROUP BY comm",
        "SELECT DISTINCT pathname FROM security_file_open LIMIT 20",
        "SELECT a.seq, b.seq AS other FROM sched_process_fork a JOIN sched_process_exec b ON a.process_id = b.process_id",
        "SELECT * FROM processes",
    ] {
        let one = answer(&["host.tcap", "pages.tcap", query, "--threads", "1"]);
        let four = answer(&["host.tcap", "pages.tcap", query, "--threads", "4"]);
        assert!(!one.is_empty(), "{query}");
        assert!(one == four, "{query}");
    }
}

#[test]
fn only_what_is_needed_is_read() {
    let plan = |query: &str| {
        let rows = rows(&["host.tcap", &format!("EXPLAIN {query}")]);
        rows.iter()
            .filter(|row| row["plan_type"] == "physical_plan")
            .map(|row| row["plan"].as_str().expect("text").to_owned())
            .collect::<String>()
    };
    let plans: Vec<_> = [
        "SELECT count(*) FROM events",
        "SELECT pathname, comm FROM security_file_open WHERE seq BETWEEN 100 AND 200",
        "SELECT seq FROM events WHERE name IN ('openat', 'close') AND timestamp >= '2026-01-01T00:00:00Z'",
        "SELECT seq FROM security_file_open ORDER BY seq LIMIT 3",
    ]
    .into_iter()
    .map(|query| format!("{query}\n{}", plan(query)))
    .collect();
    assert_snapshot!(plans.join("\n"));
}

#[test]
fn pruned_answers_equal_filtered_ones() {
    // Arithmetic hides the column from the pruning.
    for (pruned, filtered) in [
        ("seq BETWEEN 1000 AND 1100", "seq + 0 BETWEEN 1000 AND 1100"),
        ("seq < 10 OR seq >= 4990", "seq + 0 < 10 OR seq + 0 >= 4990"),
        ("name = 'openat'", "concat(name, '') = 'openat'"),
        (
            "name IN ('openat', 'close', 'no_such_event')",
            "concat(name, '') IN ('openat', 'close')",
        ),
        ("name = 'openat' AND name = 'close'", "false"),
        ("seq < 0", "false"),
    ] {
        let count = |filter: &str| {
            let query = format!("SELECT seq, name, comm FROM events WHERE {filter}");
            answer(&["host.tcap", &query])
        };
        assert!(count(pruned) == count(filtered), "{pruned}");
    }
    let middle = rows(&["host.tcap", "SELECT timestamp FROM events LIMIT 1 OFFSET 2500"]);
    let middle = middle[0]["timestamp"].as_str().expect("text").to_owned();
    let some = rows(&[
        "host.tcap",
        &format!("SELECT count(*) AS n FROM events WHERE timestamp >= '{middle}'"),
    ]);
    let all = rows(&[
        "host.tcap",
        &format!("SELECT count(*) FILTER (WHERE timestamp >= '{middle}') AS n FROM events"),
    ]);
    assert_eq!(some, all);
}

#[test]
fn several_captures_are_told_apart() {
    assert_snapshot!(answer(&[
        "host.tcap",
        "pages.tcap",
        "-o",
        "table",
        "SELECT capture, count(*) AS events, count(DISTINCT name) AS types FROM events GROUP BY capture ORDER BY capture",
    ]));
}

#[test]
fn functions_for_paths_and_addresses() {
    let count = |query: &str| rows(&["host.tcap", query])[0]["n"].as_u64().expect("a count");
    assert_eq!(
        count("SELECT count(*) AS n FROM security_file_open WHERE glob(pathname, '/etc/*')"),
        count("SELECT count(*) AS n FROM security_file_open WHERE pathname LIKE '/etc/%'"),
    );
    assert!(
        count("SELECT count(*) AS n FROM security_socket_connect WHERE cidr_match(remote_addr, '0.0.0.0/0')")
            > 0
    );
    let output = sql(&[
        "host.tcap",
        "SELECT cidr_match(remote_addr, '10.0.0.0/99') FROM security_socket_connect",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`10.0.0.0/99` is no network"));
}

#[test]
fn types_that_a_capture_lacks_are_empty_and_others_unknown() {
    assert_eq!(answer(&["host.tcap", "SELECT * FROM security_bpf"]), "");
    let output = sql(&["host.tcap", "SELECT * FROM no_such_event"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn queries_only_read() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("out.csv");
    let file = file.display();
    for query in [
        format!("COPY (SELECT 1) TO '{file}'"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{file}'"),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "INSERT INTO events SELECT * FROM events".to_owned(),
        "DELETE FROM events WHERE seq = 1".to_owned(),
        "DROP TABLE events".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events".to_owned(),
        "SELECT * FROM '/etc/passwd'".to_owned(),
    ] {
        let output = sql(&["host.tcap", &query]);
        assert_eq!(output.status.code(), Some(2), "{query}: {output:?}");
        assert!(output.stdout.is_empty(), "{query}");
        assert!(!output.stderr.is_empty(), "{query}");
    }
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
}

#[test]
fn mistakes_are_pointed_at() {
    let message = |query: &str| {
        let output = sql(&["host.tcap", query]);
        assert_eq!(output.status.code(), Some(2), "{query}");
        String::from_utf8(output.stderr).expect("text")
    };
    assert_snapshot!(
        [
            "SELECT\n  pathname,\nFROM security_file_open WHERE",
            "SELECT seq,\n       pathnam FROM security_inode_unlink",
            "SELECT seq FROM security_file_opn",
            "SELECT no_such_function(seq) FROM events",
        ]
        .map(|query| format!("{query}\n{}", message(query)))
        .join("\n")
    );
}

#[test]
fn statements_come_from_where_they_are_told() {
    let query = "SELECT count(*) AS n FROM close; SELECT count(*) AS n FROM mmap;";
    let expected = "{\"n\":138}\n{\"n\":77}\n";
    assert_eq!(answer(&["host.tcap", query]), expected);
    assert_eq!(answer(&["host.tcap", "-q", query]), expected);
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("questions.sql");
    fs::write(&file, query).expect("written");
    assert_eq!(
        answer(&["host.tcap", "-f", file.to_str().expect("text")]),
        expected
    );
    tracee_cap()
        .current_dir(CAPTURES.path())
        .args(["sql", "host.tcap"])
        .write_stdin(query)
        .assert()
        .success()
        .stdout(expected);

    let out = directory.path().join("answer.ndjson");
    let out = out.to_str().expect("text");
    assert_eq!(answer(&["host.tcap", query, "-w", out]), "");
    assert_eq!(fs::read_to_string(out).expect("written"), expected);
    let again = sql(&["host.tcap", "SELECT 1", "-w", out]);
    assert!(!again.status.success());
    assert_eq!(fs::read_to_string(out).expect("kept"), expected);
    assert_eq!(answer(&["host.tcap", query, "-w", out, "--force"]), "");

    for wrong in [
        &["SELECT 1"][..],
        &["no_such.tcap"][..],
        &["host.tcap", "no_such.tcap"][..],
        &["host.tcap", " "][..],
    ] {
        assert_eq!(sql(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(sql(&["host.tcap/events", "SELECT 1"]).status.code(), Some(3));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn damage_is_told_and_other_tables_still_answer() {
    let directory = TempDir::new().expect("a directory");
    let broken = directory.path().join("broken.tcap");
    copy(&capture("host.tcap"), &broken);
    let file = broken.join("events/name=openat/part-000000.parquet");
    let mut bytes = fs::read(&file).expect("read");
    for byte in bytes.iter_mut().skip(40).take(4000).step_by(7) {
        *byte ^= 0x5a;
    }
    fs::write(&file, bytes).expect("written");
    let broken = broken.to_str().expect("text");
    let output = sql(&[broken, "SELECT * FROM openat"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("name=openat/part-000000.parquet"));
    assert_eq!(
        answer(&[broken, "SELECT count(*) AS n FROM mmap WHERE seq >= 0"]),
        "{\"n\":77}\n"
    );
}

#[test]
fn a_capture_that_was_cut_short_answers_and_says_so() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("cut.tcap");
    let mut writer = capture::CaptureWriter::create(
        &path,
        capture::Header::default(),
        capture::WriterOptions::default(),
    )
    .expect("created");
    let event = detectors_api::proto::Event {
        name: "ptrace".to_owned(),
        ..Default::default()
    };
    writer.push(&event.clone().into());
    writer.push(&event.into());
    writer.record_loss(capture::Loss {
        seq_from: 0,
        seq_to: 1,
        time_from: None,
        time_to: None,
        cpu: Some(3),
        cause: "ring_full".to_owned(),
        count: 7,
    });
    writer.flush().expect("flushed");
    drop(writer);
    let path = path.to_str().expect("text");
    let output = sql(&[
        path,
        "SELECT name, count(*) AS n FROM events GROUP BY name; SELECT cause, cpu, count FROM loss",
    ]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"name\":\"ptrace\",\"n\":2}\n{\"cause\":\"ring_full\",\"cpu\":3,\"count\":7}\n"
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("truncated") && stderr.contains("7 of 9 events were lost"),
        "{stderr}"
    );
}

/// Every query of the documentation runs, and answers something.
#[test]
fn the_documentation_is_true() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sql.md")).expect("read");
    let queries: Vec<_> = text
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(queries.len() >= 8);
    for query in queries {
        assert!(!answer(&["host.tcap", query]).is_empty(), "no answer to {query}");
    }
}
