//! Stores that the user brings along.

use std::path::PathBuf;

use detectors_api::stores::Stores as _;
use detectors_stores::custom;
use detectors_stores::{Input, Stores};

use crate::exit::Failure;

/// Which stores the user brings along.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct StoreFiles {
    /// Bring along a store that detectors can ask, such as reputations of IP addresses, from a JSON file. May be repeated
    #[arg(
        long = "store",
        value_name = "FILE",
        long_help = "Bring along a store that detectors can ask, from a JSON file; may be repeated. The store `ip_reputation`:\n\
                     {\"store\": \"ip_reputation\", \"entries\": [{\"source\": \"feed\", \"key\": \"203.0.113.7\", \"data\": {\"status\": \"deny\", \
                     \"severity\": 9}}]}\n\
                     Any other name makes a store of that name. Recorded and imported captures keep it."
    )]
    files: Vec<PathBuf>,
}

impl StoreFiles {
    /// The files.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What the stores are told, from the beginning.
    pub(crate) fn load(&self) -> Result<Vec<Input>, Failure> {
        self.files
            .iter()
            .map(|file| {
                custom::load(file)
                    .map(|file| file.to_input(0))
                    .map_err(Failure::bad_input)
            })
            .collect()
    }
}

/// The names of all stores that can be asked from the beginning.
pub(crate) fn names(stores: &Stores) -> Vec<String> {
    let start = stores.at(stores.settled(), 0);
    start.list().into_iter().map(str::to_owned).collect()
}

/// What made the recording, by name and version; empty if unknown.
pub(crate) fn recorder(stores: &Stores) -> String {
    let start = stores.at(stores.settled(), 0);
    start.system().get_system_info().recorder_version.clone()
}
