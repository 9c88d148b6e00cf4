/** Workers that run the verifier, each one request at a time. */

export class Pool {
  constructor(size) {
    this.idle = [];
    this.waiting = [];
    this.workers = new Set();
    this.size = size;
  }

  /** The worker's answer to a request; {unread: reason} where it could not run. Never rejects. */
  run(request) {
    return new Promise((resolve) => {
      this.waiting.push({ request, resolve });
      this.next();
    });
  }

  next() {
    if (!this.waiting.length) return;
    if (!this.idle.length && this.workers.size < this.size) this.start();
    if (!this.idle.length) return;
    const worker = this.idle.pop();
    worker.job = this.waiting.shift();
    worker.port.postMessage({ id: 1, request: worker.job.request });
  }

  start() {
    const worker = { port: new Worker("worker.js", { type: "module" }), job: null };
    const finish = (result, broken) => {
      const job = worker.job;
      worker.job = null;
      if (broken) {
        worker.port.terminate();
        this.workers.delete(worker);
        this.idle = this.idle.filter((other) => other !== worker);
      } else {
        this.idle.push(worker);
      }
      if (job) job.resolve(result);
      this.next();
    };
    worker.port.onmessage = (event) => finish(event.data.result, false);
    worker.port.onerror = (event) => finish({ unread: `the verifier did not run: ${event.message || "its script could not be loaded"}` }, true);
    this.workers.add(worker);
    this.idle.push(worker);
  }

  stop() {
    for (const worker of this.workers) {
      worker.port.terminate();
      if (worker.job) worker.job.resolve({ unread: "stopped" });
    }
    for (const job of this.waiting) job.resolve({ unread: "stopped" });
    this.workers.clear();
    this.idle = [];
    this.waiting = [];
  }
}
