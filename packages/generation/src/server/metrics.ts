// Figures for Prometheus.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Exchange, ExchangeRecord } from "./exchange.js";

/** What gauges read when they are asked. */
export interface Gauges {
  readonly running: () => number;
  readonly waiting: () => number;
  readonly connections: () => number;
  readonly memory: () => number;
}

export interface Metrics {
  readonly contentType: string;
  /** All figures in Prometheus's text format. */
  format(): Promise<string>;
  /** An exchange is over; `route` is the pattern of its path. */
  observe(route: string, record: ExchangeRecord): void;
  observeFirstToken(exchange: Exchange): void;
  countTokens(usage: { readonly prompt_tokens: number; readonly completion_tokens: number }): void;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export function createMetrics(gauges: Gauges): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: "tessera_http_requests_total",
    help: "Requests that are over.",
    labelNames: ["route", "method", "status"],
    registers,
  });
  const cut = new Counter({
    name: "tessera_http_requests_cut_total",
    help: "Requests whose client left before the answer was whole.",
    registers,
  });
  const duration = new Histogram({
    name: "tessera_http_request_seconds",
    help: "Seconds from a request to the end of its answer.",
    labelNames: ["route"],
    buckets: SECONDS,
    registers,
  });
  const firstToken = new Histogram({
    name: "tessera_first_token_seconds",
    help: "Seconds from a request to the first piece of a text.",
    buckets: SECONDS,
    registers,
  });
  const [prompt, completion] = ["prompt", "completion"].map(
    (kind) =>
      new Counter({
        name: `tessera_${kind}_tokens_total`,
        help: `Tokens of ${kind === "prompt" ? "prompts" : "texts"} that were answered.`,
        registers,
      }),
  );
  createGauges(registry, gauges);
  return {
    contentType: registry.contentType,
    format: () => registry.metrics(),
    observe(route, { method, status, seconds, isCut }) {
      requests.inc({ route, method, status });
      duration.observe({ route }, seconds);
      if (isCut) cut.inc();
    },
    observeFirstToken: (exchange) => firstToken.observe(exchange.record.seconds),
    countTokens(usage) {
      prompt!.inc(usage.prompt_tokens);
      completion!.inc(usage.completion_tokens);
    },
  };
}

function createGauges(registry: Registry, gauges: Gauges): void {
  const create = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  create("tessera_texts_running", "Texts that are being written.", gauges.running);
  create("tessera_texts_waiting", "Texts that wait for a row.", gauges.waiting);
  create("tessera_connections", "Open connections.", gauges.connections);
  create("tessera_client_memory_bytes", "Memory that requests and answers hold.", gauges.memory);
}
