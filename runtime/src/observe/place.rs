//! Where a file is that something is written to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// So many links are followed one after the other, as the system does (`path_resolution(7)`).
const LINKS: usize = 40;

/// The path of a file that is there or is to be made, without links: two names of one file are told to be one, a
/// program that goes elsewhere still finds it, and a link stays when the file is replaced. What is there and is no
/// regular file keeps its name, since some have no other one (`/dev/stdout`).
pub(super) fn place(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    if is_special(&path) {
        return Ok(path);
    }
    for _ in 0..LINKS {
        if let Ok(found) = path.canonicalize() {
            return Ok(found);
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            break;
        };
        // Making the file says what is wrong with its folder.
        let Ok(folder) = folder.canonicalize() else {
            return Ok(path);
        };
        // A link to a file that is yet to be made.
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(folder.join(name)),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// True for what is there and is no regular file: a device, a pipe.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_the_file_that_is_there_or_is_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let file = folder.join("file");
        symlink("file", folder.join("link")).unwrap();
        symlink("link", folder.join("second")).unwrap();
        symlink(&folder, folder.join("here")).unwrap();
        symlink("itself", folder.join("itself")).unwrap();
        for _ in 0..2 {
            for name in ["file", "link", "second", "here/second"] {
                assert_eq!(place(&folder.join(name)).unwrap(), file);
            }
            fs::write(&file, "").unwrap();
        }
        place(&folder.join("itself")).unwrap_err();
        let nowhere = folder.join("none/file");
        assert_eq!(place(&nowhere).unwrap(), nowhere);
        assert_eq!(place("/dev/null".as_ref()).unwrap(), Path::new("/dev/null"));
    }
}
