//! What the pages about fixtures show is what happens: the tutorial's commands are run, and so are the examples for continuous
//! integration and git.

mod examples;
mod pages;
mod support;
mod tutorial;
