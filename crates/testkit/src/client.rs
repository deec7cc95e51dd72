//! A plain client: one blocking connection that keeps the raw bytes of each reply.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

pub use wire::resp::response::Response;
use wire::resp::response::{ResponseLimits, decode, encode_command};

/// A server that answers nothing for so long is stuck.
const REPLY_DEADLINE: Duration = Duration::from_secs(30);

/// Deep enough for what COMMAND says inside of EXEC.
const DEPTH_MAX: usize = 32;

/// Speaks RESP2 until a HELLO says otherwise; both are decoded alike.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    pub fn connect(address: &str) -> io::Result<Client> {
        Client::connect_within(address, REPLY_DEADLINE)
    }

    /// As [`Client::connect`]; connecting and each reply may take so long.
    pub fn connect_within(address: &str, patience: Duration) -> io::Result<Client> {
        let address = address.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Client { stream, input: Vec::new() })
    }

    /// Sends a command and gives its reply, decoded.
    pub fn call(&mut self, args: &[&[u8]]) -> io::Result<Response> {
        self.call_raw(args).map(|(response, _)| response)
    }

    /// Sends a command and gives its reply, decoded and as it came.
    pub fn call_raw(&mut self, args: &[&[u8]]) -> io::Result<(Response, Vec<u8>)> {
        let mut output = Vec::new();
        encode_command(&mut output, args);
        self.send(&output)?;
        self.receive()
    }

    /// How long a reply is waited for.
    pub fn set_deadline(&self, deadline: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(deadline))
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for the next reply.
    pub fn receive(&mut self) -> io::Result<(Response, Vec<u8>)> {
        let limits = ResponseLimits { depth_max: DEPTH_MAX, ..ResponseLimits::default() };
        loop {
            match decode(&self.input, &limits) {
                Ok(Some((response, length))) => {
                    let raw = self.input.drain(..length).collect();
                    return Ok((response, raw));
                }
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.input.extend_from_slice(&chunk[..length]),
                // This process was stopped for a while.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let part = self.input.escape_ascii();
                    let text = format!("{error} (of the reply there is \"{part}\")");
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
    }
}
