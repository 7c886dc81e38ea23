//! The one thing that is needed of tar (POSIX ustar): the bytes of the only file in an archive that Docker sends.

const BLOCK_BYTES: usize = 512;
const SIZE_FIELD: std::ops::Range<usize> = 124..136;
const TYPE_FIELD: usize = 156;

/// The first regular file of `archive`; extended headers before it are passed over.
pub(super) fn first_file(archive: &[u8]) -> Option<&[u8]> {
    let mut rest = archive;
    loop {
        let header = rest.get(..BLOCK_BYTES)?;
        let size = octal(&header[SIZE_FIELD])?;
        let end = BLOCK_BYTES.checked_add(size)?;
        match header[TYPE_FIELD] {
            b'0' | 0 if size > 0 => return rest.get(BLOCK_BYTES..end),
            // A block of zeros ends the archive.
            0 => return None,
            _ => rest = rest.get(end.next_multiple_of(BLOCK_BYTES)..)?,
        }
    }
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { usize::from_str_radix(text, 8).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK_BYTES];
        block[SIZE_FIELD].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
        block[TYPE_FIELD] = kind;
        block.extend_from_slice(data);
        block.resize(block.len().next_multiple_of(BLOCK_BYTES), 0);
        block
    }

    #[test]
    fn the_file_is_found_behind_an_extended_header() {
        let archive = [entry(b'x', b"27 mtime=1"), entry(b'0', b"root:x:0:0"), vec![0; 1024]].concat();
        assert_eq!(first_file(&archive), Some(b"root:x:0:0".as_slice()));
    }

    #[test]
    fn a_cut_or_empty_archive_has_none() {
        let whole = entry(b'0', &[b'a'; 600]);
        assert_eq!(first_file(&whole[..900]), None);
        assert_eq!(first_file(&[0; 1024]), None);
        assert_eq!(first_file(b""), None);
    }
}
