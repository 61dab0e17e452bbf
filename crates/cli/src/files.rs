//! Reading files that may hold secrets, without leaving an unwiped copy behind.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use skip_client::{Error, Result};
use zeroize::Zeroizing;

use crate::text::shown_path;

/// More than any message or certificate bundle needs.
const MAX_BYTES: usize = 16 << 20;

/// Reads a whole file, named on the command line by `option`.
pub(crate) fn read(option: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let opened = File::open(path).and_then(|file| file.metadata().map(|meta| (file, meta)));
    opened
        .and_then(|(file, meta)| read_all(file, usize::try_from(meta.len()).unwrap_or(MAX_BYTES)))
        .map_err(|error| {
            Error::invalid_argument(
                option,
                format_args!("cannot read {}: {error}", shown_path(path)),
                "check the path and its permissions",
            )
        })
}

/// Reads stdin to the end.
pub(crate) fn read_stdin(option: &str) -> Result<Zeroizing<Vec<u8>>> {
    read_all(std::io::stdin().lock(), 0).map_err(|error| {
        Error::invalid_argument(
            option,
            format_args!("cannot read stdin: {error}"),
            "pipe the message in, or give a file",
        )
    })
}

/// Grows by copying into a larger buffer, since a growing vector would not wipe its old memory.
fn read_all(mut source: impl Read, expected: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(vec![0; expected.min(MAX_BYTES) + 4096]);
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            let mut larger = Zeroizing::new(vec![0; buffer.len() * 2]);
            larger[..filled].copy_from_slice(&buffer);
            buffer = larger;
        }
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled > MAX_BYTES {
            return Err(std::io::Error::other("it is larger than 16 MiB"));
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, read_all};

    #[test]
    fn any_length_up_to_the_limit_is_read_whole() {
        for length in [0, 1, 4096, 4097, 100_000] {
            let data: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).expect("small")).collect();
            assert_eq!(*read_all(data.as_slice(), 0).expect("read"), data);
        }
        assert!(read_all(std::io::repeat(b' '), MAX_BYTES * 2).is_err());
    }
}
