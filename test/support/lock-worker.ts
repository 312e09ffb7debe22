/** Adds to a plain word under a lock, as often as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import { acquireLock, releaseLock } from '../../src/machine/locks.ts';

const { words, times, lock, counter } = workerData as {
  words: Int32Array;
  times: number;
  lock: number;
  counter: number;
};

// All begin together: the first thread would otherwise be done before the second has loaded.
Atomics.add(words, 2, 1);
Atomics.notify(words, 2);
for (let n = Atomics.load(words, 2); n < 2; n = Atomics.load(words, 2)) Atomics.wait(words, 2, n, 1000);

for (let i = 0; i < times; i++) {
  acquireLock(words, lock);
  words[counter] = words[counter] + 1;
  releaseLock(words, lock);
}
parentPort?.postMessage('done');
