//! The page that shows a timeline: one document, which asks nobody for anything.
//!
//! What tasks wrote is in it as JSON, in which no `<` stands, and the script puts it into the page as text. A policy in
//! the page lets only the scripts and styles run that have the number which was drawn for this page.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::sys;

use super::json;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 9] = [
    include_str!("format.js"),
    include_str!("model.js"),
    include_str!("colours.js"),
    include_str!("lanes.js"),
    include_str!("moves.js"),
    include_str!("durations.js"),
    include_str!("tables.js"),
    include_str!("failures.js"),
    include_str!("main.js"),
];

/// From where the page may ask for more.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Nowhere: all is in it.
    Itself,
    /// The server that it came from.
    #[cfg(feature = "dashboard")]
    Server,
}

/// The page that shows `data`.
pub(super) fn page(title: &str, data: &impl Serialize, source: Source) -> Result<String> {
    let nonce = sys::random_hex()
        .map_err(|error| Error::os("cannot get random numbers from the kernel", error))?;
    let data = embedded(data)?;
    let script = format!("(() => {{\n\"use strict\";\n{}}})();", SCRIPTS.concat());
    let title = escaped(title);
    let connect = match source {
        Source::Itself => "'none'",
        #[cfg(feature = "dashboard")]
        Source::Server => "'self'",
    };
    Ok(filled(TEMPLATE, |name| match name {
        "nonce" => &nonce,
        "connect" => connect,
        "title" => &title,
        "style" => STYLE,
        "script" => &script,
        "data" => &data,
        "version" => env!("CARGO_PKG_VERSION"),
        _ => "",
    }))
}

/// JSON that cannot end the element around it: these three characters stand in strings only, where they can be
/// written as numbers.
fn embedded(data: &impl Serialize) -> Result<String> {
    let json = json::text(data)?;
    Ok(json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026"))
}

/// Text as it stands in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The template with `{{name}}` replaced, once: what is put in is not looked at.
fn filled<'a>(template: &'a str, value: impl Fn(&str) -> &'a str) -> String {
    let mut page = String::with_capacity(1 << 20);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        page.push_str(before);
        page.push_str(value(name));
        rest = behind;
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests {
    use super::{Source, escaped, filled, page};

    #[test]
    fn nothing_ends_the_element_of_the_data() {
        let hostile = [
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "]]>&lt;\u{2028}",
        ];
        let page = page("</title><b>", &hostile, Source::Itself).unwrap();
        assert_eq!(page.matches("</script>").count(), 2);
        assert_eq!(page.matches("<!--").count(), 0);
        assert!(page.contains("<title>&lt;/title&gt;&lt;b&gt; – parproc</title>"));
    }

    #[test]
    fn what_is_put_in_is_no_template() {
        let page = filled("a {{x}} b {{y}} c", |name| match name {
            "x" => "{{y}}",
            _ => "2",
        });
        assert_eq!(page, "a {{y}} b 2 c");
        assert_eq!(escaped("a\"<&>"), "a&quot;&lt;&amp;&gt;");
    }
}
