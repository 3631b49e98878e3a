//! A plan and the run after it agree, whatever the graph and whatever changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::event::{Event, Observer};
use super::execute::Limits;
use super::graph::Identity;
use super::graph::{Context, Node, Task, Upstream};
use super::interpreter::{Decision, Interpreter, Mode};
use super::store::Store;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// A task of a random graph.
#[derive(Debug, Clone)]
struct Fake {
    /// Part of its settings, so that no two tasks have one key.
    place: usize,
    id: String,
    /// Places of the tasks that it reads.
    reads: Vec<usize>,
    setting: u32,
    /// Whether other inputs or settings may give the same output.
    coarse: bool,
    wanted: bool,
    /// As [`Task::preview`] and [`Task::names_inputs`].
    preview: bool,
    names_inputs: bool,
    gone: bool,
}

/// A random graph: groups of tasks; then a task that gives the number of those after it, as a split
/// gives that of the trainings; these; and a last one that reads whatever there is.
#[derive(Debug)]
struct World {
    fakes: Vec<Fake>,
    /// How many tasks there are in each group, and whether they run side by side.
    groups: Vec<(usize, bool)>,
}

const OUT: &str = "out";

impl World {
    fn random(rng: &mut ChaCha8Rng) -> World {
        let mut world = World {
            fakes: vec![],
            groups: vec![],
        };
        for _ in 0..rng.random_range(1..4) {
            let size = rng.random_range(1..4);
            world.groups.push((size, rng.random_bool(0.5)));
            for _ in 0..size {
                world.add(rng);
            }
        }
        world.groups.push((1, false));
        world.add(rng);
        let splits = world.fakes.len() - 1;
        let last = &mut world.fakes[splits];
        (last.coarse, last.wanted, last.names_inputs) = (false, true, false);
        // What is not wanted has no readers that are.
        for place in (0..world.fakes.len()).rev() {
            let is_read = |fake: &Fake| fake.wanted && fake.reads.contains(&place);
            let read = world.fakes.iter().any(is_read);
            world.fakes[place].wanted |= read;
        }
        world
    }

    fn add(&mut self, rng: &mut ChaCha8Rng) {
        let place = self.fakes.len();
        let reads = (0..place).filter(|_| rng.random_bool(0.4)).collect();
        let (coarse, preview) = (rng.random_bool(0.4), rng.random_bool(0.3));
        self.fakes.push(Fake {
            place,
            id: format!("s/{place}"),
            reads,
            setting: rng.random_range(0..1000),
            coarse,
            wanted: rng.random_bool(0.8),
            preview,
            names_inputs: !coarse && !preview && rng.random_bool(0.5),
            gone: false,
        });
    }

    /// Makes the nodes of a group; `split` is the number that the last task gave, where it is known.
    fn node(&self, fake: Fake, reads: Vec<(usize, String)>) -> Node<'static> {
        let ids: Vec<String> = reads.iter().map(|(_, id)| id.clone()).collect();
        let follows = !reads
            .iter()
            .any(|(place, _)| self.fakes.get(*place).is_some_and(|read| read.coarse));
        let (wanted, id) = (fake.wanted, fake.id.clone());
        let settings = {
            let fake = fake.clone();
            move || Ok(Some(fake.identity(BTreeMap::new())))
        };
        Node {
            wanted,
            follows,
            ..Node::new(id, ids, settings, move |upstream: &Upstream| {
                let mut inputs = BTreeMap::new();
                for (place, id) in &reads {
                    inputs.insert(place.to_string(), upstream.get(id)?.hash(OUT)?);
                }
                Ok(fake.task(inputs))
            })
        }
    }

    /// What is started, and of a plan what it says of each task.
    fn walk(&self, store: &Store, mode: Mode) -> (BTreeSet<String>, BTreeMap<String, Decision>) {
        let (limits, cancel, log) = (Limits::default(), Cancel::default(), Started::default());
        let mut interpreter = Interpreter::new(store, &limits, &cancel, &log, mode);
        let mut first = 0;
        for &(size, side_by_side) in &self.groups {
            let fakes = self.fakes[first..first + size]
                .iter()
                .filter(|fake| !fake.gone);
            let nodes: Vec<Node> = fakes
                .map(|fake| {
                    let there = fake.reads.iter().filter(|read| !self.fakes[**read].gone);
                    let reads = there.map(|read| (*read, self.fakes[*read].id.clone()));
                    self.node(fake.clone(), reads.collect())
                })
                .collect();
            match side_by_side {
                true => interpreter.side_by_side(&nodes).unwrap(),
                false => interpreter.in_turn(&nodes).unwrap(),
            };
            first += size;
        }
        // As many tasks as the last one says; where its output is not there, as its settings say.
        let split = &self.fakes[first - 1];
        let path = interpreter
            .outputs
            .ready(&split.id)
            .map(|done| done.path(OUT));
        let read = path.and_then(|path| fs::read_to_string(path).ok());
        let number = read.and_then(|text| text.split(' ').nth(1)?.parse::<u32>().ok());
        let number = number.unwrap_or(split.setting) as usize % 3 + 1;
        let part = |at: usize, reads: Vec<(usize, String)>| {
            let fake = Fake {
                place: 100 + at,
                id: format!("part/{at}"),
                setting: 0,
                coarse: true,
                wanted: true,
                preview: false,
                ..split.clone()
            };
            self.node(fake, reads)
        };
        let reads = || vec![(split.place, split.id.clone())];
        let parts: Vec<Node> = (0..number).map(|at| part(at, reads())).collect();
        interpreter.side_by_side(&parts).unwrap();
        let found = (parts.iter().enumerate()).map(|(at, node)| (100 + at, node.id.clone()));
        let all = (self.fakes.iter().map(|fake| (fake.place, fake.id.clone()))).chain(found);
        let there = all.filter(|(_, id)| interpreter.outputs.has(id)).collect();
        let last = Node {
            follows: false,
            ..part(99, there)
        };
        interpreter.in_turn(&[last]).unwrap();
        let planned = interpreter.planned.into_iter().filter(|one| one.wanted);
        let decisions = planned.map(|one| (one.task, one.decision)).collect();
        (log.0.into_inner().unwrap(), decisions)
    }

    /// A change of one task; of the store only where `damages`.
    fn change(&mut self, store: &Store, damages: bool, rng: &mut ChaCha8Rng) {
        let last = self.fakes.len() - 1;
        let at = rng.random_range(0..=last);
        let fresh = rng.random_range(1000..1_000_000);
        let fake = &mut self.fakes[at];
        let folder = || -> Option<PathBuf> {
            let latest = store.latest(&fake.id)?;
            let folder = store.root().join("tasks").join(&latest.stage);
            Some(folder.join(latest.key().as_str()))
        };
        match (damages, rng.random_range(0..4)) {
            (false, 0 | 1) => fake.setting = fresh,
            (false, 2) => fake.id = format!("s/renamed-{fresh}"),
            (false, _) => fake.gone = at != last && !fake.gone,
            (true, damage) => {
                let Some(folder) = folder().filter(|folder| folder.exists()) else {
                    return;
                };
                match damage {
                    0 => fs::write(folder.join(OUT), "damaged").unwrap(),
                    1 => fs::remove_file(folder.join(OUT)).unwrap_or_default(),
                    2 => fs::write(folder.join("record.json"), "{").unwrap(),
                    _ => fs::remove_dir_all(folder).unwrap(),
                }
            }
        }
    }
}

impl Fake {
    fn identity(&self, inputs: BTreeMap<String, String>) -> Identity {
        Identity {
            stage: "s".into(),
            code_version: 1,
            params: serde_json::json!({ "place": self.place, "setting": self.setting }),
            inputs,
        }
    }

    fn task(&self, inputs: BTreeMap<String, String>) -> Task<'static> {
        let mut text = format!("of {} {}", self.setting, self.place);
        for (place, hash) in &inputs {
            text.push_str(&format!(" {place}:{hash}"));
        }
        if self.coarse {
            text = format!("{}", text.bytes().map(u32::from).sum::<u32>() % 2);
        }
        let action = move |context: &Context| {
            let path = context.folder.join(OUT);
            fs::write(&path, &text).map_err(|e| Error::io("write", &path, e))
        };
        let preview = self.preview;
        Task {
            preview: Some(Box::new(move || preview)),
            names_inputs: self.names_inputs,
            ..Task::new(&self.id, self.identity(inputs), action)
        }
    }
}

#[derive(Default)]
struct Started(Mutex<BTreeSet<String>>);

impl Observer for Started {
    fn observe(&self, event: Event) {
        if let Event::TaskStarted { task, .. } = event {
            self.0.lock().unwrap().insert(task);
        }
    }
}

/// In memory where the system has such a folder: thousands of outputs are written.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn check(world: &World, store: &dyn Fn() -> Store, what: &str) -> [usize; 3] {
    let (none, plan) = world.walk(&store(), Mode::Plan);
    assert!(none.is_empty(), "{what}: a plan runs nothing");
    let of = |decision: Decision| -> BTreeSet<String> {
        let those = plan.iter().filter(|(_, found)| **found == decision);
        those.map(|(task, _)| task.clone()).collect()
    };
    let [run, keep, maybe] = [Decision::Run, Decision::Keep, Decision::Maybe].map(of);
    let (started, all) = world.walk(&store(), Mode::Run);
    let context = || format!("{what}\n{world:#?}\nplan {plan:#?}\nstarted {started:?}");
    assert!(run.is_subset(&started), "planned, not run: {}", context());
    assert!(
        started.is_disjoint(&keep),
        "run, not planned: {}",
        context()
    );
    let open: BTreeSet<String> = started.difference(&run).cloned().collect();
    assert!(open.is_subset(&maybe), "run, not named: {}", context());
    assert!(
        all.keys().eq(plan.keys()),
        "other tasks than planned: {}",
        context()
    );
    let (again, _) = world.walk(&store(), Mode::Run);
    assert!(again.is_empty(), "runs again: {again:?} {}", context());
    [run.len(), keep.len(), maybe.len()]
}

#[test]
fn a_run_starts_what_the_plan_names_over_random_graphs_and_changes() {
    let of_seed = |seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (folder, mut world) = (folder(), World::random(&mut rng));
        // Each walk opens the store anew, as a process would.
        let store = || Store::at(folder.path());
        let mut counts = check(&world, &store, &format!("{seed} at first"));
        for round in 0..3 {
            let first = world.fakes.clone();
            for _ in 0..rng.random_range(1..3) {
                world.change(&store(), round == 2, &mut rng);
            }
            let found = check(
                &world,
                &store,
                &format!("{seed} round {round} from {first:#?}"),
            );
            counts.iter_mut().zip(found).for_each(|(sum, n)| *sum += n);
        }
        counts
    };
    let counts = (0..1000u64).into_par_iter().map(of_seed);
    let sums = counts.reduce(|| [0; 3], |a, b| std::array::from_fn(|i| a[i] + b[i]));
    // Every decision was put to the test, and few are left open.
    assert!(sums.iter().all(|n| *n > 500), "{sums:?}");
    assert!(sums[2] < sums[0] + sums[1], "{sums:?}");
}

#[test]
fn one_task_alone_needs_all_that_it_reads_and_runs_nothing_else() {
    let folder = folder();
    let store = Store::shared(folder.path());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut world = World {
        fakes: vec![],
        groups: vec![(1, false), (2, true)],
    };
    (0..3).for_each(|_| world.add(&mut rng));
    for fake in &mut world.fakes {
        (fake.wanted, fake.reads) = (true, if fake.place == 1 { vec![0] } else { vec![] });
    }
    let only = |id: &str| -> Result<(bool, BTreeSet<String>)> {
        let (limits, cancel, log) = (Limits::default(), Cancel::default(), Started::default());
        let mode = Mode::Only(id.to_owned());
        let mut interpreter = Interpreter::new(&store, &limits, &cancel, &log, mode);
        let node = |fake: &Fake| {
            let reads = fake
                .reads
                .iter()
                .map(|read| (*read, world.fakes[*read].id.clone()));
            world.node(fake.clone(), reads.collect())
        };
        let [first, others @ ..] = world.fakes.as_slice() else {
            return Err(Error::internal("no tasks"));
        };
        let before = interpreter.in_turn(&[node(first)]);
        let others: Vec<Node> = others.iter().map(node).collect();
        interpreter.side_by_side(&others)?;
        before?;
        Ok((interpreter.found(), log.0.into_inner().unwrap()))
    };
    let error = only("s/1").unwrap_err();
    assert!(
        error.to_string().contains("the output of s/0 is not there"),
        "{error}"
    );
    let (limits, cancel, log) = (Limits::default(), Cancel::default(), Started::default());
    let mut first = Interpreter::new(&store, &limits, &cancel, &log, Mode::Run);
    first
        .in_turn(&[world.node(world.fakes[0].clone(), vec![])])
        .unwrap();
    let (found, started) = only("s/1").unwrap();
    assert!(
        found && started == BTreeSet::from(["s/1".to_owned()]),
        "{started:?}"
    );
    let (found, started) = only("s/9").unwrap();
    assert!(!found && started.is_empty());
}
