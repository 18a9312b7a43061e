//! More than its bound, and what is followed.

use super::*;

/// Everything that is there of a stream, as (where it begins, bytes).
fn pieces(reader: &Reader, rank: RankId) -> Vec<(u64, Vec<u8>)> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    loop {
        let piece = reader.read(rank, Stream::Stdout, from, 1 << 20).unwrap();
        if piece.bytes.is_empty() {
            return pieces;
        }
        from = piece.start + piece.bytes.len() as u64;
        pieces.push((piece.start, piece.bytes));
    }
}

#[test]
fn of_a_stream_past_its_bound_the_first_half_and_the_latest_stay() {
    let (_folder, mut output) = open();
    let text: Vec<u8> = (0..=255).cycle().take(1000).collect();

    for (index, part) in text.chunks(10).enumerate() {
        let length = output.append(&[chunk(index as u64 * 10, part)], 100, at(0)).unwrap();
        assert_eq!(length, [Ok((index as u64 + 1) * 10)]);
    }

    let kept = pieces(&output.reader(), attempt(1, 0, 1));
    assert_eq!(kept, [(0, text[..50].to_vec()), (950, text[950..].to_vec())]);
    let arrivals = output.reader().arrivals(JobId(1), 0, 1 << 20).unwrap();
    let missing: Vec<u64> = arrivals.iter().map(|arrival| arrival.missing).collect();
    assert_eq!(missing, [0, 0, 0, 0, 0, 900, 0, 0, 0, 0]);
    assert_eq!(output.reader().stored().unwrap(), 100);
}

#[test]
fn a_gap_that_a_chunk_owns_up_to_is_kept_as_one_and_any_other_is_refused() {
    let (_folder, mut output) = open();
    let gap = |start, missing, bytes: &[u8]| Chunk { missing, ..chunk(start, bytes) };

    let lengths = keep(
        &mut output,
        &[chunk(0, b"abc"), gap(10, 7, b"klm"), gap(10, 7, b"klm"), gap(20, 5, b"u")],
    );

    assert_eq!(lengths[..3], [Ok(3), Ok(13), Ok(13)]);
    assert_eq!(lengths[3], Err(Refused::Gap { start: 20, have: 13 }));
    let kept = pieces(&output.reader(), attempt(1, 0, 1));
    assert_eq!(kept, [(0, b"abc".to_vec()), (10, b"klm".to_vec())]);
    let inside = output.reader().read(attempt(1, 0, 1), Stream::Stdout, 5, 9).unwrap();
    assert_eq!(inside, Piece { start: 10, bytes: b"klm".to_vec() });
    assert_eq!(keep(&mut output, &[gap(8, 8, b"..klmn")]), [Ok(14)]);
    assert_eq!(pieces(&output.reader(), attempt(1, 0, 1))[1], (10, b"klmn".to_vec()));
}

#[test]
fn what_arrives_is_told_in_order_and_once_whatever_is_removed_meanwhile() {
    let (folder, mut output) = open();
    let of =
        |index, start, bytes: &[u8]| Chunk { rank: attempt(1, index, 1), ..chunk(start, bytes) };
    let strange = Chunk { rank: attempt(2, 0, 1), ..chunk(0, b"of another job") };
    keep(&mut output, &[of(7, 0, b"a"), strange, of(3, 0, b"b"), of(7, 1, b"c")]);
    let reader = output.reader();

    let first = reader.arrivals(JobId(1), 0, 2).unwrap();
    let told = |arrivals: &[Arrival]| {
        let tell = |one: &Arrival| (one.rank.attempt.task.index, one.bytes.clone());
        arrivals.iter().map(tell).collect::<Vec<_>>()
    };
    assert_eq!(told(&first), [(7, b"a".to_vec()), (3, b"b".to_vec())]);
    let rest = reader.arrivals(JobId(1), first[1].id, 9).unwrap();
    assert_eq!(told(&rest), [(7, b"c".to_vec())]);
    assert_eq!(reader.newest(JobId(1)).unwrap(), rest[0].id);

    // The last one goes, and the next one is not taken for it.
    output.replace(&[], &[attempt(1, 7, 1)], at(9)).unwrap();
    assert_eq!(output.remove(&[attempt(1, 7, 1)], at(9)).unwrap().printers, 1);
    keep(&mut output, &[of(4, 0, b"d")]);
    let next = reader.arrivals(JobId(1), rest[0].id, 9).unwrap();
    assert_eq!(told(&next), [(4, b"d".to_vec())]);
    drop(folder);
}

#[test]
fn the_last_lines_are_found_over_the_ends_of_chunks() {
    let (_folder, mut output) = open();
    let text = b"one\ntwo\nthree\nfour\nfi";
    for (index, part) in text.chunks(3).enumerate() {
        keep(&mut output, &[chunk(index as u64 * 3, part)]);
    }
    let reader = output.reader();
    let tail = |lines, most| {
        let from = reader.tail(attempt(1, 0, 1), Stream::Stdout, lines, most).unwrap();
        String::from_utf8(text[usize::try_from(from).unwrap()..].to_vec()).unwrap()
    };

    assert_eq!(tail(0, 99), "");
    assert_eq!(tail(1, 99), "fi");
    assert_eq!(tail(2, 99), "four\nfi");
    assert_eq!(tail(4, 99), "two\nthree\nfour\nfi");
    assert_eq!(tail(5, 99), "one\ntwo\nthree\nfour\nfi");
    assert_eq!(tail(50, 99), "one\ntwo\nthree\nfour\nfi");
    assert_eq!(tail(50, 4), "r\nfi", "bounded");
    keep(&mut output, &[chunk(21, b"ve\n")]);
    let from = output.reader().tail(attempt(1, 0, 1), Stream::Stdout, 1, 99).unwrap();
    assert_eq!(from, 19, "the end of a line begins no other");
    assert_eq!(reader.tail(attempt(9, 0, 1), Stream::Stdout, 3, 99).unwrap(), 0);
}
