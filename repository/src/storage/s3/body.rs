//! Bodies of requests that are read from memory which the caller only lends.
//!
//! A pack lies in a buffer that is used again, and the client wants bodies that live as long as it likes.
//! A copy of each pack in flight would double their memory. So a body asks for its next few bytes, and
//! the thread that waits for the request's end copies just these. A request that is tried again reads
//! from the beginning, and several parts of one object may be read at once.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::task::{Context, Poll, ready};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// So much is copied at once. A body never has more than one such piece waiting.
const PIECE_BYTES: usize = 128 * 1024;

enum Event {
    Wanted { from: usize, to: usize, reply: oneshot::Sender<Bytes> },
    Over,
}

/// Makes bodies over the memory that is lent.
#[derive(Clone)]
pub(super) struct Lender(Sender<Event>);

impl Lender {
    /// A body of the bytes in this range.
    pub(super) fn body(&self, from: usize, to: usize) -> ByteStream {
        let events = self.0.clone();
        ByteStream::new(SdkBody::retryable(move || {
            SdkBody::from_body_1_x(Lent { events: events.clone(), from, to, pending: None })
        }))
    }
}

/// Runs a future on the runtime while this thread waits and feeds its bodies; `None` when the runtime
/// stopped.
pub(super) fn lend<T, F>(runtime: &Runtime, bytes: &[u8], future: impl FnOnce(Lender) -> F) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (events, inbox) = channel();
    let (sender, receiver) = sync_channel(1);
    let future = future(Lender(events.clone()));
    let over = Over(events);
    runtime.spawn(async move {
        // Also when the future panics or the runtime drops it: bodies may outlive it in the client.
        let _over = over;
        let _ = sender.send(future.await);
    });
    while let Ok(Event::Wanted { from, to, reply }) = inbox.recv() {
        // Without an answer the body fails; without a body the answer is not needed.
        if let Some(piece) = bytes.get(from..to.min(from.saturating_add(PIECE_BYTES))) {
            let _ = reply.send(Bytes::copy_from_slice(piece));
        }
    }
    receiver.try_recv().ok()
}

struct Over(Sender<Event>);

impl Drop for Over {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Over);
    }
}

struct Lent {
    events: Sender<Event>,
    from: usize,
    to: usize,
    pending: Option<oneshot::Receiver<Bytes>>,
}

impl Body for Lent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.from >= self.to {
            return Poll::Ready(None);
        }
        let (from, to) = (self.from, self.to);
        if self.pending.is_none() {
            let (reply, answer) = oneshot::channel();
            let _ = self.events.send(Event::Wanted { from, to, reply });
            self.pending = Some(answer);
        }
        let Some(pending) = &mut self.pending else { return Poll::Ready(None) };
        let answer = ready!(Pin::new(pending).poll(context));
        self.pending = None;
        Poll::Ready(Some(match answer {
            Ok(piece) if !piece.is_empty() => {
                self.from += piece.len();
                Ok(Frame::data(piece))
            }
            _ => Err(io::Error::other("what is sent is not there any more")),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.to.saturating_sub(self.from) as u64)
    }
}
