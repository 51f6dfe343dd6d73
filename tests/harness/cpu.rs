//! Processor time of processes, from `/proc`; only Linux has it.

use std::collections::BTreeMap;

/// Linux reports processor time in hundredths of a second, whatever its clock is.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of one process so far, user and system together, seconds.
pub fn of(pid: u32) -> Option<f64> {
    Some(read(pid)?.seconds)
}

/// Processor time of every living process of a group, seconds, by pid.
pub fn of_group(leader: u32) -> BTreeMap<u32, f64> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let stats = pids.filter_map(|pid| Some((pid, read(pid)?)));
    stats.filter(|(_, stat)| stat.group == leader).map(|(pid, stat)| (pid, stat.seconds)).collect()
}

struct Stat {
    group: u32,
    seconds: f64,
}

fn read(pid: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// See proc_pid_stat(5): the second field is a name in parentheses, which may hold anything.
fn parse(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Stat {
        group: fields.get(2)?.parse().ok()?,
        seconds: (ticks(11)? + ticks(12)?) / TICKS_PER_S,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_process_is_called() {
        let stat =
            parse("7 (a) b (c) S 1 42 7 0 -1 4194304 100 0 0 0 150 50 9 9 20 0 1 0 300").unwrap();
        assert_eq!((stat.group, stat.seconds), (42, 2.0));
    }
}
