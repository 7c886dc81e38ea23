//! What Odoo prints: a quotation through the real wkhtmltopdf, looked at as a picture.

use super::fleet::Fleet;
use super::odoo::Browser;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The company's colour, which only the style sheet brings into a report: no other part of a page has it.
const COLOUR: &str = "#d01080";
const COLOUR_RGB: [u8; 3] = [0xd0, 0x10, 0x80];
/// A heading in that colour has some hundred pixels at this resolution.
const DOTS_PER_INCH: &str = "80";
const PIXELS_MIN: usize = 50;
/// A letter's edge is a mixture with the paper.
const SHADE_MAX: u8 = 24;

/// Prints one, and once more from where no style sheet can be fetched: then the colour is missing.
pub(crate) async fn a_quotation_is_printed_with_its_style(fleet: &Fleet, browser: &Browser, company: &str) {
    let companies = browser.read("res.company", json!([]), &["id"]).await;
    browser.call("res.company", "write", json!([[companies[0]["id"]], { "primary_color": COLOUR }])).await;
    let customer = browser.call("res.partner", "create", json!([{ "name": "Café Đà Lạt" }])).await;
    let product = browser.call("product.product", "create", json!([{ "name": "Cà phê", "list_price": 1234 }])).await;
    let line = json!({ "product_id": product, "product_uom_qty": 3 });
    let order = browser.call("sale.order", "create", json!([{ "partner_id": customer, "order_line": [[0, 0, line]] }]));
    let order = order.await;

    let kept = kept(fleet);
    let printed = print(browser, &order, &kept.join("quotation")).await;
    // Letters of the style's own font are drawn; those that it lacks come from the image's font, and are text.
    let text = text_of(&printed);
    assert!(["Đ", "ạ", "₫"].iter().all(|letter| text.contains(letter)), "{text}");
    println!("quotation of {company}: {}", printed.with_extension("png").display());
    let pixels = coloured_pixels(&printed);
    assert!(pixels >= PIXELS_MIN, "the style is missing: {pixels} pixels have the company's colour");

    // That the look can fail: an address at which nobody answers.
    let parameters = |url: &str| json!(["report.url", url]);
    let own = browser.call("ir.config_parameter", "get_param", json!(["report.url"])).await;
    assert_eq!(own, "http://127.0.0.1:8069");
    browser.call("ir.config_parameter", "set_param", parameters("http://127.0.0.1:9")).await;
    let bare = print(browser, &order, &kept.join("quotation-without-style")).await;
    assert_eq!(coloured_pixels(&bare), 0, "the colour came from elsewhere");
    let text = text_of(&bare);
    assert!(text.contains("Café Đà Lạt") && text.contains("Cà phê"), "{text}");
    browser.call("ir.config_parameter", "set_param", parameters("http://127.0.0.1:8069")).await;
}

/// `target/reports`, for people to look at.
fn kept(fleet: &Fleet) -> PathBuf {
    let target = fleet.lab.path("INNKEEPER_FLEET");
    let target = target.ancestors().find(|path| path.ends_with("target")).unwrap().to_owned();
    fs::create_dir_all(target.join("reports")).unwrap();
    target.join("reports")
}

/// Prints the order through Odoo; the PDF and its first page as pictures stand at `to` with their endings.
async fn print(browser: &Browser, order: &Value, to: &Path) -> PathBuf {
    let pdf = browser.download(&format!("/report/pdf/sale.report_saleorder/{order}")).await;
    assert!(pdf.starts_with(b"%PDF"), "not a PDF: {}", String::from_utf8_lossy(&pdf[..pdf.len().min(2_000)]));
    let file = to.with_extension("pdf");
    fs::write(&file, pdf).unwrap();
    let (file, to_text) = (file.to_str().unwrap(), to.to_str().unwrap());
    let one_page = ["-r", DOTS_PER_INCH, "-f", "1", "-singlefile"];
    shell("pdftoppm", &[&one_page[..], &["-png", file, to_text]].concat());
    shell("pdftoppm", &[&one_page[..], &[file, to_text]].concat());
    to.to_owned()
}

fn text_of(printed: &Path) -> String {
    let text = shell("pdftotext", &["-layout", printed.with_extension("pdf").to_str().unwrap(), "-"]);
    String::from_utf8(text).unwrap()
}

/// How many pixels of the picture have the company's colour.
fn coloured_pixels(picture: &Path) -> usize {
    let bytes = fs::read(picture.with_extension("ppm")).unwrap();
    // "P6", width, height and 255, then three bytes a pixel (netpbm, ppm(5)).
    let fields: Vec<&[u8]> = bytes.splitn(4, |byte| *byte == b'\n').collect();
    assert_eq!((fields[0], fields[2]), (&b"P6"[..], &b"255"[..]), "another kind of picture");
    let is_near = |pixel: &&[u8]| pixel.iter().zip(COLOUR_RGB).all(|(one, other)| one.abs_diff(other) <= SHADE_MAX);
    fields[3].chunks_exact(3).filter(is_near).count()
}

fn shell(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
