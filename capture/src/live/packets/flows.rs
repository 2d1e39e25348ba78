//! TCP connections: their beginning and their end, as one of their sockets sees them.

use std::collections::HashMap;
use std::net::IpAddr;

use ebpf::abi::Packet;

use super::headers::Headers;

/// Connections that are followed at most; of more, the oldest are given up.
const MAX_FLOWS: usize = 65_536;

/// A connection, seen from one of its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flow {
    net_ns: u32,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
struct Begun {
    outgoing: bool,
    /// Sequence number of the answer to the opening, which may be sent again, and is acknowledged.
    answer: u32,
    /// Place among all connections.
    order: u64,
}

/// A connection begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) begins: bool,
    /// Whether the connection was opened from here.
    pub(super) outgoing: bool,
    /// Who opened it.
    pub(super) initiator: (IpAddr, u16),
    /// Who was asked.
    pub(super) responder: (IpAddr, u16),
}

/// The connections that have begun.
#[derive(Debug, Default)]
pub(super) struct Flows {
    begun: HashMap<Flow, Begun>,
    count: u64,
}

impl Flows {
    /// What a segment means for its connection, which opens it, closes it or resets it. The first that closes or resets it is its end.
    pub(super) fn follow(&mut self, packet: &Packet, headers: &Headers<'_>) -> Option<Change> {
        let segment = headers.segment()?;
        let source = (headers.source, segment.source_port());
        let destination = (headers.destination, segment.destination_port());
        let (local, remote) = if packet.leaving {
            (source, destination)
        } else {
            (destination, source)
        };
        let flow = Flow {
            net_ns: packet.net_ns,
            local,
            remote,
        };
        let change = |begins, outgoing| Change {
            begins,
            outgoing,
            initiator: if outgoing { local } else { remote },
            responder: if outgoing { remote } else { local },
        };
        if segment.fin() || segment.rst() {
            let begun = self.begun.remove(&flow)?;
            return Some(change(false, begun.outgoing));
        }
        let begun = Begun {
            outgoing: segment.syn() && !packet.leaving,
            answer: match segment.syn() {
                true => segment.sequence_number(),
                // What arrives acknowledges the answer, which was not seen.
                false => segment.acknowledgment_number().wrapping_sub(1),
            },
            order: self.count,
        };
        let again = self
            .begun
            .get(&flow)
            .is_some_and(|known| known.answer == begun.answer);
        if again || !segment.ack() {
            return None;
        }
        self.make_room();
        self.begun.insert(flow, begun);
        self.count += 1;
        Some(change(true, begun.outgoing))
    }

    fn make_room(&mut self) {
        if self.begun.len() >= MAX_FLOWS {
            let mut orders: Vec<_> = self.begun.values().map(|begun| begun.order).collect();
            let (_, &mut middle, _) = orders.select_nth_unstable(MAX_FLOWS / 2);
            self.begun.retain(|_, begun| begun.order >= middle);
        }
    }
}
