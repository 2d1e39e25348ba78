//! Making captures, in the form that their name asks for.

use std::io;
use std::path::{Path, PathBuf};

use capture::{CaptureReader, JournalPolicy, Temporary, WriterOptions};
use fixtures::fixture::Form;

use crate::exit::Failure;
use crate::opened::failure;
use crate::progress;
use crate::signals;

/// What the form of a capture is called on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FormWord {
    /// A directory of Parquet files.
    Directory,
    /// One file, to hand on.
    Pack,
    /// One file, to read and to compare.
    Text,
}

impl From<FormWord> for Form {
    fn from(word: FormWord) -> Self {
        match word {
            FormWord::Directory => Self::Directory,
            FormWord::Pack => Self::Pack,
            FormWord::Text => Self::Text,
        }
    }
}

/// The form that a name asks for: `NAME.tar` is a pack, `NAME.txt` a text.
pub(crate) fn form_of(path: &Path) -> Form {
    match path.extension().and_then(|end| end.to_str()) {
        Some("tar") => Form::Pack,
        Some("txt") => Form::Text,
        _ => Form::Directory,
    }
}

/// The name of a capture without what tells its form: `NAME.tcap`.
pub(crate) fn bare_name(capture: &Path) -> Option<String> {
    let name = capture.file_name()?.to_str()?;
    let name = [".tar", ".txt"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    match name {
        "-" => None,
        name if name.ends_with(".tcap") => Some(name.to_owned()),
        name => Some(format!("{name}.tcap")),
    }
}

/// Writes a capture that is there as another one, in some form. Nothing is replaced without `force`.
pub(crate) fn copy(reader: &CaptureReader, target: &Path, form: Form, force: bool) -> Result<(), Failure> {
    let bar = progress::bar(Some(reader.manifest().bytes()), "write");
    let progress = |bytes| bar.inc(bytes);
    match form {
        Form::Directory => reader.unpack(target, force, &progress),
        Form::Pack => reader.pack_to(target, force, &progress),
        Form::Text if target == Path::new("-") => reader.write_text(io::stdout().lock()),
        Form::Text => reader.write_text_to(target, force),
    }
    .map_err(failure)?;
    bar.finish_and_clear();
    Ok(())
}

/// A capture that is being made. Unless it is to be a directory, it is made in a temporary place first.
pub(crate) struct Making {
    target: PathBuf,
    form: Form,
    force: bool,
    place: Option<Temporary>,
}

impl Making {
    /// A capture that is to be at `target`, in the form of that name.
    pub(crate) fn begin(target: &Path, force: bool) -> Result<Self, Failure> {
        let form = form_of(target);
        let place = match form {
            Form::Directory => None,
            Form::Pack | Form::Text => {
                if let Ok(there) = target.symlink_metadata()
                    && !(force && there.is_file())
                {
                    let path = target.to_owned();
                    return Err(failure(capture::Error::Exists { path }));
                }
                let place = Temporary::new(target).map_err(failure)?;
                signals::remove_at_end(place.directory())?;
                Some(place)
            }
        };
        Ok(Self {
            target: target.to_owned(),
            form,
            force,
            place,
        })
    }

    /// Where to write it as a directory.
    pub(crate) fn directory(&self) -> &Path {
        self.place.as_ref().map_or(&self.target, Temporary::path)
    }

    /// How to write it.
    pub(crate) fn options(&self) -> WriterOptions {
        WriterOptions {
            // What it is made of is still there if this process dies.
            journal: JournalPolicy::Off,
            overwrite: self.force,
            ..WriterOptions::default()
        }
    }

    /// Gives it its form and its place, once it is written.
    pub(crate) fn finish(self) -> Result<CaptureReader, Failure> {
        let Some(place) = self.place else {
            return CaptureReader::open(&self.target).map_err(failure);
        };
        let reader = CaptureReader::open_temporary(place).map_err(failure)?;
        copy(&reader, &self.target, self.form, self.force)?;
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_forms() {
        for (name, form, bare) in [
            ("a/x.tcap", Form::Directory, "x.tcap"),
            ("x", Form::Directory, "x.tcap"),
            ("x.tcap.tar", Form::Pack, "x.tcap"),
            ("b/x.tcap.txt", Form::Text, "x.tcap"),
            ("x.txt", Form::Text, "x.tcap"),
        ] {
            let path = Path::new(name);
            assert_eq!(form_of(path), form);
            assert_eq!(bare_name(path).as_deref(), Some(bare));
        }
    }
}
