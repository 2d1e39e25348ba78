//! Questions to the stores, as of the event.
//!
//! What a store does not know is null, an empty list, `""`, -1 or 0, by function. Any other error of a store is an error
//! of the expression. Facts that a store knows of but that are unknown, such as a process's user, are null.

use detectors_api::stores::{ContainerInfo, ProcessInfo, StoreError, SymbolInfo};

use super::{Function, Run, no_overload};
use crate::cel::EvalError;
use crate::cel::eval::Evaluation;
use crate::cel::types::Type;
use crate::cel::value::{Map, Val};

pub(super) fn functions() -> Vec<Function> {
    use Type::{Dyn, Int, String, UInt};
    let list = || Type::list(Dyn);
    let ask = |name, run: Run, params: &[Type], result| Function::new(name, run).global(params, result);
    vec![
        ask("process.get", process, &[UInt], Dyn),
        ask("process.getAncestry", ancestry, &[UInt, Int], list()),
        ask("process.getChildren", children, &[UInt], list()),
        ask("container.get", container, &[String], Dyn),
        ask("container.getByName", container_by_name, &[String], Dyn),
        ask("system.info", system, &[], Dyn),
        ask("kernel.resolveSymbol", symbols, &[UInt], list()),
        ask("kernel.getSymbolAddress", symbol_address, &[String], UInt),
        ask("dns.getResponse", dns, &[String], Dyn),
        ask("syscall.getName", syscall_name, &[Int], String),
        ask("syscall.getId", syscall_id, &[String], Int),
    ]
}

/// Steps that a question to a store counts as.
const QUESTION: usize = 50;

/// The answer, or `unknown` if the store does not know.
fn answer<'a>(answer: Result<Val<'a>, StoreError>, unknown: Val<'a>) -> Result<Val<'a>, EvalError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(unknown),
        answer => Ok(answer?),
    }
}

fn record<'a>(keys: &'static [&'static str], values: impl Into<std::rc::Rc<[Val<'a>]>>) -> Val<'a> {
    Val::Map(Map::Record(keys, values.into()))
}

/// Seconds since the Unix epoch, from ns; null for `None`.
fn seconds<'a>(ns: Option<u64>) -> Val<'a> {
    // 2⁶⁴ ns are fewer than 2⁶³ s.
    ns.map_or(Val::Null, |ns| Val::Int((ns / 1_000_000_000).cast_signed()))
}

fn process_record<'a>(info: ProcessInfo<'a>) -> Val<'a> {
    record(
        &[
            "entity_id",
            "pid",
            "ppid",
            "name",
            "exe",
            "start_time",
            "uid",
            "gid",
        ],
        [
            Val::UInt(info.entity_id.into()),
            Val::number(info.pid),
            Val::number(info.ppid),
            Val::text(info.name),
            Val::text(info.exe),
            seconds(info.start_ns),
            Val::number(info.uid),
            Val::number(info.gid),
        ],
    )
}

fn process<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::UInt(id)] = args else {
        return Err(no_overload("process.get", args));
    };
    eval.charge(QUESTION)?;
    let Ok(id) = u32::try_from(*id) else {
        return Ok(Val::Null);
    };
    answer(
        eval.stores().processes().get_process(id).map(process_record),
        Val::Null,
    )
}

fn processes<'a>(
    eval: &mut Evaluation<'a>,
    infos: Result<Vec<ProcessInfo<'a>>, StoreError>,
) -> Result<Val<'a>, EvalError> {
    let infos = match infos {
        Err(error) if error.is_not_found() => Vec::new(),
        infos => infos?,
    };
    eval.charge(infos.len().saturating_mul(QUESTION))?;
    Ok(Val::list(infos.into_iter().map(process_record)))
}

fn ancestry<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::UInt(id), Val::Int(depth)] = args else {
        return Err(no_overload("process.getAncestry", args));
    };
    eval.charge(QUESTION)?;
    // Nobody has more ancestors than there are pids.
    let depth = usize::try_from(*depth).unwrap_or(0).min(1 << 22);
    match u32::try_from(*id) {
        Ok(id) => processes(eval, eval.stores().processes().get_ancestry(id, depth)),
        Err(_) => Ok(Val::list([])),
    }
}

fn children<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::UInt(id)] = args else {
        return Err(no_overload("process.getChildren", args));
    };
    eval.charge(QUESTION)?;
    match u32::try_from(*id) {
        Ok(id) => processes(eval, eval.stores().processes().get_child_processes(id)),
        Err(_) => Ok(Val::list([])),
    }
}

fn container_record<'a>(info: ContainerInfo<'a>) -> Val<'a> {
    let pod = info.pod.map_or(Val::Null, |pod| {
        record(
            &["name", "uid", "namespace", "sandbox"],
            [
                Val::text(pod.name),
                Val::text(pod.uid),
                Val::text(pod.namespace),
                Val::Bool(pod.sandbox),
            ],
        )
    });
    record(
        &[
            "id",
            "name",
            "image",
            "image_digest",
            "runtime",
            "start_time",
            "pod",
        ],
        [
            Val::text(info.id),
            Val::text(info.name),
            Val::text(info.image),
            Val::text(info.image_digest),
            Val::text(info.runtime.as_str()),
            seconds(info.start_ns),
            pod,
        ],
    )
}

fn container<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(id)] = args else {
        return Err(no_overload("container.get", args));
    };
    eval.charge(QUESTION)?;
    let found = eval.stores().containers().get_container(id.as_str());
    answer(found.map(container_record), Val::Null)
}

fn container_by_name<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(name)] = args else {
        return Err(no_overload("container.getByName", args));
    };
    eval.charge(QUESTION)?;
    let found = eval.stores().containers().get_container_by_name(name.as_str());
    answer(found.map(container_record), Val::Null)
}

fn system<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    if !args.is_empty() {
        return Err(no_overload("system.info", args));
    }
    eval.charge(QUESTION)?;
    let info = eval.stores().system().get_system_info();
    Ok(record(
        &[
            "architecture",
            "kernel_release",
            "hostname",
            "os_name",
            "os_version",
            "os_pretty_name",
            "tracee_version",
            "boot_time",
            "tracee_start_time",
        ],
        [
            Val::text(&info.architecture),
            Val::text(&info.kernel_release),
            Val::text(&info.hostname),
            Val::text(&info.os_name),
            Val::text(&info.os_version),
            Val::text(&info.os_pretty_name),
            Val::text(&info.recorder_version),
            seconds(info.boot_time_ns),
            seconds(info.start_time_ns),
        ],
    ))
}

fn symbol_record<'a>(info: SymbolInfo<'a>) -> Val<'a> {
    record(
        &["name", "address", "module"],
        [
            Val::text(info.name),
            Val::UInt(info.address),
            Val::text(info.module),
        ],
    )
}

fn symbols<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::UInt(address)] = args else {
        return Err(no_overload("kernel.resolveSymbol", args));
    };
    eval.charge(QUESTION)?;
    let found = eval.stores().kernel_symbols().resolve_symbol_by_address(*address);
    let symbols = match found {
        Err(error) if error.is_not_found() => Vec::new(),
        found => found?,
    };
    eval.charge(symbols.len().saturating_mul(QUESTION))?;
    Ok(Val::list(symbols.into_iter().map(symbol_record)))
}

fn symbol_address<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(name)] = args else {
        return Err(no_overload("kernel.getSymbolAddress", args));
    };
    eval.charge(QUESTION)?;
    let found = eval.stores().kernel_symbols().get_symbol_address(name.as_str());
    answer(found.map(Val::UInt), Val::UInt(0))
}

fn dns<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(query)] = args else {
        return Err(no_overload("dns.getResponse", args));
    };
    eval.charge(QUESTION)?;
    let response = match eval.stores().dns().get_dns_response(query.as_str()) {
        Err(error) if error.is_not_found() => return Ok(Val::Null),
        response => response?,
    };
    eval.charge(response.ips.len().saturating_add(response.domains.len()))?;
    let texts = |texts: Vec<&'a str>| Val::list(texts.into_iter().map(Val::text));
    Ok(record(
        &["query", "ips", "domains"],
        [
            Val::built(response.query),
            texts(response.ips),
            texts(response.domains),
        ],
    ))
}

fn syscall_name<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::Int(id)] = args else {
        return Err(no_overload("syscall.getName", args));
    };
    eval.charge(QUESTION)?;
    match i32::try_from(*id) {
        Ok(id) => answer(
            eval.stores().syscalls().get_syscall_name(id).map(Val::text),
            Val::text(""),
        ),
        Err(_) => Ok(Val::text("")),
    }
}

fn syscall_id<'a>(eval: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
    let [Val::String(name)] = args else {
        return Err(no_overload("syscall.getId", args));
    };
    eval.charge(QUESTION)?;
    let found = eval.stores().syscalls().get_syscall_id(name.as_str());
    answer(found.map(|id| Val::Int(id.into())), Val::Int(-1))
}
