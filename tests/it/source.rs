//! The project's own text, as the laws of the house read it: files, and Rust as a list of words without comments and
//! strings. Not a parser: enough to find paths, modules and functions in code that rustfmt has formatted.

use std::path::{Path, PathBuf};

/// A word, or one character that is not part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// The project's top level.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` of the project that end in `ending`, sorted, with their text. Never empty.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    assert!(!found.is_empty(), "no *{ending} below {folder}: the law would hold of nothing");
    found
        .into_iter()
        .map(|path| {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            (path.strip_prefix(root()).unwrap().to_owned(), text)
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// The modules that a file stands for: `["adapters", "docker"]` for `src/adapters/docker/mod.rs`.
pub(crate) fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// Words and marks of Rust text, comments and strings left out.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        let rest = &characters[at..];
        let length = comment(rest).or_else(|| string(rest)).unwrap_or_else(|| {
            let length = word(rest);
            if !rest[0].is_whitespace() {
                tokens.push(Token { text: rest[..length].iter().collect(), line });
            }
            length
        });
        line += rest[..length].iter().filter(|character| **character == '\n').count();
        at += length;
    }
    tokens
}

/// The same without what only tests are compiled with.
pub(crate) fn shipped_tokens(text: &str) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let tokens = tokens(text);
    let mut shipped = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(|token| token.text.as_str()).take(MARK.len()).eq(MARK) {
            at += item_length(&tokens[at..]);
        } else {
            shipped.push(tokens[at].clone());
            at += 1;
        }
    }
    shipped
}

/// Up to the semicolon or the closing brace of what begins here.
fn item_length(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            // Of what this item is in.
            "}" if depth == 0 => return at,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && ["}", ";"].contains(&token.text.as_str()) {
            return at + 1;
        }
    }
    tokens.len()
}

fn starts(rest: &[char], with: &str) -> bool {
    with.chars().enumerate().all(|(at, character)| rest.get(at) == Some(&character))
}

fn word(rest: &[char]) -> usize {
    rest.iter().take_while(|character| character.is_alphanumeric() || **character == '_').count().max(1)
}

/// The length of the comment that begins here.
fn comment(rest: &[char]) -> Option<usize> {
    if starts(rest, "//") {
        return Some(rest.iter().take_while(|character| **character != '\n').count());
    }
    if !starts(rest, "/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if starts(&rest[at..], "/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if starts(&rest[at..], "*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    Some(at)
}

/// The length of the string or character that begins here, prefix and all.
fn string(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|character| matches!(character, 'b' | 'c' | 'r')).count();
    let hashes = rest[prefix..].iter().take_while(|character| **character == '#').count();
    let quote = prefix + hashes;
    let raw = rest[..prefix].contains(&'r');
    match rest.get(quote)? {
        '"' if raw || hashes == 0 => {
            let end: String =
                std::iter::once('"').chain(std::iter::repeat_n('#', if raw { hashes } else { 0 })).collect();
            let mut at = quote + 1;
            while at < rest.len() && !starts(&rest[at..], &end) {
                at += if rest[at] == '\\' && !raw { 2 } else { 1 };
            }
            Some((at + end.len()).min(rest.len()))
        }
        '\'' if hashes == 0 && !raw => character(&rest[quote..]).map(|length| quote + length),
        _ => None,
    }
}

/// A character in quotes; a lifetime is none.
fn character(rest: &[char]) -> Option<usize> {
    let escaped = rest.get(1) == Some(&'\\');
    let end = if escaped { 3 + rest.iter().skip(3).take_while(|character| **character != '\'').count() } else { 2 };
    (rest.get(end) == Some(&'\'')).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_strings_are_no_words() {
        assert_eq!(words("a // crate::b\n/* c /* d */ e */ f"), ["a", "f"]);
        assert_eq!(words(r##"a "crate::b \" c" r#"d " e"# b"f" g"##), ["a", "g"]);
        assert_eq!(words(r"a '{' '\'' '\u{1f}' b'}' &'static c"), ["a", "&", "'", "static", "c"]);
        assert_eq!(words("r#type bar!(x)"), ["r", "#", "type", "bar", "!", "(", "x", ")"]);
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let text = "a\n/* b\nc */ \"d\ne\"\nf";
        assert_eq!(tokens(text).last(), Some(&Token { text: "f".to_owned(), line: 5 }));
    }
}
