//! Runs the built program against the embedded registry over real sockets.
//!
//! The name of a test is what the program promises. Every run of the program is searched for the token, in every form
//! in which it could come out (see [`harness::Job::run`]).

mod aliases;
mod caching;
mod checksums;
mod client_certificate;
mod codes;
mod documents;
mod downloading;
mod dry_run;
mod dumping;
mod faults;
mod garbage;
mod grouping;
mod harness;
mod headers;
mod hints;
mod hostile;
mod inputs;
mod keyless;
mod linking;
mod logs;
mod naming;
mod network;
mod open_files;
mod outages;
mod outputs;
mod ownership;
mod package;
mod proxy;
mod publishing;
mod racing;
mod recipes;
mod refusals;
mod releases;
mod renaming;
mod replacing;
mod reporting;
mod rights;
mod selecting;
mod stopping;
mod timeouts;
mod tls;
mod troubleshooting;
