//! What the processes tell: one trace from the command line to the job, and metrics.

use crate::world::{Plans, SOON};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use tests::{otlp::Otlp, polling::until, ports};

#[tokio::test]
async fn one_trace_goes_from_the_command_line_through_the_controller_and_the_agent_to_the_job() {
    tests::client::install_tls();
    let collector = Otlp::start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let free = || ports::free(Ipv4Addr::LOCALHOST.into()).unwrap();
    let (controller, agent) = (free(), free());
    let section = |port: u16| {
        format!("telemetry: {{ otlp: \"{}\", metrics: \"127.0.0.1:{port}\" }}\n", collector.endpoint())
    };
    let world = Plans::new("telemetry")
        .script("one", "")
        .plan("small", "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n")
        .telemetry(&section(controller), &section(agent))
        .start()
        .await;
    let cli = world.cli.clone().env("LIFEBOAT_OTLP", &collector.endpoint());
    let answer = cli.run(&["run", "small"], SOON).await.unwrap().expect_code(0).unwrap();
    let wanted = BTreeSet::from(["lifeboat", "lifeboat-controller", "lifeboat-agent"]);
    let spans = collector
        .wait_for("one trace over three processes", SOON, |spans| {
            spans.iter().filter(|span| span.service == "lifeboat").any(|root| {
                let own = spans.iter().filter(|span| span.trace == root.trace);
                own.map(|span| span.service.as_str()).collect::<BTreeSet<_>>() == wanted
            })
        })
        .await
        .unwrap();
    let job = spans.iter().find(|span| span.service == "lifeboat-agent" && span.name == "job");
    let job = job.expect("a span of the job");
    assert_eq!(job.attributes["host"], "east-1");
    assert_eq!(job.attributes["step"], "one");
    assert_eq!(job.attributes["attempt"], "1");
    assert!(answer.stdout.contains("small"), "{}", answer.stdout);
    let root = spans.iter().find(|span| span.service == "lifeboat" && span.trace == job.trace);
    assert!(root.is_some(), "the job's trace begins at the command line");
    for (port, wanted) in [(controller, "lifeboat_runs_started_total"), (agent, "lifeboat_agent_jobs_total")]
    {
        until(wanted, SOON, async || {
            let url = format!("http://127.0.0.1:{port}/metrics");
            let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if text.contains(wanted) { Ok(()) } else { Err(text) }
        })
        .await
        .unwrap();
    }
}
