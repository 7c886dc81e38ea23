//! nginx's configuration language, as far as it must be understood: words, statements, blocks, comments.
//!
//! It reads files that are not ours, never writes them, and never fails: what it cannot make sense of it passes over,
//! because nginx's own test has the last word.

use std::ops::Range;

/// How a statement ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// One statement: `listen 80 default_server;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its words, quotes taken off.
    pub(super) words: Vec<String>,
    /// Where it stands in the text, its end included.
    pub(super) span: Range<usize>,
    /// How it ends.
    pub(super) end: End,
}

impl Statement {
    /// The directive's name; empty for a closing brace.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What follows the directive's name.
    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// All statements of `text`, in order. A statement that the text breaks off is left out.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut start = None;
    let mut rest = Cursor { text, at: 0 };
    while let Some(token) = rest.next_token() {
        let begin = *start.get_or_insert(token.span.start);
        let end = match token.kind {
            Kind::Word(word) => {
                words.push(word);
                continue;
            }
            Kind::End(end) => end,
        };
        found.push(Statement { words: std::mem::take(&mut words), span: begin..token.span.end, end });
        start = None;
    }
    found
}

enum Kind {
    Word(String),
    End(End),
}

struct Token {
    kind: Kind,
    span: Range<usize>,
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl Cursor<'_> {
    fn next_token(&mut self) -> Option<Token> {
        self.skip_space_and_comments();
        let start = self.at;
        let first = self.text[self.at..].chars().next()?;
        let end = match first {
            ';' => Some(End::Semicolon),
            '{' => Some(End::Open),
            '}' => Some(End::Close),
            _ => None,
        };
        let kind = match (end, first) {
            (Some(end), _) => {
                self.at += 1;
                Kind::End(end)
            }
            (None, '"' | '\'') => Kind::Word(self.quoted(first)),
            (None, _) => Kind::Word(self.bare()),
        };
        Some(Token { kind, span: start..self.at })
    }

    fn skip_space_and_comments(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn quoted(&mut self, quote: char) -> String {
        self.at += 1;
        self.take(|c| c == quote, true)
    }

    /// A bare word goes on over `${name}`; any other brace ends it, as in nginx.
    fn bare(&mut self) -> String {
        let mut word = String::new();
        loop {
            word.push_str(&self.take(|c| c.is_whitespace() || matches!(c, ';' | '{' | '}'), false));
            if !(word.ends_with('$') && self.text[self.at..].starts_with('{')) {
                return word;
            }
            word.push_str(&self.take(|c| c == '}', true));
            word.push('}');
        }
    }

    /// Takes characters up to one that `stops`, which is dropped with `consume`. A backslash takes the next one along.
    fn take(&mut self, stops: impl Fn(char) -> bool, consume: bool) -> String {
        let mut word = String::new();
        let mut escaped = false;
        for (offset, c) in self.text[self.at..].char_indices() {
            if !escaped && stops(c) {
                self.at += offset + if consume { c.len_utf8() } else { 0 };
                return word;
            }
            escaped = !escaped && c == '\\';
            if !escaped {
                word.push(c);
            }
        }
        self.at = self.text.len();
        word
    }
}

#[cfg(test)]
mod tests {
    use super::{End, statements};

    fn words(text: &str) -> Vec<(Vec<String>, End)> {
        statements(text).into_iter().map(|s| (s.words, s.end)).collect()
    }

    fn one(words: &[&str], end: End) -> (Vec<String>, End) {
        (words.iter().map(ToString::to_string).collect(), end)
    }

    #[test]
    fn statements_blocks_comments_and_quotes_are_told_apart() {
        let text =
            "# server { x; }\nhttp {\n  server_name a.example 'b;c' \"d{e}\"; # tail\n  root /srv/${name}/x;\n}\n";
        assert_eq!(
            words(text),
            [
                one(&["http"], End::Open),
                one(&["server_name", "a.example", "b;c", "d{e}"], End::Semicolon),
                one(&["root", "/srv/${name}/x"], End::Semicolon),
                one(&[], End::Close),
            ]
        );
    }

    #[test]
    fn a_span_covers_the_statement_and_nothing_else() {
        let text = "user x;\n  include conf.d/*.conf;\n";
        let include = &statements(text)[1];
        assert_eq!(&text[include.span.clone()], "include conf.d/*.conf;");
    }

    #[test]
    fn an_unfinished_text_loses_only_its_last_statement() {
        assert_eq!(words("a b; c \"d"), [one(&["a", "b"], End::Semicolon)]);
    }
}
