//! `completions` and `man`: what the command line says of itself, for shells and for `man`.

use std::io::{IsTerminal, Write};
use std::process;

use clap::{Command, CommandFactory};

use super::args::{Args, Completions, Man};
use super::print;
use crate::error::{Error, Result};
use crate::files::{create_folder, write_atomically};

/// Prints the completion script of a shell.
pub fn completions(completions: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Args::command(), "ser", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}

/// Prints the page of the program, or writes one for it and one for each command.
pub fn man(man: &Man) -> Result<()> {
    let mut command = Args::command();
    command.build();
    let Some(folder) = &man.output else {
        let page = page(command)?;
        if std::io::stdout().is_terminal() && show(&page) {
            return Ok(());
        }
        return print(String::from_utf8_lossy(&page).trim_end());
    };
    create_folder(folder)?;
    let mut names = vec![];
    collect(&command, "ser", &mut names);
    for (name, command) in names {
        write_atomically(&folder.join(format!("{name}.1")), &page(command)?)?;
    }
    Ok(())
}

/// Shows a page as `man` does; false where there is no such program, or where it fails.
fn show(page: &[u8]) -> bool {
    let show = || -> std::io::Result<bool> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(page)?;
        Ok(process::Command::new("man")
            .arg("-l")
            .arg(file.path())
            .status()?
            .success())
    };
    show().unwrap_or(false)
}

/// Every command that is shown, under the name of its page.
fn collect(command: &Command, name: &str, into: &mut Vec<(String, Command)>) {
    into.push((name.to_owned(), command.clone()));
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        collect(inner, &format!("{name}-{}", inner.get_name()), into);
    }
}

fn page(command: Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|e| Error::internal("failed to write a manual page").because(e))?;
    Ok(page)
}
