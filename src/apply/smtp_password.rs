//! The password for outgoing mail, which stands in a file of the operator's and reaches nothing but odoo.conf.

use crate::disk;
use crate::model::odoo_options::OptionValue;
use crate::model::secret::SecretString;
use std::io::{self, ErrorKind};
use std::path::Path;

/// A password is one line; whatever is longer is another file.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// Reads the one line of the file.
///
/// # Errors
/// Why it cannot be used, as a sentence that names the file and repeats nothing of it.
pub fn read_smtp_password(file: &Path) -> Result<SecretString, String> {
    let shown = file.display();
    let read = disk::read_limited(file, PASSWORD_BYTES_MAX);
    let text = read.and_then(|file| String::from_utf8(file.bytes).map_err(|_| io::Error::other("it is not UTF-8")));
    let text = text.map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => {
            format!("{shown} is too long for a password: it may have {PASSWORD_BYTES_MAX} bytes")
        }
        _ => format!("the password for outgoing mail cannot be read from {shown}: {error}"),
    })?;
    // Read once more by its rule: a second line would be one of odoo.conf.
    match OptionValue::parse(text.trim_end_matches(['\r', '\n'])) {
        Ok(value) => Ok(SecretString::from(String::from(value))),
        Err(error) => Err(format!("what {shown} holds is no password for odoo.conf: {}", error.rule)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::ExposeSecret;

    fn check(text: &str, expected: Option<&str>) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("smtp.password");
        std::fs::write(&file, text).unwrap();
        let read = read_smtp_password(&file);
        if let Err(error) = &read {
            assert!(error.contains("smtp.password") && !error.contains("canary"), "{error}");
        }
        assert_eq!(read.ok().as_ref().map(|secret| secret.expose_secret()), expected, "{text:?}");
    }

    #[test]
    fn one_line_is_taken_and_nothing_that_would_be_a_second_one() {
        check("canary\n", Some("canary"));
        check("can ary%(x)s;#\r\n", Some("can ary%(x)s;#"));
        check("", None);
        check("canary\nlist_db = True\n", None);
        check(" canary\n", None);
        check(&"canary".repeat(200), None);
    }

    #[test]
    fn one_that_is_not_there_is_told_with_its_place() {
        let error = read_smtp_password(Path::new("/nowhere/smtp.password")).unwrap_err();
        assert!(error.contains("/nowhere/smtp.password") && error.contains("No such file"), "{error}");
    }
}
