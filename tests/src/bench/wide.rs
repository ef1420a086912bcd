//! One run of 200 steps on 50 hosts, ten deep: its whole time is overhead.

use super::bed::{Bed, host, no_op};
use super::{Extent, median};
use crate::Failure;
use serde_json::{Value, json};

const HOSTS: usize = 50;
const DEPTH: usize = 10;
const WIDTH: usize = 20;

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let hosts = extent.of(HOSTS);
    let name = |layer: usize, at: usize| format!("s{layer}-{at}");
    let mut text = String::new();
    for layer in 0..DEPTH {
        for at in 0..WIDTH {
            let after: Vec<String> =
                layer.checked_sub(1).map(|before| name(before, at)).into_iter().collect();
            text.push_str(&no_op(&name(layer, at), &after, &host((layer * WIDTH + at) % hosts)));
        }
    }
    let bed = Bed::set(hosts, &[("wide".to_owned(), text)]).await?;
    let mut took = Vec::new();
    for _ in 0..extent.rounds {
        let runs = bed.start(&["wide".to_owned()]).await?;
        let times = bed.times(&runs).await?;
        took.extend(times.iter().map(|times| (times.ended - times.requested) as f64 / 1e3));
    }
    Ok(json!({
        "steps": DEPTH * WIDTH,
        "hosts": hosts,
        "depth": DEPTH,
        "overhead_ms": median(took.clone()),
        "rounds": took,
    }))
}
