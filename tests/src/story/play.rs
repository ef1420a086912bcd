//! The story, chapter by chapter. What it claims it also checks: a wrong number is a failure, here and
//! in the test alike.

use std::time::Duration;

use super::{
    estate::{DATABASE, NAME, SOURCE},
    voice::Voice,
    world::World,
};
use crate::{
    Failure,
    client::{Client, Tally, lost},
    polling::until,
    programs::Answer,
};

/// How long the story may wait for any one thing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Writes that are acknowledged before the disaster, and after it.
const SOME_WRITES: usize = 20;

/// What the story came to.
#[derive(Debug)]
pub struct Ending {
    /// What the client saw.
    pub tally: Tally,
    /// Acknowledged writes that are gone. None: the standby is synchronous.
    pub lost: Vec<i64>,
    /// What the second person was shown before they approved the risk.
    pub approved: Answer,
    /// What the failover's command answered.
    pub failover: Answer,
    /// The whole story's length, the preparation of the servers apart.
    pub took: Duration,
}

/// Plays it.
///
/// # Errors
/// [`Failure`] at the first thing that is not as it should be.
pub async fn play(world: &mut World, voice: &Voice) -> Result<Ending, Failure> {
    regions(world, voice);
    controller(world, voice).await?;
    let client = traffic(world, voice).await?;
    backup(world, voice).await?;
    disaster(world, voice, &client).await?;
    let (approved, failover) = fail_over(world, voice, &client).await?;
    restore(world, voice).await?;
    let tally = client.finish().await?;
    let lost = lost(&tally, "customer", &world.standby, DATABASE).await?;
    let ending = Ending { tally, lost, approved, failover, took: voice.elapsed() };
    tell(&ending, voice)?;
    Ok(ending)
}

fn regions(world: &World, voice: &Voice) {
    let estate = &world.estate;
    voice.chapter("1. Two regions");
    for region in [&estate.east, &estate.west] {
        let role = if region.name == "east" { "primary" } else { "synchronous standby" };
        voice.say(&format!(
            "{}: host {}, app at {}\n      PostgreSQL ({role}) at {}",
            region.name,
            region.host(),
            region.app,
            region.database
        ));
    }
    voice.say(&format!("BIND at {} is authoritative for {NAME}", estate.dns));
}

async fn controller(world: &mut World, voice: &Voice) -> Result<(), Failure> {
    voice.chapter("2. A controller, two agents, one estate");
    world.controller.start().await?;
    let token = world.controller.admin_token().await?;
    let file = world.scratch.write_secret("admin-token", &token)?.display().to_string();
    let address = world.controller.address().to_string();
    voice.run(&world.cli, &["login", &address, "--token-file", &file]).await?;
    let folder = world.folder.display().to_string();
    voice.say("\nThe check warns of a first start: it cannot know that nothing was promoted.");
    voice.run(&world.cli, &["apply", &folder, "--yes"]).await?;
    voice.say("\nWhoever asks for a failover does not approve it: the second person logs in, too.");
    voice.say("$ lifeboat token create --user second   (its output is what they log in with)");
    let made = world.cli.run(&["token", "create", "--user", "second"], PATIENCE).await?.expect_code(0)?;
    let file = world.scratch.write_secret("second-token", made.stdout.trim())?.display().to_string();
    voice.run(&world.second, &["login", &address, "--user", "second", "--token-file", &file]).await?;
    for agent in [&mut world.east, &mut world.west] {
        let host = agent.host().to_owned();
        voice.say(&format!("\n$ lifeboat token create --host {host}   (its output enrols the agent)"));
        let made = world.cli.run(&["token", "create", "--host", &host], PATIENCE).await?.expect_code(0)?;
        agent.enrol(&world.scratch, made.stdout.trim()).await?;
        agent.start()?;
    }
    connected(world).await
}

/// Both hosts are up.
async fn connected(world: &World) -> Result<(), Failure> {
    until("two connected agents", PATIENCE, || async {
        let answer = world.cli.run(&["status", "--output", "json"], PATIENCE).await;
        let status = answer.and_then(|answer| answer.json()).map_err(|failure| failure.chain())?;
        let up = status["hosts"]
            .as_array()
            .map_or(0, |hosts| hosts.iter().filter(|host| host["is"] == "up").count());
        if up == 2 { Ok(()) } else { Err(status["hosts"].to_string()) }
    })
    .await
}

async fn traffic(world: &World, voice: &Voice) -> Result<Client, Failure> {
    voice.say("\nThe agents start the servers, as they would after a boot:");
    voice.run(&world.cli, &["run", "bring-up", "--yes"]).await?;
    let client = world.client()?;
    client.wait_for_writes(SOME_WRITES, PATIENCE).await?;
    voice.say(&format!("\nA client resolves {NAME} and writes ten times a second."));
    green(world).await?;
    voice.run(&world.cli, &["status"]).await?;
    Ok(client)
}

/// Nothing is red.
async fn green(world: &World) -> Result<(), Failure> {
    until("a green status", PATIENCE, || async {
        let answer = world.cli.run(&["status", "--output", "json"], PATIENCE).await;
        let status = answer.and_then(|answer| answer.json()).map_err(|failure| failure.chain())?;
        if status["green"] == true { Ok(()) } else { Err(status.to_string()) }
    })
    .await
}

async fn backup(world: &World, voice: &Voice) -> Result<(), Failure> {
    voice.chapter("3. A backup, and its proof");
    voice.run(&world.cli, &["backup", SOURCE, "--to", "local"]).await?;
    voice.run(&world.cli, &["prove", SOURCE, "--from", "local"]).await?;
    voice.run(&world.cli, &["points", SOURCE]).await?;
    voice.run(&world.cli, &["status"]).await?;
    Ok(())
}

async fn disaster(world: &mut World, voice: &Voice, client: &Client) -> Result<(), Failure> {
    let before = client.tally().acknowledged.len();
    voice.chapter("4. East dies");
    voice.say(&format!("{before} writes were acknowledged. SIGKILL to east's agent, database and app."));
    world.east.kill_host();
    Ok(())
}

async fn fail_over(world: &World, voice: &Voice, client: &Client) -> Result<(Answer, Answer), Failure> {
    voice.chapter("5. The failover");
    voice.run(&world.cli, &["run", "region-failover", "--detach"]).await?;
    let run = waiting(world).await?;
    voice.say("\nThe second person reads what is risked, and says yes:");
    let approved = voice.run(&world.second, &["approve", &run, "--yes"]).await?;
    let answer = voice.run(&world.cli, &["watch", &run]).await?;
    let west = match world.estate.west.app.ip() {
        std::net::IpAddr::V4(address) => address,
        std::net::IpAddr::V6(_) => return Err(Failure::Unexpected("west has no IPv4 address".to_owned())),
    };
    client.wait_for_address(west, PATIENCE).await?;
    client.wait_for_writes(SOME_WRITES, PATIENCE).await?;
    told(world, "monitoring").await?;
    Ok((approved, answer))
}

/// The run waits for a person. Gives its id.
async fn waiting(world: &World) -> Result<String, Failure> {
    until("a run that waits for a person", PATIENCE, async || {
        let answer = world.second.run(&["runs", "list", "--open", "--output", "json"], PATIENCE).await;
        let runs = answer.and_then(|answer| answer.json()).map_err(|failure| failure.chain())?;
        match (runs[0]["status"].as_str(), runs[0]["run"].as_str()) {
            (Some("waiting"), Some(id)) => Ok(id.to_owned()),
            _ => Err(runs.to_string()),
        }
    })
    .await
}

/// The webhook heard of it.
async fn told(world: &World, state: &str) -> Result<(), Failure> {
    until("a message at the webhook", PATIENCE, || async {
        let posts = world.webhook.posts();
        match posts.iter().any(|post| post.body["state"] == state) {
            true => Ok(()),
            false => Err(format!("{} messages", posts.len())),
        }
    })
    .await
}

async fn restore(world: &World, voice: &Voice) -> Result<(), Failure> {
    voice.chapter("6. The last backup, beside the live database");
    voice.run(&world.cli, &["restore", SOURCE, "--from", "local", "--on", "west-1"]).await?;
    let copies = "select count(*)::text from pg_database where datname like 'app_db_restored_%'";
    let copies = world.standby.text(copies).await?;
    if copies != "1" {
        return Err(Failure::Unexpected(format!("{copies} restored copies, not one")));
    }
    Ok(())
}

fn tell(ending: &Ending, voice: &Voice) -> Result<(), Failure> {
    let Ending { tally, lost, took, .. } = ending;
    voice.chapter("The end");
    voice.say(&format!("writes acknowledged to the client   {:>8}", tally.acknowledged.len()));
    for (address, count) in &tally.by_address {
        voice.say(&format!("  through {address:<24}{count:>10}"));
    }
    voice.say(&format!("longest time without a write        {:>8.1} s", tally.longest_gap.as_secs_f64()));
    voice.say(&format!("acknowledged writes lost            {:>8}", lost.len()));
    voice.say(&format!("the story took                      {:>8.1} s", took.as_secs_f64()));
    match lost.is_empty() {
        true => Ok(()),
        false => Err(Failure::Unexpected(format!("acknowledged writes are lost: {lost:?}"))),
    }
}
