//! The agents' side: report in, orders out.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use cluster::api::{ApiError, ErrorCode, HostOrders, HostReport};
use cluster::orders::orders;
use cluster::state::State as DesiredState;
use tokio::sync::watch;

use super::{App, Failure, parse};

/// How long a report is parked while there is nothing new to answer.
const PARK: Duration = Duration::from_millis(100);
/// The same while a choice among replicas waits for their next answers: for so long at most is it hurried.
const PARK_HURRIED: Duration = Duration::from_millis(10);
const HURRY_MS: u64 = 1000;
const HOST_BYTES_MAX: usize = 64;

pub(super) async fn sync(
    State(app): State<App>,
    Path(host): Path<String>,
    body: Bytes,
) -> Result<Json<HostOrders>, Failure> {
    let report: HostReport = parse(&body)?;
    if report.host != host || !is_host_name(&host) {
        let text = format!("{host:?} is not the name of the reporting host");
        return Err(ApiError::new(ErrorCode::Invalid, text)
            .hint("1 to 64 of a-z, 0-9, '.' and '-'")
            .into());
    }
    let controller = &app.controller;
    controller.accept(&report)?;
    controller.step().await;
    let is_hurried = controller.with(|_, observed, now| {
        let mut since = observed.shards.values().filter_map(|shard| shard.masterless_since);
        since.any(|since| now.ms_since(since) < HURRY_MS)
    })?;
    let pause = if is_hurried { PARK_HURRIED } else { PARK };
    park(app.controller.consensus.watch(), report.revision, pause).await;
    let leases = controller.grant_leases(&host).await;
    // Orders are made by the leader only, so that an agent never hears of a state that was left behind.
    let (revision, nodes) =
        controller.with(|state, _, _| (state.revision, orders(state, &host)))?;
    Ok(Json(HostOrders {
        revision,
        cluster: app.cluster,
        secret: app.secret.to_string(),
        nodes,
        leases,
    }))
}

/// Returns when the state is another than that of `revision`, or after a while.
async fn park(mut state: watch::Receiver<Arc<DesiredState>>, revision: u64, pause: Duration) {
    let news = async { state.wait_for(|state| state.revision != revision).await.is_ok() };
    // Whether news came, the time is up or the server stops: the answer is made of what is known then.
    drop(tokio::time::timeout(pause, news).await);
}

fn is_host_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    (1..=HOST_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal)
}
