//! The use case: version -> what it has -> which files -> what is identical already -> downloads.

mod checksums;
mod error;
mod fetch;
mod select;

use std::collections::VecDeque;
use std::io;
use std::slice;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};

use self::error::Missing;
pub(crate) use self::error::{DownloadError, Expected};
pub(crate) use self::fetch::Fetcher;
pub(crate) use self::select::Item;
use crate::blocking::on_own_thread;
use crate::command::Command;
use crate::files::{self, Folder, Line, PlaceError, tracked};
use crate::hint::{self, Explain as _};
use crate::inputs::{ChecksumsFile, DownloadOptions, Inputs};
use crate::listing::{Listing, VersionRow};
use crate::package::FileName;
use crate::registry::{Connection, FailureKind, Registry, RegistryError, SetupError};
use crate::report::{Header, Local, Outcome, RunContext, RunReport, Status, VerifiedBy};
use crate::sanitize::{Names, Sanitized};
use crate::stop::Stopped;
use crate::suggest::SimilarNames;
use crate::units::{self, Bytes};
use crate::version;

/// The files of the version, if the registry lists them.
pub(crate) enum Source {
    /// The registry's list.
    Listed(Listing),
    /// The registry lists nothing without a token, with this response.
    Unlisted(Arc<RegistryError>),
}

/// Downloads files. An error means that no request was sent.
pub(crate) async fn download(
    inputs: &Inputs,
    wanted: &DownloadOptions,
    connection: Connection<'_>,
    context: &RunContext<'_>,
) -> Result<RunReport, SetupError> {
    let registry = Registry::new(inputs.target.clone(), connection)?;
    let (command, target, user) = (Command::Download, &inputs.target, inputs.user());
    context.reporter.begin(&Header { command, target, user, is_dry_run: false, files: None, checksums: None });
    let run = Run { inputs, wanted, context, registry, items: Vec::new(), outcomes: Vec::new(), errors: Vec::new() };
    Ok(run.run_download().await)
}

/// A run that downloads.
struct Run<'a> {
    inputs: &'a Inputs,
    wanted: &'a DownloadOptions,
    context: &'a RunContext<'a>,
    registry: Registry<'a>,
    items: Vec<Item>,
    /// The outcome of each item, if the run ends now.
    outcomes: Vec<Outcome>,
    errors: Vec<DownloadError>,
}

impl Run<'_> {
    async fn run_download(mut self) -> RunReport {
        let stop = self.context.stop.clone();
        let done = stop.or(self.download()).await;
        let stopped = done.as_ref().err().copied();
        match done {
            Ok(Ok(())) => {}
            Ok(Err(errors)) => self.errors.extend(errors),
            Err(signal) => self.errors.push(Stopped(signal).into()),
        }
        RunReport {
            folder: self.wanted.place.path(),
            outcomes: self.outcomes,
            errors: hint::problems(hint::without_repetitions(self.errors)),
            stopped,
            ..RunReport::new(Command::Download, Some(self.registry.target().clone()))
        }
    }

    async fn download(&mut self) -> Result<(), Vec<DownloadError>> {
        let source = self.find().await.map_err(|error| vec![error])?;
        self.explain_patterns(&source);
        self.warn_of_unused_pins().await;
        let checksums = self.checksums(&source).await.map_err(|error| vec![error])?;
        let (wanted, target) = (self.wanted.clone(), self.registry.target().clone());
        let redactor = self.inputs.redactor.clone();
        // A long list must not delay signals.
        let (source, selected) = on_own_thread(move || {
            let selected = select::select(&wanted, &target, &source, checksums.as_ref(), &redactor);
            (source, selected)
        })
        .await;
        self.warn_of_pinned_latest(selected.is_ok());
        let selected = selected?;
        self.items = selected.items;
        self.outcomes = self.items.iter().map(|item| self.outcome(item)).collect();
        self.announce();
        for warning in &selected.warnings {
            self.context.reporter.warn(warning);
        }
        if self.items.is_empty() {
            self.context.reporter.warn("no files to download");
            return Ok(());
        }
        let wrong = |error: PlaceError| vec![error.into()];
        if let Some(folder) = Folder::open(&self.wanted.place).map_err(wrong)? {
            folder.remove_leftovers();
            self.compare(&folder).await?;
        }
        let missing: Vec<usize> =
            (0..self.items.len()).filter(|&index| self.outcomes[index].status == Status::NotAttempted).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let folder = Arc::new(Folder::make(&self.wanted.place).map_err(wrong)?);
        self.warn_of_tracked(&missing, &folder).await;
        self.fetch(missing, &folder).await;
        self.warn_of_unverified(&source);
        if let Some(error) = folder.ownership_error() {
            self.context.reporter.debug(&format!("failed to give the files to the workspace's owner: {error}"));
        }
        folder.verify_place().map_err(|error| {
            let in_place = self.outcomes.iter_mut().filter(|outcome| outcome.status.is_in_place());
            in_place.for_each(|outcome| outcome.status = Status::Failed);
            wrong(error)
        })
    }

    /// Announces how much is downloaded, and to which folder.
    fn announce(&self) {
        let sizes: Option<Vec<u64>> = self.items.iter().map(|item| item.expected.size).collect();
        let size = sizes
            .map(|sizes| format!(", {}", Bytes(sizes.into_iter().fold(0, u64::saturating_add))))
            .unwrap_or_default();
        let (count, folder) = (units::files(self.items.len()), Sanitized::new(&self.wanted.place.path()));
        let pinned = self.pinned().map(|file| format!(", pinned by `{file}`")).unwrap_or_default();
        self.context.reporter.note(&format!("{count}{size}, to {folder}{pinned}"));
    }

    /// Returns the checksums file of the workspace, if one is used.
    fn pinned(&self) -> Option<&ChecksumsFile> {
        self.wanted.checksums.as_ref().filter(|file| file.is_of_workspace())
    }

    /// Says that patterns match the names of a checksums file of the workspace, because there is no list.
    fn explain_patterns(&self, source: &Source) {
        let (Some(pinned), Source::Unlisted(_)) = (self.pinned(), source) else { return };
        let is_pattern = |line: &Line| !line.excludes && select::name_without_list(line).is_none();
        if self.wanted.files.iter().any(is_pattern) {
            let what = "without a token, the registry lists no files";
            self.context.reporter.note(&format!("{what}; patterns match the names in `{pinned}`"));
        }
    }

    /// Warns that pinned files do not fit the next release, if `latest` is downloaded.
    fn warn_of_pinned_latest(&self, is_as_pinned: bool) {
        let Some(pinned) = self.pinned().filter(|_| self.inputs.target.version.is_latest()) else { return };
        let version = match &self.registry.target().version {
            version if is_as_pinned && !version.is_latest() => format!("`{version}`"),
            _ => "the release that you have reviewed".to_owned(),
        };
        self.context.reporter.warn(&format!(
            "`{pinned}` pins files, but `version` is `latest`, so the download fails after a new release. Set `version` to \
             {version}"
        ));
    }

    /// Warns about downloaded files of which only the length was verified.
    fn warn_of_unverified(&self, source: &Source) {
        let Source::Unlisted(error) = source else { return };
        let is_unverified = |(item, outcome): &(&Item, &Outcome)| {
            item.expected.by == VerifiedBy::None && outcome.status == Status::Downloaded
        };
        let unverified = self.items.iter().zip(&self.outcomes).filter(is_unverified).count();
        if unverified > 0 {
            // With `checksums`, only the checksums file itself can be unverified.
            let or_checksums = match self.wanted.checksums {
                Some(_) => "",
                None => ", or set `checksums` to the name of a checksums file of the version",
            };
            self.context.reporter.warn(&format!(
                "only the size of {} was verified, because the registry does not list hashes without a token ({}). Set \
                 `token`{or_checksums}",
                units::files(unverified),
                error.cause
            ));
        }
    }

    /// Warns if the checksums file is one of the version, but the user's repository has a file of this name too.
    async fn warn_of_unused_pins(&self) {
        let Some(ChecksumsFile::OfVersion(name)) = self.wanted.checksums.clone() else { return };
        let workspace = self.wanted.place.workspace.clone();
        let is_tracked = on_own_thread(move || {
            tracked(&workspace, slice::from_ref(&name)).is_ok_and(|names| !names.is_empty()).then_some(name)
        });
        if let Some(name) = is_tracked.await {
            self.context.reporter.warn(&format!(
                "`{name}` in your repository is not used, because `checksums: {name}` means a file of the version. To verify \
                 against the file in your repository, set `checksums: ./{name}`"
            ));
        }
    }

    /// Warns about files that are tracked by git and will be overwritten.
    async fn warn_of_tracked(&self, missing: &[usize], folder: &Arc<Folder>) {
        let names: Vec<FileName> = missing.iter().map(|&index| self.items[index].local_name.clone()).collect();
        let folder = Arc::clone(folder);
        let tracked = on_own_thread(move || {
            let place = folder.place();
            let names: Vec<FileName> = names.into_iter().filter(|name| folder.has(name)).collect();
            let tracked = tracked(&place.workspace.join(&place.within), &names)?;
            Ok::<Names, io::Error>(tracked.into_iter().map(|name| Sanitized::path(&place.path_of(name))).collect())
        });
        match tracked.await {
            Ok(names) if names.count > 0 => self.context.reporter.warn(&format!(
                "the download overwrites {} tracked by git: {names}; set `path` to another folder to keep them",
                units::files(names.count)
            )),
            Ok(_) => {}
            Err(error) => self.context.reporter.debug(&format!("failed to read the index of git: {error}")),
        }
    }

    fn outcome(&self, item: &Item) -> Outcome {
        Outcome {
            name: item.name.clone(),
            url: self.registry.target().file_url(&item.name),
            size: item.expected.size,
            sha256: item.expected.sha256,
            status: Status::NotAttempted,
            local: Some(Local {
                path: self.wanted.place.path_of(&item.local_name).to_string_lossy().into_owned(),
                verified_by: item.expected.by,
            }),
        }
    }

    /// Settles the version, and lists its files.
    async fn find(&mut self) -> Result<Source, DownloadError> {
        if self.registry.target().version.is_latest() {
            let package = self.registry.target().package.clone();
            let mut versions = match self.unless_unlisted(self.registry.list_versions(&package).await)? {
                Ok(versions) => versions,
                Err(unlisted) => return Ok(unlisted),
            };
            // It would be visible in each URL.
            versions.retain(|row| !self.inputs.redactor.contains_secret(&row.version));
            let Some(latest) = version::latest(&versions) else {
                return Err(self.explain_missing_version(&versions).await);
            };
            self.context.reporter.note(&latest.to_string());
            self.registry = self.registry.for_version(latest.version);
        }
        match self.unless_unlisted(self.registry.list_files().await)? {
            Ok(listing) if listing.version_exists => Ok(Source::Listed(listing)),
            Ok(_) => {
                let versions = self.registry.list_versions(&self.registry.target().package).await;
                Err(match self.unless_unlisted(versions)? {
                    Ok(versions) => self.explain_missing_version(&versions).await,
                    Err(_) => self.not_found(Missing::Version, SimilarNames::default()),
                })
            }
            Err(unlisted) => Ok(unlisted),
        }
    }

    /// Distinguishes a list, a registry that shows its lists to nobody without a token, and a failure. Such a registry may still
    /// give the files of a public package to everybody. Any other rejection is a failure: a proxy in front of a server returns
    /// 401 and 403 too.
    fn unless_unlisted<T>(&self, listed: Result<T, RegistryError>) -> Result<Result<T, Source>, DownloadError> {
        match listed {
            Ok(list) => Ok(Ok(list)),
            Err(error) if self.inputs.credentials.is_none() && error.kind() == FailureKind::SignInRequired => {
                Ok(Err(Source::Unlisted(Arc::new(error))))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn not_found(&self, missing: Missing, similar: SimilarNames) -> DownloadError {
        DownloadError::NotFound { missing, target: Box::new(self.registry.target().clone()), similar }
    }

    /// Returns the error for a version that does not exist. The package's versions, or the owner's packages, may tell why.
    async fn explain_missing_version(&self, versions: &[VersionRow]) -> DownloadError {
        let target = self.registry.target();
        if versions.is_empty() {
            let rows = self.registry.list_newest_versions().await;
            let mut names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            return self.not_found(Missing::Package, SimilarNames::of(target.package.as_str(), &names));
        }
        let names: Vec<&str> = versions.iter().map(|row| row.version.as_str()).collect();
        self.not_found(Missing::Version, SimilarNames::of(target.version.as_str(), &names))
    }

    /// Compares the local files with the expected hashes. An identical file needs no request.
    async fn compare(&mut self, folder: &Folder) -> Result<(), Vec<DownloadError>> {
        let registry = &self.registry;
        let found: Vec<_> = stream::iter(&self.items)
            .map(async |item| {
                let Some(file) = folder.find(&item.local_name)? else { return Ok(None) };
                let Some(wanted) = item.expected.sha256 else { return Ok(None) };
                if item.expected.size.is_some_and(|size| size != file.size) {
                    return Ok(None);
                }
                // A file that cannot be read is downloaded.
                if files::hash(&file, registry.stall_timeout()).await.ok() != Some(wanted) {
                    return Ok(None);
                }
                // A file of another user cannot be made executable, so it is downloaded too.
                let is_as_wanted = !item.is_executable || file.make_executable().is_ok();
                Ok(Some(file.size).filter(|_| is_as_wanted))
            })
            .buffered(self.inputs.concurrency)
            .collect::<Vec<Result<Option<u64>, DownloadError>>>()
            .await;
        let mut errors = Vec::new();
        for ((item, outcome), found) in self.items.iter().zip(&mut self.outcomes).zip(found) {
            match found {
                Ok(Some(size)) => {
                    outcome.status = Status::Unchanged;
                    outcome.size = Some(size);
                    self.context.reporter.finish_file(Status::Unchanged, &item.name.to_string(), size, None);
                }
                Ok(None) => {}
                Err(error) => {
                    outcome.status = Status::Failed;
                    errors.push(error);
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Downloads files in parallel, the largest first, so that no large file runs alone at the end. Each result is
    /// recorded immediately, because the run may end at any time.
    async fn fetch(&mut self, missing: Vec<usize>, folder: &Arc<Folder>) {
        let mut queue = missing;
        queue.sort_by_key(|&index| std::cmp::Reverse(self.items[index].expected.size));
        let mut queue = VecDeque::from(queue);
        let fetcher = Fetcher { registry: &self.registry, reporter: self.context.reporter, folder };
        let items = &self.items;
        let fetch = async |index: usize| (index, fetcher.fetch(&items[index]).await);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.inputs.concurrency
                && let Some(index) = queue.pop_front()
            {
                running.push(fetch(index));
            }
            let Some((index, result)) = running.next().await else { return };
            let outcome = &mut self.outcomes[index];
            match result {
                Ok((size, sha256)) => {
                    outcome.status = Status::Downloaded;
                    (outcome.size, outcome.sha256) = (Some(size), Some(sha256));
                }
                Err(error) => {
                    outcome.status = Status::Failed;
                    if error.affects_every_file() {
                        queue.clear();
                    }
                    self.errors.push(error);
                }
            }
        }
    }
}
