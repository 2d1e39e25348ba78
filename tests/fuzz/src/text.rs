//! Captures as texts: any text is one or refused with a line, and what is read comes back.

use capture::{CaptureReader, Entry, Error, Temporary};

/// Lines of most texts, so that inputs need not spell them out.
const START: &str = "tracee_cap_capture: \"1.2\"\n";

/// Reads the input as what follows the first line of a text.
///
/// # Panics
/// If what is read is not what is read again after it was written.
pub fn text(input: &[u8]) {
    let text = [START.as_bytes(), input].concat();
    match read(&text) {
        Err(Error::Io { action, .. }) => panic!("the machine refused to {action}"),
        Err(_) => {}
        Ok(reader) => {
            let mut written = Vec::new();
            // What was taken as the totals, the rows and the events may still contradict each other as a whole.
            let (Ok(entries), Ok(())) = (entries(&reader), reader.write_text(&mut written)) else {
                return;
            };
            let again = read(&written).expect("it was written as a text");
            assert_eq!(self::entries(&again).expect("they were there before"), entries);
            let mut twice = Vec::new();
            again.write_text(&mut twice).expect("it was written before");
            assert_eq!(twice, written);
        }
    }
}

fn read(text: &[u8]) -> Result<CaptureReader, Error> {
    CaptureReader::open_text(text, Temporary::new("x.tcap.txt")?)
}

/// Everything that a capture says, in the form in which it can be compared.
fn entries(reader: &CaptureReader) -> Result<Vec<String>, Error> {
    let entries = reader.entries()?;
    entries
        .map(|entry| entry.map(|entry: Entry| format!("{entry:?}")))
        .collect()
}
