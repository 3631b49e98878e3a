//! The script of a stage and the command line that submits it.

use super::plan::Run;
use super::plan::{Indices, Plan, Stage};
use crate::error::{Error, Result};

/// Seconds before a task's end at which it is told.
const WARNING_S: u64 = 120;
/// A task that makes no headway must not be queued again for ever.
const RESTARTS: u32 = 100;

/// What the scheduler runs for every index of a stage.
///
/// # Errors
/// `Usage` where the command cannot be written down.
pub fn script(stage: &Stage) -> Result<String> {
    let command: Vec<String> = stage
        .command
        .iter()
        .map(|word| quoted(word))
        .collect::<Result<_>>()?;
    let again = if stage.resumable {
        format!(
            "# Told of its end and stopped at a safe point: what it keeps there lets it go on, so it queues again.\n\
             if [[ -n $warned && $code -eq 130 && ${{SLURM_RESTART_COUNT:-0}} -lt {RESTARTS} ]]; then\n  \
             scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\" && sleep 60\n\
             fi\n"
        )
    } else {
        String::new()
    };
    Ok(format!(
        "#!/bin/bash\n\
         # The program gets SIGTERM for either signal: it then stops at the next safe point.\n\
         warned=\n\
         {command} \"$SLURM_ARRAY_TASK_ID\" &\n\
         worker=$!\n\
         trap 'warned=1; kill -TERM \"$worker\" 2>/dev/null' USR1\n\
         trap 'kill -TERM \"$worker\" 2>/dev/null' TERM\n\
         # A signal ends the waiting, not the program.\n\
         while kill -0 \"$worker\" 2>/dev/null; do wait \"$worker\"; done\n\
         wait \"$worker\"\n\
         code=$?\n\
         {again}\
         exit \"$code\"\n",
        command = command.join(" "),
    ))
}

/// Program and arguments that submit some tasks of a stage. `after`: jobs, or tasks of jobs
/// (`12_3`), that have to end well before.
///
/// # Errors
/// `Usage` where a path cannot be written down.
pub fn command_line(
    run: &Run,
    stage: &Stage,
    indices: &Indices,
    attempt: u32,
    held: bool,
    after: &[String],
) -> Result<Vec<String>> {
    let (plan, resources) = (run.plan(), &stage.resources);
    let throttle = resources
        .max_concurrent
        .map(|n| format!("%{n}"))
        .unwrap_or_default();
    let warning = resources
        .time_s
        .map_or(WARNING_S, |limit| WARNING_S.min(limit / 4))
        .max(1);
    let logs = text(&run.logs())?.replace('%', "%%");
    let mut line = vec![
        "sbatch".to_owned(),
        "--parsable".into(),
        "--requeue".into(),
        "--open-mode=append".into(),
        "--export=ALL".into(),
        format!("--job-name=ser-{}-{}", plan.id, stage.name),
        format!("--comment={}", comment(plan, &stage.name, attempt)),
        format!("--array={indices}{throttle}"),
        format!("--chdir={}", text(&plan.folder)?),
        format!("--output={logs}/{}-%a.log", stage.name),
        format!("--signal=B:USR1@{warning}"),
        "--nodes=1".into(),
        "--ntasks=1".into(),
        format!("--cpus-per-task={}", resources.cpus.max(1)),
    ];
    line.extend(
        resources
            .partition
            .iter()
            .map(|name| format!("--partition={name}")),
    );
    line.extend(
        resources
            .account
            .iter()
            .map(|name| format!("--account={name}")),
    );
    line.extend(resources.time_s.map(|s| format!("--time={}", clock(s))));
    line.extend(resources.memory.iter().map(|size| format!("--mem={size}")));
    if held {
        line.push("--hold".into());
    }
    if !after.is_empty() {
        line.push(format!("--dependency=afterok:{}", after.join(":")));
        line.push("--kill-on-invalid-dep=yes".into());
    }
    line.extend(resources.options.iter().cloned());
    line.push(text(&run.script(&stage.name))?);
    Ok(line)
}

/// By which a submission is known whatever became of its number.
pub(super) fn comment(plan: &Plan, stage: &str, attempt: u32) -> String {
    format!("{}{stage}/{attempt}", plan.mark())
}

/// `H:MM:SS`, with full minutes: Slurm counts no seconds.
fn clock(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    format!("{}:{:02}:00", minutes / 60, minutes % 60)
}

fn text(path: &std::path::Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['\\', '\n']));
    text.map(str::to_owned).ok_or_else(|| {
        Error::usage(format!(
            "the path {} cannot be given to sbatch",
            path.display()
        ))
        .hint("use a folder whose name is plain text")
    })
}

/// One word of a command, whatever it holds.
fn quoted(word: &str) -> Result<String> {
    if word.contains('\0') {
        return Err(Error::usage("a command line cannot hold a NUL character"));
    }
    Ok(format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::{Resources, tests_plan};

    fn line(folder: &str, held: bool, after: &[String]) -> Result<Vec<String>> {
        let folder_of_all = tempfile::tempdir().unwrap();
        let run = Run::create(&folder_of_all.path().join(folder), tests_plan()).unwrap();
        let mut stage = tests_plan().stages[1].clone();
        stage.resources = Resources {
            partition: Some("gpu".into()),
            time_s: Some(5400),
            memory: Some("4G".into()),
            cpus: 2,
            max_concurrent: Some(4),
            options: vec!["--gres=gpu:1".into()],
            ..Resources::default()
        };
        command_line(&run, &stage, &Indices([0, 2].into()), 3, held, after)
    }

    #[test]
    fn a_command_line_states_everything() {
        let held = line("a%b", true, &[]).unwrap();
        for word in [
            "--array=0,2%4",
            "--hold",
            "--comment=p-1/train/3",
            "--time=1:30:00",
            "--signal=B:USR1@120",
            "--chdir=/work dir",
        ] {
            assert!(held.iter().any(|w| w == word), "{word} in {held:?}");
        }
        assert!(
            held.iter()
                .any(|w| w.starts_with("--output=/") && w.ends_with("a%%b/logs/train-%a.log")),
            "{held:?}"
        );
        let after = line("x", false, &["12".into(), "14_3".into()]).unwrap();
        assert!(
            after.contains(&"--dependency=afterok:12:14_3".into())
                && after.contains(&"--kill-on-invalid-dep=yes".into())
        );
        assert!(line("a\\b", false, &[]).is_err());
    }

    #[test]
    fn a_script_passes_signals_on_and_ends_as_its_program_does() {
        let folder = tempfile::tempdir().unwrap();
        let (script_path, program) = (
            folder.path().join("s.sh"),
            folder.path().join("it's a program"),
        );
        std::fs::write(
            &program,
            "trap 'echo stopped; exit 130' TERM\necho \"$1 $2\"\nsleep 30 & wait $!\n",
        )
        .unwrap();
        let mut stage = tests_plan().stages[0].clone();
        stage.command = vec![
            "/bin/bash".into(),
            program.to_str().unwrap().into(),
            "a  b".into(),
        ];
        std::fs::write(&script_path, script(&stage).unwrap()).unwrap();
        let out = std::fs::File::create(folder.path().join("out")).unwrap();
        let mut bash = std::process::Command::new("/bin/bash");
        let mut child = bash
            .arg(&script_path)
            .env("SLURM_ARRAY_TASK_ID", "7")
            .stdout(out)
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(folder.path().join("out")).unwrap();
        while said().is_empty() {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        std::process::Command::new("kill")
            .args(["-USR1", &child.id().to_string()])
            .status()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(said(), "a  b 7\nstopped\n");
    }
}
