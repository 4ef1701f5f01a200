//! Processor time of another process, as Linux keeps account of it.

use std::fs;

use anyhow::Context as _;

/// `USER_HZ`, the same on every machine Linux still runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// utime and stime among the words behind the name of the program, which may contain any. Source: `man 5 proc_pid_stat`.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// Seconds a process has had so far, its own and those the kernel spent for it.
pub(crate) fn seconds(pid: u32) -> anyhow::Result<f64> {
    let file = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&file).with_context(|| format!("{file}: only Linux tells processor times there"))?;
    let (_, behind_name) = stat.rsplit_once(')').context("no name of a program")?;
    let words: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = |place: usize| -> anyhow::Result<f64> {
        let ticks: u32 = words.get(place).context("too few words")?.parse()?;
        Ok(f64::from(ticks))
    };
    Ok((ticks(USER)? + ticks(SYSTEM)?) / TICKS_PER_SECOND)
}

/// Seconds all processors together have been busy since the machine was started. Source: `man 5 proc_stat`.
pub(crate) fn busy_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat: only Linux tells processor times there")?;
    let words = stat.lines().next().context("no line about all processors")?.split_whitespace().skip(1);
    let ticks = words.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [user, nice, system, _idle, _waiting, irq, softirq, ..] = ticks[..] else { anyhow::bail!("too few words") };
    Ok([user, nice, system, irq, softirq].iter().sum::<f64>() / TICKS_PER_SECOND)
}
