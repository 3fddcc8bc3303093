//! A sample site for `crawl`: some hundred honest pages, links that lead nowhere, and two traps.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const ROOMS: [&str; 8] = [
    "attic", "cellar", "garden", "hall", "kitchen", "library", "study", "tower",
];
const PAGES: usize = 50;

/// Writes the site into the folder, and says which page is the first.
pub(crate) fn write(folder: &Path) -> io::Result<PathBuf> {
    let mut first =
        String::from("<h1>The house</h1>\n<a href='traps/never.html'>a long story</a>\n");
    for (number, room) in ROOMS.iter().enumerate() {
        first += &format!("<a class=\"room\" href=\"{room}/\">{room}</a>\n");
        fs::create_dir(folder.join(room))?;
        let things: String = (0..PAGES)
            .map(|page| format!("<a href=\"{page}.html\">thing {page}</a>\n"))
            .collect();
        fs::write(folder.join(room).join("index.html"), things)?;
        for page in 0..PAGES {
            fs::write(
                folder.join(room).join(format!("{page}.html")),
                thing(number, page),
            )?;
        }
    }
    fs::create_dir(folder.join("traps"))?;
    // Each beginning of a link might go on through all that is behind it.
    fs::write(folder.join("traps/tags.html"), "<a title ".repeat(100_000))?;
    symlink("/dev/zero", folder.join("traps/never.html"))?;
    fs::write(folder.join("index.html"), first)?;
    Ok(folder.join("index.html"))
}

/// A page about a thing, with links back, onwards, sideways and out.
fn thing(room: usize, page: usize) -> String {
    let next = (7 * page + 3) % PAGES;
    let other = ROOMS[(room + page) % ROOMS.len()];
    let mut html = format!(
        "<h1>Thing {page}</h1>\n<a href=\"../index.html#top\">home</a> <a href=\"./\">back</a>\n\
         <a href=\"{next}.html?from={page}\">next</a> <a href='../{other}/{next}.html'>like this</a>\n\
         <a href=\"https://example.org/\">elsewhere</a>\n",
    );
    for line in 0..200 {
        html += &format!(
            "<p class=\"line\">Line {line} of what there is to say of thing {page}.</p>\n"
        );
    }
    match (room, page) {
        (2, 17) => html += "<a href=\"99.html\">it was here</a>\n",
        (5, 33) => html += "<a href=\"../traps/tags.html\">do not follow</a>\n",
        (6, 8) => html += "<a href=\"../lost/found.html\">lost</a>\n",
        _ => {}
    }
    html
}
