//! The models of the example `glpk`, and the solver.

#![expect(unsafe_code, reason = "a C library is called")]

use std::error::Error;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null;
use std::time::{Duration, Instant};

use parproc::{Output, Pool, parallel};
use serde::{Deserialize, Serialize};

const PLACES: usize = 16;
const TOWNS: usize = 48;
const RENT: f64 = 500.0;

/// Fuel has these prices.
fn prices() -> impl Iterator<Item = f64> {
    (0..12).map(|step| 0.25 * 1.5_f64.powi(step))
}

#[derive(Serialize, Deserialize)]
struct Plan {
    cost: f64,
    /// For each place whether it gets a warehouse.
    built: Vec<bool>,
    time: Duration,
}

#[link(name = "glpk")]
unsafe extern "C" {
    safe fn glp_term_out(on: c_int) -> c_int;
    safe fn glp_create_prob() -> *mut c_void;
    fn glp_delete_prob(problem: *mut c_void);
    fn glp_read_lp(problem: *mut c_void, options: *const c_void, file: *const c_char) -> c_int;
    fn glp_simplex(problem: *mut c_void, options: *const c_void) -> c_int;
    fn glp_intopt(problem: *mut c_void, options: *const c_void) -> c_int;
    fn glp_create_index(problem: *mut c_void);
    fn glp_find_col(problem: *mut c_void, name: *const c_char) -> c_int;
    fn glp_mip_obj_val(problem: *mut c_void) -> f64;
    fn glp_mip_col_val(problem: *mut c_void, column: c_int) -> f64;
}

/// A problem of GLPK's, solved. Its functions check what they are given, and end the process over mistakes.
struct Solved(*mut c_void);

impl Solved {
    fn read(model: &Path) -> Result<Self, String> {
        let name = CString::new(model.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        glp_term_out(0);
        let problem = Self(glp_create_prob());
        // SAFETY: the problem is there until it is dropped, here and below, and the name ends in a zero
        // byte. No options are the usual ones.
        if unsafe { glp_read_lp(problem.0, null(), name.as_ptr()) } != 0 {
            return Err(format!("GLPK cannot read {}", model.display()));
        }
        // SAFETY: as above.
        if unsafe { glp_simplex(problem.0, null()) } != 0 {
            return Err("not even fractions of warehouses would do".to_owned());
        }
        // SAFETY: as above.
        if unsafe { glp_intopt(problem.0, null()) } != 0 {
            return Err("no warehouses would do".to_owned());
        }
        // SAFETY: as above.
        unsafe { glp_create_index(problem.0) };
        Ok(problem)
    }

    fn cost(&self) -> f64 {
        // SAFETY: the problem is there.
        unsafe { glp_mip_obj_val(self.0) }
    }

    fn value(&self, variable: String) -> f64 {
        let name = CString::new(variable).expect("there is no zero byte in it");
        // SAFETY: the problem is there, and the name ends in a zero byte.
        let column = unsafe { glp_find_col(self.0, name.as_ptr()) };
        // SAFETY: the problem is there.
        unsafe { glp_mip_col_val(self.0, column) }
    }
}

impl Drop for Solved {
    fn drop(&mut self) {
        // SAFETY: it was there, and nobody uses it any more.
        unsafe { glp_delete_prob(self.0) };
    }
}

/// Solves the model in a file, and says what the first `places` of its places get.
#[parallel(timeout = "20s", memory_limit = "512MiB")]
fn plan(model: &Path, places: usize) -> Result<Plan, String> {
    let start = Instant::now();
    let solved = Solved::read(model)?;
    let built = (0..places).map(|place| solved.value(format!("built_{place}")) > 0.5);
    Ok(Plan {
        built: built.collect(),
        cost: solved.cost(),
        time: start.elapsed(),
    })
}

/// The model in the format of CPLEX, which GLPK reads.
fn model(fuel: f64) -> Result<String, std::fmt::Error> {
    let mut random = Random(7);
    let places: Vec<_> = (0..PLACES).map(|_| random.point()).collect();
    let towns: Vec<_> = (0..TOWNS).map(|_| random.point()).collect();
    let pairs = || (0..TOWNS).flat_map(|town| (0..PLACES).map(move |place| (town, place)));

    let mut text = String::from("Minimize\n cost:");
    for place in 0..PLACES {
        writeln!(text, " + {RENT} built_{place}")?;
    }
    for (town, place) in pairs() {
        let (a, b) = (towns[town], places[place]);
        let way = (a.0 - b.0).hypot(a.1 - b.1);
        writeln!(text, " + {:.4} from_{town}_{place}", fuel * way)?;
    }
    text += "Subject To\n";
    for town in 0..TOWNS {
        for place in 0..PLACES {
            writeln!(text, " + from_{town}_{place}")?;
        }
        text += " = 1\n";
    }
    for (town, place) in pairs() {
        writeln!(text, " from_{town}_{place} - built_{place} <= 0")?;
    }
    text += "Binary\n";
    for place in 0..PLACES {
        writeln!(text, " built_{place}")?;
    }
    text += "End\n";
    Ok(text)
}

/// Numbers that are the same in every run.
struct Random(u32);

impl Random {
    /// Somewhere in a square of 100 by 100.
    fn point(&mut self) -> (f64, f64) {
        (self.number(), self.number())
    }

    fn number(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 16) / 655.36
    }
}

pub(crate) fn plan_all() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut items = Vec::new();
    for (number, price) in prices().enumerate() {
        let file = folder.path().join(format!("{number}.lp"));
        fs::write(&file, model(price)?)?;
        // One asks for a place more than there are.
        items.push((file, if number == 5 { PLACES + 1 } else { PLACES }));
    }

    // GLPK writes to standard output, even what it says before it ends the process.
    let pool = Pool::builder().stdout(Output::Captured).build()?;
    let start = Instant::now();
    let items = items.iter().map(|(file, places)| (file.as_path(), *places));
    let reports = pool.job(plan).reports(items)?;
    let time = start.elapsed();

    println!("fuel price  total cost  warehouses          milliseconds");
    let mut worked = Duration::ZERO;
    for (price, report) in prices().zip(&reports) {
        match &report.result {
            Ok(Ok(plan)) => {
                worked += plan.time;
                let built: String = plan
                    .built
                    .iter()
                    .map(|is| if *is { '■' } else { '·' })
                    .collect();
                let time = plan.time.as_millis();
                println!("{price:>10.2}  {:>10.0}  {built}  {time:>14}", plan.cost);
            }
            Ok(Err(reason)) => println!("{price:>10.2}  {reason}"),
            Err(error) => {
                let said = String::from_utf8_lossy(&report.stdout);
                let said = said.lines().next().unwrap_or_default();
                let signal = error.signal().unwrap_or_default();
                println!("{price:>10.2}  its worker ended by signal {signal}: {said}");
            }
        }
    }
    println!(
        "\n{} plans by {} workers in {time:.1?}; one after the other they took {worked:.1?}",
        reports.len(),
        pool.workers(),
    );
    Ok(())
}
