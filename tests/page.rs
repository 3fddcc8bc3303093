//! Reports and live pages in a real browser, where there is one.
//!
//! `PARPROC_TEST_PICTURES=folder` leaves a picture of each page there.

#[path = "page/chromium.rs"]
mod chromium;
#[path = "page/work.rs"]
mod work;

use std::path::Path;

use chromium::Browser;
use parproc::Pool;
use parproc::observe::{Dashboard, HtmlReport};
use serde_json::json;
use work::{hostile, nap, report, resize, spin, tiny, waits_for};

/// The browser complained of nothing, and asked for nothing besides the page.
fn is_content(browser: &Browser) {
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    let foreign = |one: &&String| !one.starts_with("file:") && !one.starts_with("data:");
    let foreign: Vec<_> = browser.requests.iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// The number in a tile.
fn tile(browser: &mut Browser, name: &str) -> String {
    browser.text(&format!(
        "[...document.querySelectorAll('#tiles dt')].find((dt) => dt.textContent === '{name}').nextElementSibling.textContent"
    ))
}

/// How many pixels of a canvas have the colour of a variable of the style sheet.
fn pixels(browser: &mut Browser, canvas: &str, colour: &str) -> u64 {
    let script = format!(
        "(() => {{
            const canvas = document.getElementById('{canvas}');
            const probe = new OffscreenCanvas(1, 1).getContext('2d');
            probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--{colour}');
            probe.fillRect(0, 0, 1, 1);
            const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
            const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {{ willReadFrequently: true }});
            copy.drawImage(canvas, 0, 0);
            const {{ data }} = copy.getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) count += data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255;
            return count;
        }})()"
    );
    browser.eval(&script).as_u64().unwrap()
}

/// Nothing is wider than the window.
fn fits(browser: &mut Browser) {
    let wide = browser.eval("document.documentElement.scrollWidth - innerWidth");
    assert!(wide.as_i64().unwrap() <= 0, "{wide} pixels too wide");
}

/// What the timeline says that it shows.
fn shown(browser: &mut Browser) -> String {
    browser.text("document.getElementById('window').textContent")
}

#[test]
fn a_report_shows_what_happened() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = report(&folder, 4, |pool| {
        let durations = (0..300_u64).map(|i| 300 + (i * 7919 % 97) * (i * 104_729 % 53));
        pool.map(spin, durations).unwrap();
        pool.map(resize, (0..500_u64).map(|i| 50 + i * i % 1500))
            .unwrap();
    });
    browser.open_file(&path);
    browser.picture("good");
    assert_eq!(tile(&mut browser, "Items done"), "800");
    assert_eq!(tile(&mut browser, "Failed"), "0");
    assert_eq!(
        browser.text("document.getElementById('state').textContent"),
        "finished"
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('#workers-table tbody tr').length"),
        4
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('#calls-table tbody tr').length"),
        2
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('#longest tbody tr').length"),
        10
    );
    let legend = browser.text("document.getElementById('legend').textContent");
    assert_eq!(legend, "spinresizestarting");
    let sum = "[...document.querySelectorAll('#workers-table tbody tr td:nth-child(2)')].reduce((sum, cell) => sum + Number(cell.textContent), 0)";
    assert_eq!(browser.eval(sum), 800);
    for (canvas, colour) in [
        ("lanes", "c0"),
        ("lanes", "c1"),
        ("durations", "c0"),
        ("durations", "c1"),
    ] {
        let count = pixels(&mut browser, canvas, colour);
        assert!(count > 500, "{count} pixels of {colour} in {canvas}");
    }
    fits(&mut browser);

    let light = browser.text("getComputedStyle(document.body.parentElement).backgroundColor");
    browser.dark(true);
    browser.settle();
    browser.picture("good-dark");
    let dark = browser.text("getComputedStyle(document.body.parentElement).backgroundColor");
    assert_eq!(
        (light.as_str(), dark.as_str()),
        ("rgb(245, 246, 248)", "rgb(14, 17, 22)")
    );
    // What is drawn follows without being asked.
    assert!(pixels(&mut browser, "lanes", "c0") > 500);

    browser.dark(false);
    browser.window(390, 844);
    browser.settle();
    browser.picture("good-narrow");
    fits(&mut browser);
    is_content(&browser);
}

#[test]
fn failures_and_what_tasks_wrote_are_shown_as_text() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = report(&folder, 4, |pool| {
        pool.outcomes(hostile, 0..200_u64).unwrap();
    });
    browser.open_file(&path);
    browser.picture("failures");
    let failed = 3 * 5;
    assert_eq!(tile(&mut browser, "Failed"), failed.to_string());
    assert_eq!(tile(&mut browser, "Tried again"), "10");
    assert_eq!(
        browser.eval("document.querySelectorAll('#failures li').length"),
        failed + 10
    );
    let kinds = browser.text("[...document.querySelectorAll('#failure-kinds li')].map((li) => li.textContent).sort().join()");
    assert_eq!(kinds, "crash 10,panic 5,timeout 10");

    // The page is what it was, and the text is there, character by character.
    assert!(browser.text("document.title").starts_with("page-"));
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    assert_eq!(
        browser.eval("document.querySelectorAll('script').length"),
        2
    );
    let reports = browser.text(
        "[...document.querySelectorAll('#failures pre')].map((pre) => pre.textContent).join('\\n')",
    );
    assert!(reports.contains(work::HOSTILE), "{reports}");
    assert!(
        reports.contains("assertion `page < last` failed"),
        "{reports}"
    );
    assert!(reports.contains("SIGABRT"), "{reports}");

    // Both kinds of marks are drawn, and what failed for good is red.
    assert!(pixels(&mut browser, "lanes", "bad") > 100);
    assert!(pixels(&mut browser, "lanes", "again-mark") > 100);

    // From a failure to its place, and from key to key.
    browser.eval("document.querySelector('#failures details').open = true; document.querySelector('#failures .goto').click()");
    browser.wait("document.getElementById('window').textContent !== ''");
    let first = shown(&mut browser);
    browser.picture("failures-zoomed");
    browser.key("n");
    browser.key("n");
    browser.wait(&format!(
        "document.getElementById('window').textContent !== {}",
        json!(first)
    ));
    is_content(&browser);
}

#[test]
fn the_timeline_is_zoomed_moved_and_pointed_at() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = report(&folder, 2, |pool| {
        pool.map(nap, [30_u64; 12]).unwrap();
    });
    browser.open_file(&path);
    browser.eval("document.getElementById('timeline').focus({ preventScroll: true })");
    let mut last = shown(&mut browser);
    let mut changes = |browser: &mut Browser, what: &str| {
        browser.wait(&format!(
            "document.getElementById('window').textContent !== {}",
            json!(last)
        ));
        let now = shown(browser);
        assert!(now.starts_with("Shown: "), "{what}: {now}");
        last = now;
    };
    browser.key("+");
    changes(&mut browser, "plus");
    browser.key("ArrowRight");
    changes(&mut browser, "right");
    browser.key("ArrowLeft");
    changes(&mut browser, "left");
    browser.key("0");
    changes(&mut browser, "all");
    let middle = |browser: &mut Browser, share: f64| {
        let place = browser.eval(&format!(
            "(() => {{ const b = document.getElementById('lanes').getBoundingClientRect(); return [b.left + 84 + (b.width - 84) * {share}, b.top + 20]; }})()"
        ));
        (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
    };
    let (x, y) = middle(&mut browser, 0.6);
    browser.mouse("mouseWheel", x, y, json!({"deltaX": 0, "deltaY": -300}));
    changes(&mut browser, "wheel");
    // Of the 12 naps at least one fills the middle now.
    browser.mouse("mouseMoved", x, y, json!({}));
    browser.wait("!document.getElementById('tip').hidden");
    browser.picture("tip");
    let tip = browser.text("document.getElementById('tip').textContent");
    assert!(tip.contains("worker 0"), "{tip}");
    let (to, _) = middle(&mut browser, 0.8);
    browser.mouse(
        "mousePressed",
        x,
        y,
        json!({"button": "left", "buttons": 1, "clickCount": 1}),
    );
    browser.mouse(
        "mouseMoved",
        (x + to) / 2.0,
        y,
        json!({"button": "left", "buttons": 1}),
    );
    browser.mouse("mouseMoved", to, y, json!({"button": "left", "buttons": 1}));
    browser.mouse(
        "mouseReleased",
        to,
        y,
        json!({"button": "left", "clickCount": 1}),
    );
    changes(&mut browser, "drag");
    browser.eval("document.getElementById('zoom-all').click()");
    changes(&mut browser, "button");
    is_content(&browser);
}

#[test]
fn a_million_items_are_a_small_page() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = report(&folder, 2, |pool| {
        let sum: u64 = pool.map(tiny, 0..1_000_000_u64).unwrap().iter().sum();
        assert_eq!(sum, 500_000_500_000);
        pool.map(nap, [400_u64]).unwrap();
    });
    let size = path.metadata().unwrap().len();
    assert!(size < 5_000_000, "{size} bytes");
    browser.open_file(&path);
    browser.picture("million");
    assert_eq!(tile(&mut browser, "Items done"), "1,000,001");
    assert!(
        browser
            .text("document.getElementById('grain').textContent")
            .contains("drawn as one")
    );
    // The long item among so many short ones is still one of its own.
    assert_eq!(
        browser.text("document.querySelector('#longest td').textContent"),
        "nap"
    );
    let drawing = browser.eval(
        "(async () => { const begun = performance.now(); for (let i = 0; i < 10; i += 1) { document.getElementById('zoom-in').click(); await new Promise(requestAnimationFrame); } return (performance.now() - begun) / 10; })()",
    );
    println!("{size} bytes, {drawing} ms to draw");
    is_content(&browser);
}

#[test]
fn few_and_many_workers_and_nothing_at_all() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let one = report(&folder, 1, |pool| {
        pool.map(spin, (0..40_u64).map(|i| 100 * i)).unwrap();
    });
    browser.open_file(&one);
    browser.picture("one");
    assert_eq!(
        browser.eval("document.querySelectorAll('#workers-table tbody tr').length"),
        1
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('#workers-table tfoot').length"),
        0
    );

    let many = report(&folder, 64, |pool| {
        pool.map(nap, (0..640_u64).map(|i| 1 + i * 7919 % 40))
            .unwrap();
    });
    browser.open_file(&many);
    browser.picture("many");
    assert_eq!(
        browser.eval("document.querySelectorAll('#workers-table tbody tr').length"),
        64
    );
    fits(&mut browser);

    let empty = report(&folder, 2, |_| {});
    browser.open_file(&empty);
    browser.picture("empty");
    assert_eq!(tile(&mut browser, "Items done"), "0");
    let text = browser.text("document.querySelector('main').textContent");
    assert!(
        !text.contains("NaN") && !text.contains("undefined"),
        "{text}"
    );

    // A page of which the program has told nothing yet.
    let fresh = HtmlReport::create(folder.path().join("fresh.html")).unwrap();
    browser.open_file(fresh.path());
    browser.picture("fresh");
    assert_eq!(tile(&mut browser, "Time"), "0 s");
    is_content(&browser);
}

#[test]
fn a_live_page_follows_the_program() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let dashboard = Dashboard::bind("127.0.0.1:0").unwrap();
    let address = dashboard.address();
    let pool = Pool::builder()
        .workers(2)
        .observe(dashboard)
        .build()
        .unwrap();
    browser.open(&address);
    assert_eq!(tile(&mut browser, "Items done"), "0");
    pool.map(nap, [10_u64; 20]).unwrap();
    browser.wait("document.querySelector('#tiles dd').textContent === '20'");
    browser.wait("document.getElementById('state').textContent === 'idle'");

    // While a task hangs, the page says so.
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let task = pool.spawn(waits_for, sign.as_path()).unwrap();
    browser.wait("document.getElementById('state').textContent === '1 call running'");
    let time = "document.querySelector('#tiles div:last-child dd').textContent";
    let before = browser.text(time);
    browser.wait(&format!("{time} !== {}", json!(before)));
    browser.picture("live");
    std::fs::write(&sign, "").unwrap();
    task.join().unwrap();
    browser.wait("document.querySelector('#tiles dd').textContent === '21'");

    // The page asked nobody else. Then the program ends, and the page says that too.
    assert!(browser.requests.len() > 3);
    let foreign = |one: &&String| !one.starts_with(&address) && !one.starts_with("data:");
    let foreign: Vec<_> = browser.requests.iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    drop(pool);
    browser.wait("document.getElementById('state').textContent === 'not connected'");
}

#[test]
fn a_report_is_whole_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let whole = |path: &Path| {
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
        page
    };
    let saved = HtmlReport::create(&path).unwrap();
    whole(&path);
    let pool = Pool::builder()
        .workers(2)
        .observe(saved.clone())
        .build()
        .unwrap();
    for _ in 0..20 {
        pool.map(tiny, 0..10_u64).unwrap();
        whole(&path);
    }
    // Told of, though the pool goes on.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !whole(&path).contains("page::work::tiny") {
        assert!(std::time::Instant::now() < end);
        saved.save().unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
