//! The commands of the program.

/// A command of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Files of the workspace go to the registry.
    Publish,
    /// Files of the registry come into the workspace.
    Download,
}

impl Command {
    /// The command of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "publish" => Some(Self::Publish),
            "download" => Some(Self::Download),
            _ => None,
        }
    }
}
