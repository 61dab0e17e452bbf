//! Reading and replacing files that may hold secrets.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};

use zeroize::Zeroizing;

/// Reads a possibly secret file into one buffer of its exact size, which is wiped on drop.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Replaces a file atomically: readers see the old content or the new one, also after a power failure. When this returns,
/// the new one stays.
pub(crate) fn replace_for_good(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    replace(path, content, mode)?;
    File::open(folder_of(path))?.sync_all()
}

/// Replaces a file atomically. After a power failure, it may have its old content again: enough for keys of gateways,
/// which get fresh ones after a boot.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    check_replaceable(path)?;
    // deleted if anything fails, since it may hold a secret
    let mut file = tempfile::Builder::new()
        .prefix(".skip-client-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder_of(path))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Whether [`replace`] can work: the folder exists and is writable, and the path is not itself a folder.
pub(crate) fn can_replace(path: &Path) -> io::Result<()> {
    check_replaceable(path)?;
    let mut file = tempfile::Builder::new()
        .prefix(".skip-client-")
        .tempfile_in(folder_of(path))?;
    // empty files can still be created on a full disk; file systems reserve the space of a write, so it need not be synced
    file.write_all(&[0; 512])
}

/// Checks that only this user and root can change a file: a program, or what names programs.
pub(crate) fn check_trusted(path: &Path) -> Result<(), String> {
    let (me, my_group) = (geteuid().as_raw(), getegid().as_raw());
    for path in [path, folder_of(path)] {
        let Ok(meta) = fs::metadata(path) else { continue };
        let shown = path.display();
        // in a folder like /tmp nobody can replace another user's file
        let is_sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        if meta.mode() & 0o002 != 0 && !is_sticky {
            return Err(format!("{shown} can be changed by anybody (chmod o-w)"));
        }
        // the group of this user often has no other member, and that of /usr/local/bin may be as good as root
        if meta.is_file() && meta.mode() & 0o020 != 0 && ![0, my_group].contains(&meta.gid()) {
            return Err(format!("{shown} can be changed by its group (chmod g-w)"));
        }
        if ![0, me].contains(&meta.uid()) {
            return Err(format!("{shown} belongs to somebody else (user {})", meta.uid()));
        }
    }
    Ok(())
}

/// A device or a pipe would become a file, which its readers would never see.
fn check_replaceable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is a device, a pipe or a socket")),
        _ => Ok(()),
    }
}

/// The file that [`replace`] puts in place, however its folder is spelled.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    match (folder_of(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        // without its folder, at least `//` and `/./` are one spelling
        _ => path.components().collect(),
    }
}

fn folder_of(path: &Path) -> &Path {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    dir.unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::{can_replace, check_trusted, replace};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::path::Path;

    #[test]
    fn a_file_is_replaced_atomically_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        for text in ["one", "two"] {
            can_replace(&path).expect("it can");
            replace(&path, text.as_bytes(), 0o600).expect("replaced");
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn anything_but_a_file_in_its_place_is_refused_and_nothing_is_left() {
        let dir = tempfile::tempdir().expect("a folder");
        can_replace(Path::new("/dev/null")).expect_err("a device");
        replace(Path::new("/dev/null"), b"x", 0o600).expect_err("a device");
        can_replace(dir.path()).expect_err("a folder");
        replace(dir.path(), b"x", 0o600).expect_err("a folder");
        can_replace(&dir.path().join("missing/file")).expect_err("no folder");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }

    #[test]
    fn what_others_can_change_is_not_trusted() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("program");
        fs::write(&path, "").expect("written");
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        check_trusted(Path::new("/bin/sh")).expect("root's");
        for (folder, file, trusted) in [
            (0o700, 0o600, true),
            (0o700, 0o660, true),
            (0o700, 0o602, false),
            (0o777, 0o600, false),
            (0o1777, 0o600, true),
        ] {
            set(dir.path(), folder);
            set(&path, file);
            assert_eq!(check_trusted(&path).is_ok(), trusted, "{folder:o} {file:o}");
        }
        // only root may give a file away
        set(&path, 0o660);
        if chown(&path, None, Some(1)).is_ok() {
            check_trusted(&path).expect_err("another group");
            chown(&path, Some(1), Some(0)).expect("root");
            check_trusted(&path).expect_err("another owner");
        }
    }
}
