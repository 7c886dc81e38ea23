//! Names and texts as SQL writes them. Every name and text that goes into a statement comes through here; values of
//! queries go as parameters instead.

/// A name in double quotes (PostgreSQL, section 4.1.1). Names that SQL folds or reserves stay as they are.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes (PostgreSQL, section 4.1.2). A backslash brings the `E''` form, which means the same
/// whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!(" E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_one_name() {
        for (name, quoted) in [
            ("odoo_acme", r#""odoo_acme""#),
            (r#"a"; DROP ROLE b; --"#, r#""a""; DROP ROLE b; --""#),
            (r#""""#, r#""""""""#),
            ("select", r#""select""#),
            ("Ünï $1 \\ '", "\"Ünï $1 \\ '\""),
        ] {
            assert_eq!(identifier(name), quoted);
        }
    }

    #[test]
    fn a_hostile_text_stays_one_text() {
        for (text, quoted) in [
            ("plain", "'plain'"),
            ("it's'; DROP ROLE b; --", "'it''s''; DROP ROLE b; --'"),
            (r"\'; DROP ROLE b; --", r" E'\\''; DROP ROLE b; --'"),
            ("", "''"),
        ] {
            assert_eq!(literal(text), quoted);
        }
    }
}
