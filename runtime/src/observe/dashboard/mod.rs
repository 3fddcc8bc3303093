//! A page that shows what happens while it happens: a [report](super::HtmlReport) from a small server.
//!
//! The server has one thread, which serves any number of clients and gives each little time: nobody who reads
//! slowly or never holds anything up, least of all the pool. It only reads.
//!
//! What keeps others out: it listens on this machine only, unless told otherwise; a token of 128 random bits is in its
//! address, and is compared in constant time; and a request must name the machine by number or as `localhost`, so that
//! a name which somebody else controls cannot be made to lead here (DNS rebinding).

mod answer;
mod serve;
#[cfg(test)]
mod tests;
mod watch;

pub use watch::Dashboard;
