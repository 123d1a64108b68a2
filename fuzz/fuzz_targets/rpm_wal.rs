//! An rpm database and its write-ahead log, whose checksums are put right so that its frames count. The first
//! two bytes say where the log begins.
#![no_main]

use analyze::os::rpm::{parse, source::ByteOrder, wal::Wal};

/// Header and frames as `analyze::os::rpm::wal` describes them.
fn repair(log: &mut [u8]) {
    let Some((header, frames)) = log.split_at_mut_checked(32) else { return };
    let order = if header[3] & 1 == 1 { ByteOrder::Big } else { ByteOrder::Little };
    let mut sums = (0, 0);
    add(&mut sums, order, &header[..24]);
    put(&mut header[24..], sums);
    let page = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let Some(frame_size) = (page as usize).checked_add(24) else { return };
    for frame in frames.chunks_exact_mut(frame_size) {
        frame[8..16].copy_from_slice(&header[16..24]);
        add(&mut sums, order, &frame[..8]);
        add(&mut sums, order, &frame[24..]);
        put(&mut frame[16..], sums);
    }
}

fn add(sums: &mut (u32, u32), order: ByteOrder, bytes: &[u8]) {
    for pair in bytes.chunks_exact(8) {
        let word = |at| order.u32(pair, at).unwrap_or(0);
        sums.0 = sums.0.wrapping_add(word(0)).wrapping_add(sums.1);
        sums.1 = sums.1.wrapping_add(word(4)).wrapping_add(sums.0);
    }
}

fn put(bytes: &mut [u8], (first, second): (u32, u32)) {
    bytes[..4].copy_from_slice(&first.to_be_bytes());
    bytes[4..8].copy_from_slice(&second.to_be_bytes());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([high, low], content)) = data.split_first_chunk() else { return };
    let at = usize::from(u16::from_be_bytes([*high, *low])).min(content.len());
    let (database, log) = content.split_at(at);
    let mut log = log.to_vec();
    repair(&mut log);
    let log = log.as_slice();
    if let Ok(Some(wal)) = Wal::parse(&log) {
        assert!(wal.committed <= log.len() as u64, "more is committed than there is");
        let _ = parse(&database, Some((&wal, &log)));
    }
    let _ = parse(&database, None);
});
