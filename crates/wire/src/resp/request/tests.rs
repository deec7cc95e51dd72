use proptest::prelude::*;

use super::*;

/// Everything a connection would execute, and the error that would end it.
type Outcome = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Feeds `reads` one after the other, as a connection does.
fn feed(reads: &[&[u8]], limits: &RequestLimits) -> Outcome {
    let mut parser = RequestParser::new();
    let (mut buffer, mut requests) = (Vec::new(), Vec::new());
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match parser.parse(&mut buffer, limits) {
                Ok(Progress::Incomplete) => break,
                Ok(Progress::Request { consumed }) => {
                    let request = &buffer[..consumed];
                    let args: Vec<_> =
                        parser.args().iter().map(|arg| arg.of(request).to_vec()).collect();
                    requests.push(args);
                    buffer.drain(..consumed);
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fn check(input: &[u8], expect: &[&[&[u8]]]) {
    let expect: Vec<Vec<Vec<u8>>> =
        expect.iter().map(|args| args.iter().map(|arg| arg.to_vec()).collect()).collect();
    let limits = RequestLimits::default();
    let bytewise: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(feed(&[input], &limits), (expect.clone(), None));
    assert_eq!(feed(&bytewise, &limits), (expect, None), "byte by byte");
}

fn check_error(input: &[u8], limits: &RequestLimits, text: &str) {
    let bytewise: Vec<&[u8]> = input.chunks(1).collect();
    for reads in [vec![input], bytewise] {
        let (_, error) = feed(&reads, limits);
        let error = error.unwrap_or_else(|| panic!("no error, wanted {text}"));
        assert_eq!(ErrorReply::from(error).0, format!("ERR Protocol error: {text}"));
    }
}

#[test]
fn pipelines_of_both_kinds() {
    check(
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*1\r\n$0\r\n\r\n",
        &[&[b"GET", b"k"], &[b"PING"], &[b""]],
    );
    check(b"\r\n\n*0\r\n*-1\r\nPING\n", &[&[], &[], &[], &[], &[b"PING"]]);
    check(b"*1\r\n$10\r\n0123456\r\n9\r\n", &[&[b"0123456\r\n9"]]);
}

#[test]
fn an_unfinished_request_is_not_reported() {
    check(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r", &[]);
    check(b"*2\r\n$3\r\nGET\r\n", &[]);
    check(b"PING", &[]);
}

#[test]
fn inline_quoting() {
    check(b"set  k \"a b\"\r\n", &[&[b"set", b"k", b"a b"]]);
    check(br#"a "\x41\n\t\"\\\q\xzz" b"#, &[]);
    check(b"a \"\\x41\\n\\t\\\"\\\\\\q\\xzz\" b\n", &[&[b"a", b"A\n\t\"\\qxzz", b"b"]]);
    check(b"a 'it\\'s \\n' \"\"\n", &[&[b"a", b"it's \\n", b""]]);
    check(b"pre\"fix\" x\n", &[&[b"prefix", b"x"]]);
}

#[test]
fn wrong_bytes_get_the_words_of_redis() {
    let limits = RequestLimits::default();
    check_error(b"*x\r\n", &limits, "invalid multibulk length");
    check_error(b"*\r\n", &limits, "invalid multibulk length");
    check_error(b"*2147483648\r\n", &limits, "invalid multibulk length");
    check_error(b"*99999999999999999999\r\n", &limits, "invalid multibulk length");
    check_error(b"*1\r\nPING\r\n", &limits, "expected '$', got 'P'");
    check_error(b"*1\r\n$-1\r\n", &limits, "invalid bulk length");
    check_error(b"*1\r\n$01\r\n", &limits, "invalid bulk length");
    check_error(b"*1\r\n$536870913\r\n", &limits, "invalid bulk length");
    check_error(b"get \"a\r\n", &limits, "unbalanced quotes in request");
    check_error(b"get \"a\"b\r\n", &limits, "unbalanced quotes in request");
    check_error(b"get 'a\r\n", &limits, "unbalanced quotes in request");
}

#[test]
fn lines_without_end_are_bounded() {
    let limits = RequestLimits::default();
    let long = vec![b'1'; limits::INLINE_BYTES_MAX + 2];
    check_error(&long, &limits, "too big inline request");
    check_error(&[b"*", long.as_slice()].concat(), &limits, "too big mbulk count string");
    check_error(&[b"*1\r\n$", long.as_slice()].concat(), &limits, "too big bulk count string");
}

#[test]
fn strangers_get_tight_limits() {
    let limits = RequestLimits { unauthenticated: true, ..RequestLimits::default() };
    check_error(b"*11\r\n", &limits, "unauthenticated multibulk length");
    check_error(b"*1\r\n$16385\r\n", &limits, "unauthenticated bulk length");
    let (requests, error) = feed(&[b"*1\r\n$4\r\nPING\r\n"], &limits);
    assert_eq!((requests.len(), error), (1, None));
}

#[test]
fn claims_do_not_allocate() {
    let mut parser = RequestParser::new();
    let mut input = b"*1048576\r\n$536870912\r\n".to_vec();
    let progress = parser.parse(&mut input, &RequestLimits::default());
    assert_eq!(progress, Ok(Progress::Incomplete));
    assert_eq!(parser.args.capacity(), 0);
}

proptest! {
    #[test]
    fn the_split_into_reads_does_not_matter(
        input in proptest::collection::vec(
            prop_oneof![
                4 => Just(b"*1\r\n$4\r\nPING\r\n".to_vec()),
                4 => Just(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n\r\n*1\r\n$1\r\nx\r\n\r\n".to_vec()),
                2 => Just(b"set k 'v'\r\n".to_vec()),
                1 => proptest::collection::vec(any::<u8>(), 0..6),
                1 => Just(b"*2\r\n$".to_vec()),
            ],
            1..6,
        ),
        cuts in proptest::collection::vec(0usize..80, 0..8),
    ) {
        let input = input.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        let mut reads = Vec::new();
        let mut from = 0;
        for cut in cuts {
            reads.push(&input[from..cut]);
            from = cut;
        }
        reads.push(&input[from..]);
        let limits = RequestLimits::default();
        prop_assert_eq!(feed(&reads, &limits), feed(&[&input], &limits));
    }
}
