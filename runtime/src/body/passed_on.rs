//! A body that goes on to another service as it comes, held to the limits that it would meet there.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{BODY_TIMEOUT, MAX_BODY_BYTES, is_small, too_slow, unreadable};
use crate::problem::Problem;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Why a body ended before it was whole; empty until it does.
#[derive(Clone, Debug, Default)]
pub struct Broken(Arc<OnceLock<Problem>>);

impl Broken {
    /// The answer to its sender. What the body was part of was not carried out: nobody got all of it.
    pub fn problem(&self) -> Option<Problem> {
        self.0.get().cloned()
    }
}

/// The body, whole when it is small: then it leaves in one write with its head. A larger one goes on as it comes, and breaks off when
/// it is too large or too slow: a sender must not hold two connections for the price of one.
pub async fn passed_on(body: Body) -> Result<(Body, Broken), Problem> {
    let broken = Broken::default();
    if body.is_end_stream() {
        return Ok((body, broken));
    }
    if is_small(&body) {
        return Ok((super::collect(body, BODY_TIMEOUT).await?.into(), broken));
    }
    let body = Limited::new(body, MAX_BODY_BYTES);
    let within = Within { body, until: Box::pin(sleep(BODY_TIMEOUT)), broken: broken.clone() };
    Ok((Body::new(within), broken))
}

struct Within {
    body: Limited<Body>,
    until: Pin<Box<Sleep>>,
    broken: Broken,
}

impl Within {
    fn break_off(&self, problem: Problem, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let _is_first = self.broken.0.set(problem);
        Poll::Ready(Some(Err(fault)))
    }
}

impl HttpBody for Within {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Err(fault))) => self.break_off(unreadable(fault.as_ref()), fault),
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending if self.until.as_mut().poll(cx).is_ready() => {
                self.break_off(too_slow(BODY_TIMEOUT), io::Error::from(io::ErrorKind::TimedOut).into())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;

    use super::*;

    async fn ends(body: Body) -> (Option<usize>, Option<&'static str>) {
        let (body, broken) = match passed_on(body).await {
            Ok(passed_on) => passed_on,
            Err(problem) => return (None, Some(problem.code())),
        };
        let length = body.collect().await.ok().map(|body| body.to_bytes().len());
        (length, broken.problem().map(|problem| problem.code()))
    }

    #[tokio::test]
    async fn a_body_within_the_limits_comes_as_it_is() {
        assert_eq!(ends(Body::from("{}")).await, (Some(2), None));
        assert_eq!(ends(Body::from(vec![b'x'; MAX_BODY_BYTES])).await, (Some(MAX_BODY_BYTES), None));
        let (whole, _) = passed_on(Body::from("{}")).await.unwrap();
        assert_eq!(whole.size_hint().exact(), Some(2));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_breaks_off() {
        let endless = stream::repeat(Bytes::from_static(b"x")).map(Ok::<_, Infallible>);
        assert_eq!(ends(Body::from_stream(endless)).await, (None, Some("payload_too_large")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_breaks_off() {
        let trickling = stream::unfold((), async |()| {
            sleep(std::time::Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        });
        assert_eq!(ends(Body::from_stream(trickling)).await, (None, Some("body_timeout")));
    }
}
