//! A fenced old primary becomes a standby of the new one.
//!
//! What must never happen: that data is taken away which may be the only right one. So it is looked, in this
//! order, whether the server is closed (masked by a fence, or leased and without a permit), whether exactly one
//! other member takes writes, whether it is the same cluster, and whether it writes on a newer timeline than this
//! data: only a promotion makes one. Then the server is masked, seen gone as by a fence, and stays so until its
//! data is a standby's. How far it came stands in a book (`book.rs`) before each thing that is done, and whoever
//! comes again goes on from there: a rewind that was cut short leaves data that only a copy can replace, a swap
//! that was cut short is ended. What is given up stays beside: the whole old data after a copy, the files of the
//! log beyond the fork after a rewind.

mod book;
mod follow;
mod own;
mod parted;
mod ways;

use super::control::{self, Control};
use super::owner::Owner;
use super::peers::{self, Seen};
use super::{fence, wal};
use crate::jobs::{Context, End, Preview, Probe};
use crate::services;
use crate::services::leased::{self, Leased};
use book::{Book, Phase};
use model::jobs::{Peer, Rejoin, RejoinOutput, ServiceState, Way};
use model::nouns::{Manager, PostgresSpec, ServiceSpec};
use model::{Name, Outcome, Problem};
use sqlx::postgres::PgConnection;
use std::path::Path;
use std::time::Instant;

/// The member that comes back.
pub struct Member<'a> {
    source: &'a Name,
    spec: &'a PostgresSpec,
    server: &'a ServiceSpec,
    data: &'a Path,
    /// Its name among the standbys.
    name: String,
}

/// Where its log and the primary's parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parted {
    at: Option<u64>,
    /// Where its own log ends.
    end: Option<u64>,
}

impl Parted {
    fn bytes(&self) -> Option<u64> {
        Some(self.end?.saturating_sub(self.at?))
    }
}

/// The primary, and two sessions with it: one to ask, one that keeps its log.
struct Upstream {
    peer: Peer,
    seen: Seen,
    there: PostgresSpec,
    session: PgConnection,
    _reserved: Option<PgConnection>,
}

/// Does it.
pub async fn rejoin(work: &Rejoin, spec: &PostgresSpec, context: &Context) -> Result<RejoinOutput, End> {
    let begun = Instant::now();
    let member = member(work, spec, context)?;
    let mut upstream = context.unless_cancelled(upstream(work, spec, context)).await??;
    if let Some(output) = context.unless_cancelled(already(&member, &mut upstream, begun)).await? {
        return Ok(output);
    }
    let open =
        Book::read(context, member.source).and_then(|book| gone_on_with(book, &member, &upstream.peer));
    closed(&member, open.as_ref(), context).await?;
    context.may_act()?;
    match come_back(work, &member, &mut upstream, open, context, begun).await {
        Err(End::Cancelled) => Err(End::Unknown(cut_short(&member))),
        other => other,
    }
}

/// What is gone on with of an earlier try: only what has touched the data.
fn gone_on_with(book: Book, member: &Member<'_>, peer: &Peer) -> Option<Book> {
    let same = book.follows == peer.host;
    let phase = match book.phase {
        Phase::Begun | Phase::Done => return None,
        // Somebody made something else of it since.
        Phase::Placed(_) if !member.data.join("standby.signal").exists() => return None,
        // It was to follow another one, which may have another history.
        Phase::Placed(_) if !same => Phase::Rewinding,
        phase => phase,
    };
    Some(Book { phase, follows: peer.host.clone(), ..book })
}

async fn come_back(
    work: &Rejoin,
    member: &Member<'_>,
    upstream: &mut Upstream,
    open: Option<Book>,
    context: &Context,
    begun: Instant,
) -> Result<RejoinOutput, End> {
    let mut book = match open {
        Some(book) => book,
        None => begin(work, member, upstream, context).await?,
    };
    book.work.clone_from(&context.marker);
    let data =
        if member.data.exists() { member.data.to_path_buf() } else { follow::beside(member.data, "rejoin") };
    let owner = Owner::of(&data)?;
    loop {
        place(member, upstream, &mut book, &owner, context).await?;
        context.phase("follow");
        follow::settings(member, &upstream.peer, &owner)?;
        runtime::crash::point_of("rejoin-placed", member.source);
        let there = upstream.there.clone();
        let streaming = match follow::start(member, context).await {
            Ok(()) => follow::until_it_streams(member, &mut upstream.session, &there, context).await?,
            Err(End::Failed(problem)) => Err(problem),
            Err(end) => return Err(end),
        };
        match (streaming, book.phase) {
            (Ok(()), Phase::Placed(way)) => {
                let output = output(&book, way, upstream, begun);
                book.output = Some(output.clone());
                book.turn(Phase::Done, context, member.source)?;
                let aside = book::folder(&context.state_dir, member.source).join("own");
                own::remove(&aside).map_err(|error| ways::unmade(&aside, &error))?;
                return Ok(output);
            }
            // The primary has no more of its log than what came after, or the rewind left something behind.
            (Err(problem), Phase::Placed(Way::Rewound)) => {
                context.say(format!("{problem}: it gets a new copy"));
                shut(member, context).await?;
                book.turn(Phase::Rewinding, context, member.source)?;
            }
            (Err(problem), _) => return Err(End::Failed(problem)),
            (Ok(()), _) => return Err(End::Unknown(cut_short(member))),
        }
    }
}

/// Makes the data a standby's, by the first way that works.
async fn place(
    member: &Member<'_>,
    upstream: &mut Upstream,
    book: &mut Book,
    owner: &Owner,
    context: &Context,
) -> Result<(), End> {
    if matches!(book.phase, Phase::Placed(_)) {
        return Ok(());
    }
    let there = upstream.there.clone();
    if book.phase == Phase::Begun {
        let control = control::read(member.spec, member.data, context).await?;
        let parted = measure(member, upstream, &control, owner, context).await?;
        book.diverged_bytes = parted.bytes();
        if ways::can_rewind(member, &control, &parted, false) {
            keep_log(member, book, &control, &parted, owner, context)?;
            match ways::rewind(member, (&mut upstream.session, &there), book, owner, context).await {
                Ok(()) => return Ok(()),
                Err(End::Failed(problem)) => context.say(format!("{problem}: it gets a new copy")),
                Err(end) => return Err(end),
            }
        }
    }
    ways::copy(member, &upstream.peer, (&mut upstream.session, &there), book, owner, context).await
}

/// Masks the server, looks that nobody of it is left, and opens the book.
async fn begin(
    work: &Rejoin,
    member: &Member<'_>,
    upstream: &Upstream,
    context: &Context,
) -> Result<Book, End> {
    context.phase("mask");
    shut(member, context).await?;
    let control = control::read(member.spec, member.data, context).await?;
    same_cluster(member, &control, &upstream.seen)?;
    let aside = book::folder(&context.state_dir, member.source).join("own");
    own::set_aside(member.data, &aside).map_err(|error| ways::unmade(&aside, &error))?;
    let book = Book {
        work: context.marker.clone(),
        follows: upstream.peer.host.clone(),
        phase: Phase::Begun,
        diverged_bytes: None,
        kept: None,
        keep_until: (context.now)().after(work.keep_old),
        output: None,
    };
    book.write(context, member.source)?;
    Ok(book)
}

/// Masked, stopped, and nobody of it left.
async fn shut(member: &Member<'_>, context: &Context) -> Result<(), End> {
    let manager = services::open(member.server, &context.state_dir)?;
    let shutting = async {
        manager.mask().await?;
        manager.stop().await?;
        fence::gone(member.spec, member.server, manager.as_ref(), member.data).await
    };
    context.unless_cancelled(shutting).await?.map(|_| ()).map_err(End::Failed)
}

/// The same cluster, and a primary that was promoted after this one had its say.
fn same_cluster(member: &Member<'_>, control: &Control, seen: &Seen) -> Result<(), End> {
    if control.system != seen.system {
        return Err(End::Refused(Problem::new(
            "LB2374",
            format!("{} is another cluster than that of {}", member.data.display(), seen.host),
            "See `data` of the source in the agent's policy, and where the estate says that the other member is. Nothing was changed.",
        )));
    }
    if seen.timeline <= control.timeline {
        return Err(End::Refused(Problem::new(
            "LB2372",
            format!(
                "{} takes writes on timeline {}, and the data of this member is on timeline {}: it was not promoted after this one",
                seen.host, seen.timeline, control.timeline
            ),
            "This member's data may be the newer one, so it is not replaced. Find out who is the right primary, and fence the other.",
        )));
    }
    Ok(())
}

async fn measure(
    member: &Member<'_>,
    upstream: &mut Upstream,
    control: &Control,
    owner: &Owner,
    context: &Context,
) -> Result<Parted, End> {
    let (seen, there) = (upstream.seen.clone(), upstream.there.clone());
    let asking = parted::parted_at(&mut upstream.session, &there, &seen, control, member.data);
    let at = context.unless_cancelled(asking).await?;
    let end = wal::end_of_log(member.spec, owner, control, member.data, context).await?;
    Ok(Parted { at, end })
}

/// What a rewind takes away of the log stays beside.
fn keep_log(
    member: &Member<'_>,
    book: &mut Book,
    control: &Control,
    parted: &Parted,
    owner: &Owner,
    context: &Context,
) -> Result<(), End> {
    let (Some(fork), Some(1..)) = (parted.at, parted.bytes()) else { return Ok(()) };
    let moment = (context.now)().timestamp().strftime("%Y%m%d%H%M%S").to_string();
    let into = ways::kept_log(member.data, &moment);
    parted::keep_log(member.data, &into, owner, control.timeline, fork, control.segment_bytes)
        .map_err(|error| ways::unmade(&into, &error))?;
    book.kept = Some(into);
    book.write(context, member.source)?;
    Ok(())
}

/// Refuses a server that runs, or that nobody closed.
async fn closed(member: &Member<'_>, open: Option<&Book>, context: &Context) -> Result<(), End> {
    let manager = services::open(member.server, &context.state_dir)?;
    let status = context.unless_cancelled(manager.status()).await??;
    // Data that is a standby's already may run.
    let standby = open.is_some_and(|book| matches!(book.phase, Phase::Placed(_)));
    if status.state == ServiceState::Running && !standby {
        return Err(End::Refused(not_closed(member, "it runs")));
    }
    let leased = Leased::read(&member.server.name, &context.state_dir)?;
    if status.masked || open.is_some() || leased.is_some_and(|leased| !leased.is_open()) {
        return Ok(());
    }
    Err(End::Refused(not_closed(member, "anybody may start it")))
}

fn not_closed(member: &Member<'_>, why: &str) -> Problem {
    Problem::new(
        "LB2370",
        format!("the server of {} on this host is not fenced: {why}", member.source),
        "Its data may be the primary's. Fence it first (`fence` in a plan), then rejoin it. Nothing was changed.",
    )
}

/// It runs and follows: somebody did it before.
async fn already(member: &Member<'_>, upstream: &mut Upstream, begun: Instant) -> Option<RejoinOutput> {
    let follows = follow::follows_already(member, &mut upstream.session, &upstream.peer).await;
    follows.then(|| RejoinOutput {
        way: Way::Already,
        follows: upstream.peer.host.clone(),
        timeline: upstream.seen.timeline,
        diverged_bytes: None,
        kept: None,
        keep_until: None,
        took_ms: ms(begun),
    })
}

fn output(book: &Book, way: Way, upstream: &Upstream, begun: Instant) -> RejoinOutput {
    RejoinOutput {
        way,
        follows: upstream.peer.host.clone(),
        timeline: upstream.seen.timeline,
        diverged_bytes: book.diverged_bytes,
        kept: book.kept.clone(),
        keep_until: book.kept.is_some().then_some(book.keep_until),
        took_ms: ms(begun),
    }
}

fn ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn upstream(work: &Rejoin, spec: &PostgresSpec, context: &Context) -> Result<Upstream, End> {
    let (peer, session, seen) = peers::primary(spec, &work.others).await?;
    let there = peers::reached(spec, &peer);
    let digest = model::Digest::of(&context.marker).map(|digest| digest.to_string()).unwrap_or_default();
    let digits: String = digest.chars().filter(char::is_ascii_hexdigit).collect();
    let reserved = parted::reserve(&there, &digits).await;
    Ok(Upstream { peer, seen, there, session, _reserved: reserved })
}

/// The member with its data folder, which only the policy of its host names.
fn member<'a>(work: &'a Rejoin, spec: &'a PostgresSpec, context: &'a Context) -> Result<Member<'a>, Problem> {
    let wrong = |why: String, advice: &str| Err(Problem::new("LB2373", why, advice));
    let server = spec.server.as_ref();
    let Some(server) = server.filter(|server| !matches!(server.manager, Manager::Container { .. })) else {
        return wrong(
            format!("{} on this host is no server of a systemd unit or a process", work.source.name),
            "Name its service as `server` of the source; what runs in a container is rebuilt by hand.",
        );
    };
    let Some(data) = context.policy.data_folder(&work.source) else {
        return wrong(
            format!("the policy of this host names no data folder of {}", work.source.name),
            "Let root add `data: FOLDER` to the source in the policy.",
        );
    };
    if leased::data_folder(server).is_some_and(|named| named != data) {
        return wrong(
            format!("service {} works in another folder than {}", server.name, data.display()),
            "Mend `data` of the source in the policy, or -D in the service's argv.",
        );
    }
    Ok(Member { source: &work.source.name, spec, server, data, name: work.name.clone() })
}

fn cut_short(member: &Member<'_>) -> Problem {
    Problem::new(
        "LB2378",
        format!("the way back of {} was cut short", member.source),
        "Its server stays masked until its data is a standby's. Repeat it: it goes on where it was.",
    )
}

/// Was it done? It runs, follows the primary, and this work said so.
pub async fn probe(work: &Rejoin, spec: &PostgresSpec, context: &Context) -> Probe {
    let looked = async {
        let begun = Instant::now();
        let member = member(work, spec, context)?;
        let mut upstream = match upstream(work, spec, context).await {
            Err(End::Failed(problem) | End::Refused(problem) | End::Unknown(problem)) => return Err(problem),
            Err(End::Cancelled) => return Err(cut_short(&member)),
            Ok(upstream) => upstream,
        };
        let Some(already) = already(&member, &mut upstream, begun).await else { return Ok(None) };
        let book = Book::read(context, member.source).filter(|book| book.work == context.marker);
        let told = book.as_ref().and_then(|book| match book.phase {
            Phase::Placed(way) => Some(output(book, way, &upstream, begun)),
            _ => book.output.clone(),
        });
        Ok::<_, Problem>(Some(told.unwrap_or(already)))
    };
    match looked.await {
        Ok(Some(output)) => Probe::Done(Outcome::success(&output)),
        Ok(None) => Probe::NotDone,
        Err(problem) => Probe::CannotTell(problem),
    }
}

/// Could it be done?
pub async fn would_you(work: &Rejoin, spec: &PostgresSpec, context: &Context) -> Result<Preview, End> {
    let member = member(work, spec, context)?;
    let owner = Owner::of(member.data)?;
    for name in ["pg_controldata", "pg_basebackup"] {
        crate::jobs::child::find(name, spec.programs.as_deref())?;
    }
    let control = control::read(spec, member.data, context).await?;
    let way = match control.can_rewind {
        true => "wind its data back, or copy it anew where that fails",
        false => "copy it anew (no data checksums, no wal_log_hints: its data cannot be wound back)",
    };
    let mut would = vec![format!("rebuild {} as {:?}: {way}", member.data.display(), owner)];
    let asked = work.others.iter().map(async |peer| match peers::ask(spec, peer).await {
        Ok((_, seen)) => seen.to_string(),
        Err(problem) => format!("{} does not answer now: {problem}", peer.host),
    });
    would.extend(context.unless_cancelled(futures::future::join_all(asked)).await?);
    Ok(Preview { would })
}
