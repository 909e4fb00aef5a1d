//! The commands of the program.

/// A command of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Uploads files of the workspace to the registry.
    Publish,
    /// Downloads files of the registry to the workspace.
    Download,
}

impl Command {
    /// Returns the command with a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "publish" => Some(Self::Publish),
            "download" => Some(Self::Download),
            _ => None,
        }
    }
}
