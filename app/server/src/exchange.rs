//! `transect import` and `transect export`.

use std::io::{IsTerminal, Write};

use anyhow::Context as _;
use transect::export::{self, Format, Report};
use transect::media::import::{self, Imported};
use transect::station::{self, Command};

use crate::arguments::{Export, Import};
use crate::place::Place;
use crate::{FAILED, print};

/// Imports files and tells of each as it is done; returns the exit code.
pub async fn import(place: &Place, task: Import) -> anyhow::Result<u8> {
    let absolute = task.paths.iter().map(std::path::absolute);
    let command = Command::Import(import::Import {
        paths: absolute
            .collect::<Result<_, _>>()
            .context("a path cannot be followed")?,
        project: task.project,
        section: task.section,
        copy: task.copy,
        no_join: task.no_join,
        replace: task.replace,
    });
    let (mut ready, mut skipped, mut failed) = (0, 0, 0);
    let tell = |line: serde_json::Value| {
        let Ok(file) = serde_json::from_value::<Imported>(line.clone()) else {
            return;
        };
        match file.state.as_str() {
            "failed" => failed += 1,
            // Their files were counted: chapters that were joined, or left apart.
            "joined" => {}
            "skipped" if file.media.is_none() => {}
            "skipped" => skipped += 1,
            _ => ready += 1,
        }
        let text = if task.json {
            line.to_string()
        } else {
            sentence(&file)
        };
        // Who started the import may not be listening; the import goes on.
        let mut out = std::io::stdout();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    };
    station::perform(&place.data, place.settings(&[])?, command, tell).await?;
    if !task.json {
        print(&format!(
            "{ready} imported, {skipped} there already, {failed} failed"
        ))?;
    }
    Ok(if failed > 0 { FAILED } else { 0 })
}

fn sentence(file: &Imported) -> String {
    let frames = file
        .num_frames
        .map_or(String::new(), |frames| format!(", {frames} frames"));
    let what = match file.state.as_str() {
        "ready" => format!("ready{frames}"),
        "joined" => format!("{}{frames}", file.message),
        state => format!("{state}: {}", file.message),
    };
    format!("[{}/{}] {} – {what}", file.done, file.total, file.path)
}

/// Exports a project; returns the exit code.
pub async fn export(place: &Place, task: Export) -> anyhow::Result<u8> {
    let format = match task.format.as_str() {
        "coco" => Format::Coco,
        other => anyhow::bail!("there is no format {other}"),
    };
    let command = Command::Export(export::Export {
        project: task.project,
        format,
        out: std::path::absolute(&task.out).context("--out cannot be followed")?,
        category: task.category,
    });
    let answer = station::perform(&place.data, place.settings(&[])?, command, |_| {}).await?;
    if task.json {
        return print(&answer.to_string());
    }
    let report: Report = serde_json::from_value(answer)?;
    for loss in &report.losses {
        let mark = if std::io::stderr().is_terminal() {
            "\x1b[33mleft out\x1b[0m"
        } else {
            "left out"
        };
        eprintln!("{mark}: {loss}");
    }
    print(&format!(
        "{} annotations on {} pictures in {} categories: {}",
        report.annotations, report.images, report.categories, report.path
    ))
}
