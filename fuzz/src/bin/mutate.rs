//! Runs one target on mutations of its seeds for some seconds: `mutate <target> <seconds> [seed]`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, fs, process};

use fuzz::mutate::Mutator;
use fuzz::targets::ALL;

fn main() {
    let args: Vec<String> = env::args().collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<u64>().ok());
    let target = args.get(1).and_then(|name| ALL.iter().find(|target| target.name == name));
    let (Some(target), Some(seconds)) = (target, number(2)) else {
        let names: Vec<&str> = ALL.iter().map(|target| target.name).collect();
        eprintln!("usage: mutate <{}> <seconds> [seed]", names.join("|"));
        process::exit(2);
    };
    let mut mutator = Mutator::new(number(3).unwrap_or(1), (target.seeds)());
    let (began, mut runs, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(seconds) {
        let input = mutator.next_input();
        let run = Instant::now();
        let crash_file = format!("crash-{}", target.name);
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            fs::write(&crash_file, &input).expect("the input can be written");
            eprintln!("run {runs}: panic; the input is in {crash_file}");
            process::exit(1);
        }
        if run.elapsed() > slowest {
            slowest = run.elapsed();
            fs::write(format!("slowest-{}", target.name), &input)
                .expect("the input can be written");
        }
        runs += 1;
    }
    println!("{}: {runs} runs, the slowest took {slowest:?}", target.name);
}
