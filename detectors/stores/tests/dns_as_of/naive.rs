//! What the DNS store should say, computed without history: a list of records is kept for every moment, and what is forgotten
//! is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

/// A response: question, answers (name, type, value, seconds).
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) time: i64,
    pub(crate) question: String,
    pub(crate) answers: Vec<(String, String, String, u32)>,
}

/// A record that was seen: it holds during each of `times`.
#[derive(Clone, Debug)]
struct Record {
    from: String,
    record_type: String,
    to: String,
    times: Vec<(i64, i64)>,
}

/// What is known after some events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naive {
    records: Vec<Record>,
    /// Where a record is.
    places: BTreeMap<(String, String, String), usize>,
    /// When a name was last asked for.
    asked: BTreeMap<String, i64>,
    /// How a name was first written, and until when anything is known of it.
    texts: BTreeMap<String, (String, i64)>,
    horizon: Option<i64>,
}

/// Domains and addresses.
pub(crate) type Answer = (Vec<String>, Vec<String>);

/// The address behind a reverse name in lower case.
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let labels: Vec<_> = octets.rsplit('.').collect();
        return labels.join(".").parse().ok().map(IpAddr::V4);
    }
    let nibbles: Vec<_> = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    let whole = nibbles.len() == 32 && nibbles.iter().all(|nibble| nibble.len() == 1);
    let groups: Vec<_> = nibbles.chunks(4).map(|group| group.join("")).collect();
    let address: Ipv6Addr = groups.join(":").parse().ok()?;
    whole.then_some(address.into())
}

/// What is meant by a name: an address in brackets, or the name in lower case.
fn key_of_name(name: &str) -> String {
    let lower = name.trim_end_matches('.').to_lowercase();
    match reversed(&lower) {
        Some(address) => format!("[{}]", address.to_canonical()),
        None => lower,
    }
}

fn key_of_query(query: &str) -> String {
    match query.parse::<IpAddr>() {
        Ok(address) => format!("[{}]", address.to_canonical()),
        Err(_) => key_of_name(query),
    }
}

fn is_address(key: &str) -> bool {
    key.starts_with('[')
}

impl Naive {
    pub(crate) fn apply(&mut self, response: &Response) {
        let horizon = self.horizon.unwrap_or(i64::MIN);
        let end = |ttl: u32| response.time + i64::from(ttl) * 1_000_000_000;
        let leads = |answer: &&(String, String, String, u32)| {
            let types = ["A", "AAAA", "CNAME", "PTR", "MX", "SRV"];
            types.contains(&answer.1.as_str()) && !answer.2.is_empty()
        };
        let answers: Vec<_> = response.answers.iter().filter(leads).collect();
        let last = answers.iter().map(|answer| end(answer.3)).max();
        let last = last.unwrap_or(response.time);
        if last < horizon {
            return;
        }
        let asked = self.mention(&response.question, last);
        let before = self.asked.entry(asked.clone()).or_insert(response.time);
        *before = response.time.max(*before);
        for (name, record_type, value, ttl) in answers {
            let end = end(*ttl);
            if end < horizon {
                continue;
            }
            let from = self.mention(name, end);
            let to = match value.parse::<IpAddr>() {
                Ok(_) if record_type.starts_with('A') => key_of_query(value),
                _ => self.mention(value, end),
            };
            let place = (from.clone(), record_type.clone(), to.clone());
            let place = *self.places.entry(place).or_insert_with(|| {
                self.records.push(Record {
                    from,
                    record_type: record_type.clone(),
                    to,
                    times: Vec::new(),
                });
                self.records.len() - 1
            });
            self.records[place].times.push((response.time, end));
        }
        if self.asked.get(&asked).is_some_and(|time| *time < horizon) {
            self.asked.remove(&asked);
        }
    }

    fn mention(&mut self, name: &str, end: i64) -> String {
        let key = key_of_name(name);
        let text = (name.trim_end_matches('.').to_owned(), end);
        let (_, until) = self.texts.entry(key.clone()).or_insert(text);
        *until = end.max(*until);
        key
    }

    /// Deletes what ended before `horizon`.
    pub(crate) fn forget(&mut self, horizon: i64) {
        self.horizon = Some(horizon);
        for record in &mut self.records {
            record.times.retain(|(_, end)| *end >= horizon);
        }
        self.records.retain(|record| !record.times.is_empty());
        let records = self.records.iter().enumerate();
        self.places = records
            .map(|(place, record)| {
                let Record {
                    from,
                    record_type,
                    to,
                    ..
                } = record.clone();
                ((from, record_type, to), place)
            })
            .collect();
        self.asked.retain(|_, time| *time >= horizon);
        self.texts.retain(|_, (_, until)| *until >= horizon);
    }

    /// What holds at `now`.
    pub(crate) fn at(&self, now: i64) -> Moment<'_> {
        let mut moment = Moment {
            naive: self,
            out: BTreeMap::new(),
            back: BTreeMap::new(),
        };
        let known = self.horizon.is_none_or(|horizon| now >= horizon);
        for record in self.records.iter().filter(|_| known) {
            if record
                .times
                .iter()
                .any(|(start, end)| (*start..=*end).contains(&now))
            {
                moment.out.entry(&record.from).or_default().push(record);
                moment.back.entry(&record.to).or_default().push(record);
            }
        }
        moment
    }
}

/// The records that hold at some moment, by both ends.
pub(crate) struct Moment<'a> {
    naive: &'a Naive,
    out: BTreeMap<&'a str, Vec<&'a Record>>,
    back: BTreeMap<&'a str, Vec<&'a Record>>,
}

impl<'a> Moment<'a> {
    pub(crate) fn answer(&self, query: &str) -> Option<Answer> {
        let start = key_of_query(query);
        let linked = self.out.contains_key(start.as_str()) || self.back.contains_key(start.as_str());
        if !linked && !self.naive.asked.contains_key(&start) {
            return None;
        }
        let mut seen = BTreeSet::from([start.clone()]);
        let mut after = Vec::new();
        self.forward(&start, &mut seen, &mut after);
        let mut before = Vec::new();
        self.backward(&start, true, &mut seen, &mut before);
        before.reverse();
        let all: Vec<_> = before.into_iter().chain([start]).chain(after).collect();
        let (ips, names): (Vec<_>, Vec<_>) = all.into_iter().partition(|key| is_address(key));
        let text = |name: String| self.naive.texts[&name].0.clone();
        let bare = |key: String| key.trim_matches(['[', ']']).to_owned();
        Some((
            names.into_iter().map(text).collect(),
            ips.into_iter().map(bare).collect(),
        ))
    }

    fn forward(&self, key: &str, seen: &mut BTreeSet<String>, found: &mut Vec<String>) {
        for record in self.out.get(key).into_iter().flatten() {
            if seen.insert(record.to.clone()) {
                found.push(record.to.clone());
                if record.record_type != "PTR" && !is_address(&record.to) {
                    self.forward(&record.to, seen, found);
                }
            }
        }
    }

    fn backward(&self, key: &str, first: bool, seen: &mut BTreeSet<String>, found: &mut Vec<String>) {
        for record in self.back.get(key).into_iter().flatten() {
            if record.record_type == "PTR" && !first {
                continue;
            }
            if seen.insert(record.from.clone()) {
                found.push(record.from.clone());
                if !is_address(&record.from) {
                    self.backward(&record.from, false, seen, found);
                }
            }
        }
    }
}
