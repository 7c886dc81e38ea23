//! The password for outgoing mail, which stands in a file of the operator's and reaches nothing but odoo.conf.

use crate::model::odoo_options::OptionValue;
use crate::model::secret::SecretString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A password is one line; whatever is longer is another file.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// Reads the one line of the file.
///
/// # Errors
/// Why it cannot be used, as a sentence that names the file and repeats nothing of it.
pub fn read_smtp_password(file: &Path) -> Result<SecretString, String> {
    let shown = file.display();
    let mut text = String::new();
    let opened = File::open(file).map(|file| file.take(PASSWORD_BYTES_MAX + 1));
    opened
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| format!("the password for outgoing mail cannot be read from {shown}: {error}"))?;
    // Read once more by its rule: a second line would be one of odoo.conf.
    match OptionValue::parse(text.trim_end_matches(['\r', '\n'])) {
        Ok(value) if text.len() as u64 <= PASSWORD_BYTES_MAX => Ok(SecretString::from(String::from(value))),
        Ok(_) => Err(format!("{shown} is too long for a password: it may have {PASSWORD_BYTES_MAX} bytes")),
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
