//! A logo file → the `data:` address that a page carries it in.

use crate::disk;
use std::io::ErrorKind;
use std::path::Path;

/// A page carries its logo in itself: one larger than this is a picture that was not made for the web.
const LOGO_BYTES_MAX: u64 = 64 * 1024;

/// The logo in `path` as an address.
///
/// # Errors
/// Why it cannot be shown: it cannot be read, is too large, or is no image that every browser shows.
pub(super) fn address(path: &Path) -> Result<String, String> {
    let bytes = match disk::read_limited(path, LOGO_BYTES_MAX) {
        Ok(logo) => logo.bytes,
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err(format!("the logo is larger than {} KiB: make it smaller", LOGO_BYTES_MAX / 1024));
        }
        Err(error) => return Err(format!("the logo cannot be read: {error}")),
    };
    let kind =
        kind(&bytes).ok_or("the logo is not an image of a kind that every browser shows: SVG, PNG, JPEG, GIF, WebP")?;
    Ok(format!("data:{kind};base64,{}", openssl::base64::encode_block(&bytes)))
}

/// The media type by what the file says itself; its name says nothing.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => is_svg(std::str::from_utf8(bytes).ok()?).then_some("image/svg+xml"),
    }
}

/// An SVG begins with its element; a declaration, a document type and comments may stand before it.
fn is_svg(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while let Some(end) = prologue_end(rest) {
        rest = rest[end..].trim_start();
    }
    rest.strip_prefix("<svg").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>']))
}

fn prologue_end(text: &str) -> Option<usize> {
    let end = if text.starts_with("<!--") {
        "-->"
    } else if text.starts_with("<?") {
        "?>"
    } else if text.starts_with("<!") {
        ">"
    } else {
        return None;
    };
    Some(text.find(end)? + end.len())
}

#[cfg(test)]
mod tests {
    use super::{LOGO_BYTES_MAX, address, kind};

    #[test]
    fn an_image_is_known_by_what_it_holds() {
        let svg = "\u{feff}<?xml version=\"1.0\"?>\n<!-- made by hand -->\n<!DOCTYPE svg>\n<svg xmlns=\"x\"/>";
        let images: [(&[u8], &str); 6] = [
            (b"\x89PNG\r\n\x1a\nrest", "image/png"),
            (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"<svg>", "image/svg+xml"),
            (svg.as_bytes(), "image/svg+xml"),
        ];
        for (bytes, expected) in images {
            assert_eq!(kind(bytes), Some(expected));
        }
        for none in ["", "<html><svg>", "<svgs>", "<!-- never closed", "%PDF-1.7", "PNG"] {
            assert_eq!(kind(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_logo_is_refused_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            std::fs::write(dir.path().join(name), bytes).unwrap();
            address(&dir.path().join(name))
        };
        assert_eq!(
            put("logo.svg", b"<svg/>").unwrap_err().split(':').next(),
            Some("the logo is not an image of a kind that every browser shows")
        );
        assert_eq!(put("logo.svg", b"<svg></svg>").unwrap(), "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=");
        let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
        large.resize(usize::try_from(LOGO_BYTES_MAX).unwrap(), 0);
        assert!(put("large.png", &large).is_ok());
        large.push(0);
        assert_eq!(put("large.png", &large).unwrap_err(), "the logo is larger than 64 KiB: make it smaller");
        assert!(address(dir.path()).unwrap_err().contains("it is not a regular file"));
        assert!(address(&dir.path().join("none.png")).unwrap_err().contains("No such file"));
    }
}
