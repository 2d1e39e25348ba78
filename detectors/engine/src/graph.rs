//! Who consumes whose events.

/// Detectors by position, each with the positions of those whose events it consumes.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) producers: Vec<Vec<usize>>,
}

impl Graph {
    /// A way from `start` over its producers back to itself, in the order of the events' flow.
    pub(crate) fn cycle(&self, start: usize) -> Option<Vec<usize>> {
        let mut from: Vec<Option<usize>> = vec![None; self.producers.len()];
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(consumer) = queue.pop_front() {
            for producer in &self.producers[consumer] {
                if *producer == start {
                    // From the last detector found, which consumes `start`, to `start` again.
                    let mut path = vec![start];
                    let mut at = consumer;
                    while at != start {
                        path.push(at);
                        at = from[at]?;
                    }
                    path.push(start);
                    return Some(path);
                }
                if from[*producer].is_none() {
                    from[*producer] = Some(consumer);
                    queue.push_back(*producer);
                }
            }
        }
        None
    }

    /// How many detectors lie between recorded events and the output of each, itself included. There must be no cycle.
    pub(crate) fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![1; self.producers.len()];
        // Without cycles the longest chain has as many detectors as there are.
        for _ in 0..self.producers.len() {
            for (consumer, producers) in self.producers.iter().enumerate() {
                let rank = producers.iter().map(|producer| ranks[*producer] + 1).max();
                ranks[consumer] = rank.unwrap_or(1);
            }
        }
        ranks
    }

    /// The longest chain that ends at `end`, in the order of the events' flow; of equally long ones, that over the first
    /// producers. There must be no cycle.
    pub(crate) fn longest(&self, end: usize) -> Vec<usize> {
        let ranks = self.ranks();
        let mut path = vec![end];
        let mut at = end;
        while let Some(producer) = self.producers[at]
            .iter()
            .copied()
            .find(|producer| ranks[*producer] + 1 == ranks[at])
        {
            path.push(producer);
            at = producer;
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_named_in_the_order_of_the_flow() {
        // 0 consumes 1, 1 consumes 2, 2 consumes 0; 3 consumes 0.
        let graph = Graph {
            producers: vec![vec![1], vec![2], vec![0], vec![0]],
        };
        assert_eq!(graph.cycle(0), Some(vec![0, 2, 1, 0]));
        assert_eq!(graph.cycle(3), None);
        let own = Graph {
            producers: vec![vec![0]],
        };
        assert_eq!(own.cycle(0), Some(vec![0, 0]));
    }

    #[test]
    fn ranks_count_the_longest_chain() {
        let graph = Graph {
            producers: vec![vec![1, 2], vec![2], vec![]],
        };
        assert_eq!(graph.ranks(), [3, 2, 1]);
        assert_eq!(graph.longest(0), [2, 1, 0]);
        assert_eq!(graph.longest(2), [2]);
    }
}
