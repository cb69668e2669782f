// Connections: their requests are answered one after the other, in order, also where a client sends the next before it
// has the answer (pipelining); and where there are too many, those that ask for nothing make room.

import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Exchange } from "./exchange.js";

/** Exchanges of one connection that may wait for those before them; a client that sends more is cut off. */
const MAX_PIPELINED = 256;
/** Exchanges of all connections together, above which a connection may have `FEW_PIPELINED`. */
const MAX_EXCHANGES = 8192;
const FEW_PIPELINED = 8;

export interface Connections {
  readonly count: number;
  /** Exchanges that are not over. */
  readonly exchanges: Iterable<Exchange>;
  /** Whether a client waits for an answer to what it has sent in whole: a refusal would be taken for that. */
  isAsking(socket: Duplex): boolean;
  /** Calls `act` once the connection's earlier exchanges are over. Cuts off a client that has too many. */
  queue(exchange: Exchange, act: () => Promise<void>): void;
}

interface Connection {
  readonly exchanges: Set<Exchange>;
  /** Resolves once all exchanges so far are over. */
  turn: Promise<void>;
  /** Whether a request has come, ever. */
  hasAsked: boolean;
  /** When the last exchange was over, or the connection was opened. */
  idleSince: number;
}

/** The connections of `server`, of which there may be `max`. `report` is told of failures that are not a client's. */
export function watchConnections(
  server: Server,
  max: number,
  report: (error: unknown) => void,
): Connections {
  const connections = new Map<Duplex, Connection>();
  let pending = 0;

  server.on("connection", (socket: Socket) => {
    if (connections.size >= max) {
      const closed = findIdle(connections) ?? socket;
      closed.destroy();
      connections.delete(closed); // it is so later by itself, but more connections may come before
    }
    if (!socket.destroyed) watchConnection(connections, socket);
  });

  return {
    get count() {
      return connections.size;
    },
    get exchanges() {
      return [...connections.values()].flatMap(({ exchanges }) => [...exchanges]);
    },
    isAsking(socket) {
      const [first, ...others] = connections.get(socket)?.exchanges ?? [];
      return first !== undefined && (first.request.complete || first.hasBegun || others.length > 0);
    },
    queue(exchange, act) {
      const { socket } = exchange.request;
      const connection = connections.get(socket);
      const limit = pending < MAX_EXCHANGES ? MAX_PIPELINED : FEW_PIPELINED;
      if (connection === undefined || connection.exchanges.size >= limit) {
        exchange.leave();
        socket.destroy();
        return;
      }
      pending += 1;
      connection.hasAsked = true;
      connection.exchanges.add(exchange);
      const take = async (): Promise<void> => {
        if (!exchange.signal.aborted) await act();
        await exchange.over;
      };
      connection.turn = connection.turn
        .then(take)
        .catch((error: unknown) => {
          report(error);
          socket.destroy();
        })
        .finally(() => {
          connection.exchanges.delete(exchange);
          connection.idleSince = performance.now();
          pending -= 1;
        });
    },
  };
}

/** Adds a connection until it is closed. Its exchanges end with it. */
function watchConnection(connections: Map<Duplex, Connection>, socket: Socket): void {
  const connection: Connection = {
    exchanges: new Set(),
    turn: Promise.resolve(),
    hasAsked: false,
    idleSince: performance.now(),
  };
  connections.set(socket, connection);
  const leave = (): void => {
    for (const exchange of connection.exchanges) exchange.leave();
  };
  socket.on("end", leave);
  socket.on("close", () => {
    connections.delete(socket);
    leave();
  });
}

/**
 * A connection to close: of those that never asked for anything, or else have only begun to ask, or else are idle, the
 * one that is so for longest.
 */
function findIdle(connections: ReadonlyMap<Duplex, Connection>): Duplex | undefined {
  const ranked = [...connections].map(([socket, connection]) => ({
    socket,
    rank: rankOf(connection),
    since: connection.idleSince,
  }));
  const [first] = ranked
    .filter(({ rank }) => rank < BUSY)
    .sort((a, b) => a.rank - b.rank || a.since - b.since);
  return first?.socket;
}

const BUSY = 3;

function rankOf({ exchanges, hasAsked }: Connection): number {
  if (!hasAsked) return 0;
  if (exchanges.size === 0) return 2;
  return [...exchanges].every(({ request }) => !request.complete) ? 1 : BUSY;
}
