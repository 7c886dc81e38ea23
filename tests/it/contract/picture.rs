//! The README's picture in a real browser: every letter in its column, no word stretched, by day and by night.

use crate::browser::{Browser, DESKTOP, Scheme};
use crate::source::root;
use crate::tui::picture::{BASE, CELL, MARGIN, frame, is_shape};
use serde_json::json;
use std::collections::BTreeMap;

/// Where each letter really stands, how wide its word is, and whether anything asks for stretching.
const LETTERS: &str = "[...document.querySelectorAll('text')].map(word => {
    const letters = [...word.textContent];
    const places = letters.map((letter, nth) => [letter, word.getStartPositionOfChar(nth).x, word.getStartPositionOfChar(nth).y]);
    return { letters: places, length: word.getComputedTextLength(), stretched: word.hasAttribute('textLength') };
})";

#[test]
fn every_letter_of_the_picture_stands_in_its_column() {
    let mut browser = Browser::start("contract-picture-letters", None);
    browser.open(&format!("file://{}", root().join("docs/dashboard.svg").display()));
    let words = browser.ask(LETTERS);
    let mut seen: BTreeMap<(u16, u16), String> = BTreeMap::new();
    for word in words.as_array().unwrap() {
        let letters = word["letters"].as_array().unwrap();
        for letter in letters {
            let column = column_of(letter[1].as_f64().unwrap(), MARGIN, CELL.0);
            let row = column_of(letter[2].as_f64().unwrap(), MARGIN + BASE, CELL.1);
            let before = seen.insert((row, column), letter[0].as_str().unwrap().to_owned());
            assert_eq!(before, None, "two letters at row {row}, column {column}: {word}");
        }
        assert_eq!(word["stretched"], false, "{word}");
        // Signs may come from another font than letters.
        if letters.iter().all(|letter| letter[0].as_str().unwrap().is_ascii()) {
            let wide = f64::from(CELL.0) * letters.len() as f64;
            let length = word["length"].as_f64().unwrap();
            assert!((length - wide).abs() < wide * 0.03, "{length} instead of {wide}: {word}");
        }
    }
    let buffer = frame();
    for y in 0..buffer.area.height {
        let cell = |x: u16| buffer[(x, y)].symbol();
        let wanted: String = (0..buffer.area.width).map(|x| if is_shape(cell(x)) { " " } else { cell(x) }).collect();
        let shown: String = (0..buffer.area.width).map(|x| seen.get(&(y, x)).map_or(" ", String::as_str)).collect();
        assert_eq!(shown, wanted, "row {y}");
    }
    browser.picture("alone");
    browser.assert_no_complaints(&[]);
}

fn column_of(place: f64, from: u16, step: u16) -> u16 {
    let column = (place - f64::from(from)) / f64::from(step);
    assert!((column - column.round()).abs() < 0.01, "{place} is between two columns");
    column.round() as u16
}

/// As a forge shows it: an `<img>` that is as wide as the text.
#[test]
fn the_picture_is_bright_by_day_and_dark_by_night() {
    let mut browser = Browser::start("contract-picture-schemes", None);
    let page = root().join("target/browser/contract-picture-schemes/readme.html");
    let picture = std::fs::read(root().join("docs/dashboard.svg")).unwrap();
    let picture = openssl::base64::encode_block(&picture);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>README</title>\
         <style>:root {{ color-scheme: light dark }} body {{ max-width: 838px; margin: 32px auto }} img {{ max-width: 100% }}</style>\
         <body><img alt=\"\" src=\"data:image/svg+xml;base64,{picture}\"></body></html>"
    );
    std::fs::write(&page, html).unwrap();
    let paper = "(image => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const pen = canvas.getContext('2d');
        pen.drawImage(image, 0, 0);
        return [...pen.getImageData(20, 5, 1, 1).data].slice(0, 3).reduce((sum, part) => sum + part, 0) / 3;
    })(document.querySelector('img'))";
    for (scheme, name, right) in [(Scheme::Light, "by-day", 240.0..=255.0), (Scheme::Dark, "by-night", 0.0..=40.0)] {
        browser.screen(DESKTOP, scheme);
        browser.open(&format!("file://{}", page.display()));
        browser.until("the picture", "document.querySelector('img').complete");
        let brightness = browser.ask(paper).as_f64().unwrap();
        browser.picture(name);
        assert!(right.contains(&brightness), "{name}: {brightness}");
    }
    assert_ne!(browser.ask("document.querySelector('img').naturalWidth"), json!(0));
    assert_eq!(browser.requests().iter().find(|request| request.url.starts_with("http")).map(|it| &it.url), None);
}
