//! The file of `audit verify --head-file`: the kept head, read before the log is verified
//! and renewed afterwards.
//!
//! Invariants: the file holds one whole head at any moment, or is not there. Only the
//! head that this run has compared with the log gives way, so no newer one is ever
//! replaced by an older one.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Result as IoResult, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::audit::Head;
use crate::error::Error;
use crate::output;

/// A head has 85 characters at most.
const LONGEST: u64 = 256;
const PRIVATE: u32 = 0o600;
/// What file systems say that do not sync folders.
const EBADF: i32 = 9;
const EINVAL: i32 = 22;

const NO_HEAD: &str = "name the file that an earlier run wrote; if there was none, a file that is \
                       not there yet";
const NOT_RENEWED: &str = "the log is verified, but the head of now is not kept: the folder must \
                           be there, and let this user make, lock and rename files";

/// A file that keeps a head, and what it held when this run began.
pub(super) struct HeadFile {
    path: PathBuf,
    kept: Option<Head>,
}

impl HeadFile {
    /// Reads it. One that is not there is no mistake: it will be made.
    ///
    /// # Errors
    /// When there is something else than a head.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let path = match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            // A link stays one: what it leads to is renewed.
            _ => path.canonicalize().map_err(|e| refuse(path, &e.kind().to_string()))?,
        };
        let kept = read_head(&path)?;
        if kept.is_none() {
            output::note(&format!("{} is not there: no head was kept yet", path.display()));
        }
        Ok(Self { path, kept })
    }

    /// The head that the log must still hold.
    pub(super) fn kept(&self) -> Option<&Head> {
        self.kept.as_ref()
    }

    /// Keeps the head of a log in which nothing was found.
    ///
    /// # Errors
    /// When the file cannot be replaced. It is as it was then.
    pub(super) fn renew(&self, head: &Head) -> Result<(), Error> {
        if self.kept.as_ref() == Some(head) {
            return Ok(());
        }
        let failed = |problem: &str| {
            let problem = format!("cannot be renewed: {problem}");
            refusal(&self.path, problem, NOT_RENEWED)
        };
        let io = |error: std::io::Error| failed(&error.kind().to_string());
        let next = Next::alone(&self.path).map_err(io)?;
        // From here on no other run renews it.
        let (now, shown) = (read_head(&self.path)?, self.path.display());
        if now.is_none() && self.kept.is_some() {
            // Left so, the next run would be the first, and never see a cut.
            output::note(&format!("{shown} was removed meanwhile: it is made anew"));
        } else if now != self.kept {
            output::note(&format!(
                "another run has renewed {shown} meanwhile: it is left as it is"
            ));
            return Ok(());
        }
        next.put(&self.path, head).map_err(io)?;
        if read_head(&self.path)?.as_ref() != Some(head) {
            return Err(failed("it does not read back as it was written"));
        }
        output::note(&format!("{shown} keeps the head {head}"));
        Ok(())
    }

    /// Says that a finding leaves it as it was.
    pub(super) fn leave(&self) {
        let shown = self.path.display();
        output::note(&match self.kept {
            Some(_) => format!("{shown} was not renewed, because something was found"),
            None => format!("{shown} was not made, because something was found"),
        });
    }
}

fn refusal(path: &Path, problem: String, hint: &str) -> Error {
    Error::FileRefused { path: path.display().to_string(), problem, hint: hint.to_owned() }
}

fn refuse(path: &Path, problem: &str) -> Error {
    refusal(path, format!("is no file that keeps a head: {problem}"), NO_HEAD)
}

/// The head in a file; none, where there is no file.
fn read_head(path: &Path) -> Result<Option<Head>, Error> {
    let refuse_kind = |error: std::io::Error| refuse(path, &error.kind().to_string());
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse_kind(error)),
        // A pipe would never end.
        Ok(found) if !found.is_file() => return Err(refuse(path, "it is a folder or a device")),
        Ok(_) => {}
    }
    let mut text = Vec::new();
    let file = File::open(path).map_err(refuse_kind)?;
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(refuse_kind)?;
    if text.len() as u64 > LONGEST {
        return Err(refuse(path, "it is too long"));
    }
    let text = std::str::from_utf8(&text).map_err(|_| refuse(path, "it is not UTF-8"))?;
    let head = text.trim().parse();
    head.map(Some).map_err(|_| refuse(path, "one line SEQ:HASH, as unmask prints it, is wanted"))
}

/// The next file, under a name of its own beside the one that it will replace. Whoever
/// has locked it is alone.
struct Next {
    file: File,
    path: PathBuf,
    is_in_place: bool,
}

impl Next {
    /// Waits until no other run renews this file.
    fn alone(path: &Path) -> IoResult<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".loginetl.part");
        let path = PathBuf::from(name);
        loop {
            // What a run left that was killed here is used again.
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
            let file = options.open(&path)?;
            file.lock()?;
            let ours = file.metadata()?;
            match path.symlink_metadata() {
                Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Self { file, path, is_in_place: false });
                }
                Ok(named) if !named.is_file() => return Err(ErrorKind::AlreadyExists.into()),
                // Whoever had the lock has put it in its place, or taken it away.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes the head and gives the file its name, durably. Mode, owner and group stay
    /// what they were.
    fn put(mut self, path: &Path, head: &Head) -> IoResult<()> {
        self.file.set_len(0)?;
        self.file.write_all(format!("{head}\n").as_bytes())?;
        let mut mode = PRIVATE;
        if let Ok(old) = path.metadata() {
            let new = self.file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
            }
            mode = old.mode() & 0o777;
        }
        self.file.set_permissions(Permissions::from_mode(mode))?;
        self.file.sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // One that cannot be opened refuses before anything has changed.
        let folder = File::open(folder.unwrap_or(Path::new(".")))?;
        std::fs::rename(&self.path, path)?;
        self.is_in_place = true;
        match folder.sync_all() {
            Err(error) if matches!(error.raw_os_error(), Some(EBADF | EINVAL)) => Ok(()),
            synced => synced,
        }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        if !self.is_in_place {
            // Still locked; nobody is left to tell when it cannot be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
