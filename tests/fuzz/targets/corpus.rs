//! `fuzz-corpus pack|unpack TARGET DIRECTORY`: between the file of a corpus and the directory that libFuzzer works on.

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "this is where its errors go")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["pack", target, directory] => fuzz::corpus::pack(target, Path::new(directory)),
        ["unpack", target, directory] => fuzz::corpus::unpack(target, Path::new(directory)),
        _ => {
            let targets = fuzz::TARGETS.map(|(name, _)| name).join(", ");
            eprintln!("fuzz-corpus pack|unpack TARGET DIRECTORY; targets: {targets}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-corpus: {error}");
            ExitCode::from(3)
        }
    }
}
