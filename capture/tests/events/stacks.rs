//! System calls in functions whose addresses are known: what the stack has to be.

use std::collections::BTreeMap;

use crate::cause::{Notes, me, number};
use crate::truth::Expected;

// Each makes the call `getpgid`, with 0 or 1, and has labels where its instructions go on. The first is called by a function that is
// called by one whose frame says that it has no caller. The second is a frame that says that it is its own caller.
std::arch::global_asm!(
    ".text",
    ".globl stacks_outer, stacks_outer_on, stacks_middle_on, stacks_inner_on, stacks_cycle, stacks_cycle_on",
    "stacks_outer:",
    "push rbp",
    "xor ebp, ebp",
    "call 2f",
    "stacks_outer_on:",
    "pop rbp",
    "ret",
    "2:",
    "push rbp",
    "mov rbp, rsp",
    "call 3f",
    "stacks_middle_on:",
    "pop rbp",
    "ret",
    "3:",
    "push rbp",
    "mov rbp, rsp",
    "mov eax, 121",
    "xor edi, edi",
    "syscall",
    "stacks_inner_on:",
    "pop rbp",
    "ret",
    "stacks_cycle:",
    "push rbp",
    "push 0x1234",
    "lea rbp, [rsp - 8]",
    "push rbp",
    "mov eax, 121",
    "mov edi, 1",
    "syscall",
    "stacks_cycle_on:",
    "add rsp, 16",
    "pop rbp",
    "ret",
);

unsafe extern "C" {
    fn stacks_outer() -> i64;
    fn stacks_outer_on();
    fn stacks_middle_on();
    fn stacks_inner_on();
    fn stacks_cycle() -> i64;
    fn stacks_cycle_on();
}

pub(crate) fn cause(notes: &mut Notes) {
    let address = |label: unsafe extern "C" fn()| label as usize as u64;
    // SAFETY: it asks for a number, and keeps all registers that a function keeps.
    let group = unsafe { stacks_outer() };
    let frames = [stacks_inner_on, stacks_middle_on, stacks_outer_on].map(address);
    note(notes, "three frames", 0, group, frames.to_vec());

    // SAFETY: as above.
    let group = unsafe { stacks_cycle() };
    let mut frames = vec![0x1234; 20];
    frames[0] = address(stacks_cycle_on);
    note(notes, "a frame that is its own caller", 1, group, frames);
}

fn note(notes: &mut Notes, case: &str, pid: i64, result: i64, stack: Vec<u64>) {
    let fields = [("pid", number(pid)), ("returnValue", number(result))];
    notes.expect(Expected {
        case: case.to_owned(),
        event: "getpgid".to_owned(),
        who: Some(me()),
        call: "getpgid".to_owned(),
        fields: BTreeMap::from(fields.map(|(name, truth)| (name.to_owned(), truth))),
        losses: Vec::new(),
        stack: Some(stack),
        absent: false,
    });
}
