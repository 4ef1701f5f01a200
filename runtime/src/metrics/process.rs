//! CPU time, memory and start of this process, as every Prometheus client names them; absent where there is no `/proc`.

use std::fmt;
use std::fs::read_to_string;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// In these Linux counts CPU time and starts for programs (`USER_HZ`); 100 on every platform we build for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Places in `/proc/self/stat`, counted from behind the name.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;

#[derive(Debug)]
pub(super) struct Process {
    /// Seconds since 1970.
    started: Option<f64>,
}

impl Process {
    pub(super) fn this() -> Self {
        let files = read_to_string("/proc/self/stat").ok().zip(read_to_string("/proc/stat").ok());
        Self { started: files.and_then(|(process, machine)| started(&process, &machine)) }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stat = read_to_string("/proc/self/stat").ok();
        if let Some(seconds) = stat.and_then(|stat| cpu_seconds(&stat)) {
            let cpu = ConstCounter::new(seconds);
            write(&mut encoder, "process_cpu", "CPU time of this process, user and system.", &Unit::Seconds, &cpu)?;
        }
        let status = read_to_string("/proc/self/status").ok();
        if let Some(bytes) = status.and_then(|status| resident_bytes(&status)) {
            let memory = ConstGauge::new(bytes);
            write(&mut encoder, "process_resident_memory", "Memory of this process in RAM.", &Unit::Bytes, &memory)?;
        }
        if let Some(seconds) = self.started {
            let moment = ConstGauge::new(seconds);
            write(
                &mut encoder,
                "process_start_time",
                "When this process started, Unix time.",
                &Unit::Seconds,
                &moment,
            )?;
        }
        Ok(())
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: &Unit,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, Some(unit), metric.metric_type())?)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, USER_TICKS)? + field(stat, SYSTEM_TICKS)?) / TICKS_PER_SECOND)
}

/// `machine` tells when it was booted, and `stat` how long after that this process began.
fn started(stat: &str, machine: &str) -> Option<f64> {
    let booted: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + field(stat, START_TICKS)? / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The name may hold spaces and brackets; behind its last bracket everything is a number but the first.
fn field(stat: &str, place: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    const STAT: &str = "812 (a (name) of 2) S 1 812 812 0 -1 4194560 900 0 0 0 250 75 0 0 20 0 9 0 4200 300000000 5000 18446744073709551615";

    #[test]
    fn figures_are_found_behind_any_name() {
        assert_eq!(cpu_seconds(STAT), Some(3.25));
        assert_eq!(started(STAT, "cpu 1 2 3\nbtime 1700000000\nprocesses 9\n"), Some(1_700_000_042.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   12 kB\nThreads:\t3\n"), Some(12_288));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        assert_eq!(
            (cpu_seconds("812 (name) S 1"), started(STAT, ""), resident_bytes("VmRSS: many")),
            (None, None, None)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_all_three() {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(Process::this()));
        text::encode(&mut text, &registry).expect("encodes");
        for name in
            ["\nprocess_cpu_seconds_total ", "\nprocess_resident_memory_bytes ", "\nprocess_start_time_seconds "]
        {
            assert!(text.contains(name), "{name:?} is missing:\n{text}");
        }
    }
}
