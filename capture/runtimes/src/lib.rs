//! Asks container runtimes what they know about containers.
