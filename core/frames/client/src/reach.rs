//! Which files a task needs: all that its worker may touch.

use std::path::{Path, PathBuf};

use crate::message::Task;

/// Files and folders to read, and folders to write in as well.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
}

impl Reach {
    /// What a task needs.
    pub(crate) fn of(task: &Task) -> Self {
        let mut reach = Reach::default();
        match task {
            Task::Index { source, index_file }
            | Task::Inspect {
                source, index_file, ..
            } => {
                reach.read.push(source.clone());
                reach.write.extend(folder(index_file));
            }
            Task::Packets {
                source, index_file, ..
            }
            | Task::Prove { source, index_file } => {
                reach.read.extend([source.clone(), index_file.clone()]);
            }
            Task::Picture(request) => {
                let files = [request.source.clone(), request.index_file.clone()];
                reach.read.extend(files);
            }
            Task::Compose(request) => {
                let files = [request.source.clone(), request.index_file.clone()];
                reach.read.extend(files);
                let others = request.others.iter();
                let others = others.flat_map(|(path, index)| [path.clone(), index.clone()]);
                reach.read.extend(others);
            }
            Task::Transcode(request) => {
                let files = [request.source.clone(), request.index_file.clone()];
                reach.read.extend(files);
                let more = request.more.iter();
                let more = more.flat_map(|one| [one.source.clone(), one.index_file.clone()]);
                reach.read.extend(more);
                let outputs = request.outputs.iter();
                reach
                    .write
                    .extend(outputs.filter_map(|output| folder(output.file())));
            }
            Task::Probe { source } => reach.read.push(source.clone()),
            Task::ConvertImage(request) => {
                reach.read.push(request.source.clone());
                reach.write.extend(folder(&request.file));
                let thumbnail = request.thumbnail.as_ref();
                reach
                    .write
                    .extend(thumbnail.and_then(|(file, _)| folder(file)));
            }
            Task::Cancel | Task::Supplied(_) => {}
        }
        reach
    }

    /// As arguments of the worker.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let named = |name: &'static str, paths: &'_ [PathBuf]| {
            let paths = paths.to_vec();
            paths.into_iter().flat_map(move |path| [name.into(), path])
        };
        named("--read", &self.read).chain(named("--write", &self.write))
    }

    /// Lets in what a process that lives on needs for this file of a source, and for its neighbours: the folders of both, with
    /// links followed. Returns false if nothing was missing.
    pub(crate) fn extend(&mut self, source: &Path, index_file: &Path) -> bool {
        let real = source.canonicalize().unwrap_or_else(|_| source.to_owned());
        // In the root of the file system, a folder would be too much.
        let near = folder(&real).filter(|folder| folder.parent().is_some());
        let reads = missing(&self.read, near.unwrap_or(real));
        let writes = folder(index_file).and_then(|folder| missing(&self.write, folder));
        let more = reads.is_some() || writes.is_some();
        self.read.extend(reads);
        self.write.extend(writes);
        more
    }
}

fn missing(known: &[PathBuf], path: PathBuf) -> Option<PathBuf> {
    let covered = known.iter().any(|folder| path.starts_with(folder));
    (!covered).then_some(path)
}

fn folder(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    Some(if folder.as_os_str().is_empty() {
        ".".into()
    } else {
        folder.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_folders() {
        let mut reach = Reach::default();
        let index = Path::new("/data/frames/1.index");
        assert!(reach.extend(Path::new("/no/dive/a.mp4"), index));
        assert!(!reach.extend(Path::new("/no/dive/b.mp4"), index));
        assert!(!reach.extend(Path::new("/no/dive/two/c.mp4"), index));
        assert!(reach.extend(Path::new("/no/other.mp4"), index));
        assert!(reach.extend(Path::new("/lost.mp4"), index));
        let read = ["/no/dive", "/no", "/lost.mp4"].map(PathBuf::from);
        assert_eq!(reach.read, read);
        assert_eq!(reach.write, [PathBuf::from("/data/frames")]);
        assert_eq!(reach.arguments().count(), 8);
    }
}
