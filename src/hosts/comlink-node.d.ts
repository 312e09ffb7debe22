/** comlink ships this file without types. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { MessagePort, Worker } from 'node:worker_threads';
  import type { Endpoint } from 'comlink';
  /** Makes a thread's port look like the browser's. */
  export default function nodeEndpoint(port: MessagePort | Worker): Endpoint;
}
