//! One line that is typed: a filter, a command, a name.

/// Text and the place in it, in characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input {
    text: String,
    at: usize,
}

impl Input {
    /// One that holds `text`, with the place behind it.
    pub fn of(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.chars().count() }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part before the place, and the part from it on.
    pub fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.byte(self.at))
    }

    /// Takes a key; false when it means nothing here.
    pub fn press(&mut self, key: &str) -> bool {
        match key {
            "left" => self.at = self.at.saturating_sub(1),
            "right" => self.at = (self.at + 1).min(self.text.chars().count()),
            "home" | "ctrl-a" => self.at = 0,
            "end" | "ctrl-e" => self.at = self.text.chars().count(),
            "backspace" if self.at > 0 => {
                self.at -= 1;
                self.text.remove(self.byte(self.at));
            }
            "delete" if self.at < self.text.chars().count() => drop(self.text.remove(self.byte(self.at))),
            "ctrl-u" => {
                self.text.drain(..self.byte(self.at));
                self.at = 0;
            }
            "ctrl-w" => {
                let before = &self.text[..self.byte(self.at)];
                let kept = before.trim_end().rfind(' ').map_or(0, |blank| blank + 1);
                self.text.drain(kept..self.byte(self.at));
                self.at = self.text[..kept].chars().count();
            }
            "space" => self.put(" "),
            "backspace" | "delete" => {}
            key if key.chars().count() == 1 => self.put(key),
            _ => return false,
        }
        true
    }

    /// Takes pasted text: the first line of it, without what a terminal would obey.
    pub fn paste(&mut self, text: &str) {
        let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        self.put(&line);
    }

    fn put(&mut self, text: &str) {
        let byte = self.byte(self.at);
        self.text.insert_str(byte, text);
        self.at += text.chars().count();
    }

    fn byte(&self, at: usize) -> usize {
        self.text.char_indices().nth(at).map_or(self.text.len(), |(byte, _)| byte)
    }
}
