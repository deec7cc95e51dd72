// BullMQ against the server at REDIS_URL: jobs, retries, delays, priorities, flows, rate limits, events, pausing.
// Nearly all that BullMQ does is Lua; its workers wait in BZPOPMIN and its events are a stream.
//
// usage: REDIS_URL=redis://127.0.0.1:6379/0 node bullmq.mjs

import assert from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';

const url = new URL(process.env.REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), db: Number(url.pathname.slice(1) || 0), maxRetriesPerRequest: null };
const began = Date.now();

const queue = new Queue('pollux', { connection });
const events = new QueueEvents('pollux', { connection });
await events.waitUntilReady();
const runs = new Map();
const worker = new Worker(
  'pollux',
  async (job) => {
    if (job.data.failsFirst && job.attemptsMade === 0) throw new Error('the first try of this job fails');
    await job.updateProgress(50);
    runs.set(job.data.number, (runs.get(job.data.number) ?? 0) + 1);
    return job.data.number * job.data.number;
  },
  { connection, concurrency: 8 },
);

const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, number) => ({ name: 'note', data: { number } })));
jobs.push(await queue.add('retried', { number: 100, failsFirst: true }, { attempts: 3, backoff: { type: 'fixed', delay: 10 } }));
jobs.push(await queue.add('delayed', { number: 101 }, { delay: 500 }));
jobs.push(await queue.add('urgent', { number: 102 }, { priority: 1 }));
for (const [number, job] of jobs.entries()) {
  assert.equal(await job.waitUntilFinished(events, 60_000), number * number);
}
assert.equal(runs.size, 103);
assert.ok([...runs.values()].every((count) => count === 1));

await queue.pause();
const waiting = await queue.add('paused', { number: 103 });
assert.equal(await queue.isPaused(), true);
// Releases of BullMQ differ in where a job waits meanwhile.
const held = await queue.getJobCounts('paused', 'waiting', 'prioritized');
assert.equal(Object.values(held).reduce((sum, count) => sum + count, 0), 1);
await queue.resume();
assert.equal(await waiting.waitUntilFinished(events, 60_000), 103 * 103);

const flow = new FlowProducer({ connection });
const parents = new Queue('parents', { connection });
const parentEvents = new QueueEvents('parents', { connection });
await parentEvents.waitUntilReady();
const parentWorker = new Worker(
  'parents',
  async (job) => Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0),
  { connection },
);
const tree = await flow.add({
  name: 'sum',
  queueName: 'parents',
  children: [200, 201, 202].map((number) => ({ name: 'part', queueName: 'pollux', data: { number } })),
});
assert.equal(await tree.job.waitUntilFinished(parentEvents, 60_000), 200 ** 2 + 201 ** 2 + 202 ** 2);

await queue.upsertJobScheduler('every', { every: 200, limit: 3 }, { name: 'scheduled', data: { number: 300 } });
while ((runs.get(300) ?? 0) < 3) await new Promise((resolve) => worker.once('completed', resolve));

const counts = await queue.getJobCounts('completed', 'failed', 'active', 'waiting', 'delayed');
assert.equal(counts.failed, 0);
assert.equal(counts.active + counts.waiting, 0);
assert.ok(counts.completed >= 109, JSON.stringify(counts));
await queue.obliterate({ force: true });
assert.equal((await queue.getJobCounts('completed')).completed, 0);
await Promise.all([worker.close(), parentWorker.close()]);
await Promise.all([events.close(), parentEvents.close(), queue.close(), parents.close(), flow.close()]);
console.log(`bullmq: ${counts.completed} jobs in ${((Date.now() - began) / 1000).toFixed(1)} s`);
