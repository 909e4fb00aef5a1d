//! Hostile text: a corpus of it goes through the built program at every place where text from outside enters, and
//! checkers look at what runners would execute or store, what a terminal would act on, and what a reader could click.

mod answers;
mod bad_samples;
mod commands;
mod corpus;
mod downloads;
mod echoes;
mod files;
mod findings;
mod inputs;
mod outputs;
mod plans;
mod run;
mod secrets;
mod sizes;
mod summary;
mod terminal;
