//! What the operating system knows of this process: read from /proc.

use std::fs;

/// Clock ticks of /proc/*/stat a second; the same on every Linux (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in seconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct CpuTime {
    pub(super) user: f64,
    pub(super) system: f64,
}

/// CPU time of all threads; zero where there is no /proc.
pub(super) fn cpu() -> CpuTime {
    cpu_of("/proc/self/stat")
}

/// CPU time of the calling thread.
pub(super) fn cpu_of_thread() -> CpuTime {
    cpu_of("/proc/thread-self/stat")
}

fn cpu_of(path: &str) -> CpuTime {
    fs::read_to_string(path).ok().and_then(|stat| read_cpu(&stat)).unwrap_or_default()
}

/// Fields 14 and 15; the name in field 2 may hold anything, so counting starts behind its `)`.
fn read_cpu(stat: &str) -> Option<CpuTime> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(CpuTime { user: seconds()?, system: seconds()? })
}

/// Memory of the process that is in RAM, bytes.
pub(super) fn resident_bytes() -> u64 {
    kib_of("/proc/self/status", "VmRSS:")
}

/// RAM of the machine, bytes.
pub(super) fn system_bytes() -> u64 {
    kib_of("/proc/meminfo", "MemTotal:")
}

fn kib_of(path: &str, field: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    read_kib(&text, field).unwrap_or(0) << 10
}

/// `VmRSS:     1234 kB`
fn read_kib(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// `Linux 6.1.0 x86_64`
pub(super) fn system_name() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {} {}", release.trim(), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(read_cpu(stat), Some(CpuTime { user: 2.5, system: 0.5 }));
        assert_eq!(read_cpu("7 (a"), None);
        assert_eq!(read_kib("Name: x\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(read_kib("Name: x\n", "VmRSS:"), None);
        assert!(resident_bytes() > 0 && system_bytes() > resident_bytes());
    }
}
