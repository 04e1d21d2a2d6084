//! The data stays the same, however chunks are merged and reads are cut.

use proptest::prelude::*;

use super::*;

const HEADER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\ntransfer-encoding: Chunked\r\n\r\n";

/// What a client's parser makes of chunks: their data, how many there were, what follows.
fn parsed(mut bytes: &[u8]) -> Option<(Vec<u8>, usize, Vec<u8>)> {
    let (mut data, mut count) = (Vec::new(), 0);
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?, 16).ok()?;
        let rest = &bytes[line + 2..];
        if length == 0 {
            return Some((data, count, rest.to_vec()));
        }
        data.extend_from_slice(rest.get(..length)?);
        bytes = rest[length..].strip_prefix(b"\r\n")?;
        count += 1;
    }
}

/// Reads `wire` in pieces that end at `cuts`.
fn read(wire: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut merge = Merge::Header;
    let mut out = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([wire.len()]) {
        if to > from {
            let mut piece = wire[from..to].to_vec();
            let length = merge.apply(&mut piece);
            assert!(length > 0, "a read of nothing looks like the end");
            out.extend_from_slice(&piece[..length]);
            from = to;
        }
    }
    out
}

fn chunked(data: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = HEADER.to_vec();
    for (n, data) in data.iter().enumerate().filter(|(_, data)| !data.is_empty()) {
        let head = match n % 3 {
            0 => format!("{:x}\r\n", data.len()),
            1 => format!("{:X}\r\n", data.len()),
            _ => format!("{:04x}\r\n", data.len()),
        };
        wire.extend_from_slice(head.as_bytes());
        wire.extend_from_slice(data);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

#[test]
fn the_chunks_of_one_read_become_one() {
    let data: Vec<Vec<u8>> = (0..40).map(|n| vec![b'a' + n % 26; 180]).collect();
    let out = read(&chunked(&data), &[]);
    let body = out.strip_prefix(HEADER).unwrap();
    assert_eq!(parsed(body), Some((data.concat(), 1, b"\r\n".to_vec())));
}

#[test]
fn short_chunks_have_room_for_the_longer_head() {
    for length in [1, 15, 16, 17, 200] {
        let data = vec![vec![b'x'; length]; 30];
        let out = read(&chunked(&data), &[]);
        let (all, count, _) = parsed(out.strip_prefix(HEADER).unwrap()).unwrap();
        assert_eq!((all, count), (data.concat(), 1));
    }
}

#[test]
fn what_is_not_understood_passes_untouched() {
    for body in [
        "3;name=value\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n",
        "0\r\nTrailer: x\r\n\r\n",
        "zz\r\nabc\r\n",
        "ffffffffffffffff\r\nabc",
        "3\rabc",
        "\r\n",
    ] {
        let wire = [HEADER, body.as_bytes()].concat();
        assert_eq!(read(&wire, &[]), wire, "{body:?}");
    }
    let broken = [HEADER, b"3\r\nabc\r\n3\r\nabcXX3\r\nabc\r\n"].concat();
    assert_eq!(read(&broken, &[]), broken);
}

#[test]
fn only_chunked_bodies_are_looked_into() {
    for header in [
        "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: transfer-encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let wire = [header.as_bytes(), b"3\r\nabc\r\n3\r\nabc\r\n"].concat();
        assert_eq!(read(&wire, &[]), wire, "{header:?}");
    }
}

#[test]
fn an_interim_answer_comes_before_the_answer() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let chunks = chunked(&[b"abc".to_vec(), b"def".to_vec()]);
    let wire = [&interim[..], &chunks].concat();
    let out = read(&wire, &[interim.len()]);
    assert!(out.ends_with(b"6\r\nabcdef\r\n0\r\n\r\n"));
}

proptest! {
    #[test]
    fn the_data_stays_however_it_is_cut(
        data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..30),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let wire = chunked(&data);
        let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(wire.len())).collect();
        cuts.sort_unstable();
        let out = read(&wire, &cuts);
        prop_assert!(out.len() <= wire.len());
        let body = out.strip_prefix(HEADER);
        prop_assert!(body.is_some());
        let (all, count, rest) = parsed(body.unwrap()).unwrap();
        prop_assert_eq!(all, data.concat());
        prop_assert!(count <= data.len());
        prop_assert_eq!(rest, b"\r\n");
    }

    #[test]
    fn garbage_is_never_lengthened(
        mut garbage in prop::collection::vec(
            prop::sample::select(vec![b'0', b'1', b'3', b'a', b'\r', b'\n', b';', b'x']), 0..120),
    ) {
        let mut merge = Merge::Head(Begun::default());
        let length = merge.apply(&mut garbage);
        prop_assert!(length <= garbage.len());
    }

    #[test]
    fn a_cut_at_every_place(data in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 2..5)) {
        let wire = chunked(&data);
        for cut in HEADER.len()..wire.len() {
            let out = read(&wire, &[cut]);
            let (all, ..) = parsed(out.strip_prefix(HEADER).unwrap()).unwrap();
            prop_assert_eq!(&all, &data.concat());
        }
    }
}
