// GET /v1/models and /v1/models/ID; and which model a request means.

import type { Exchange } from "./exchange.js";
import { HttpError } from "./http_error.js";
import type { Served, ServedModel } from "./served.js";

/**
 * Whether `name` means the model: its name or an alias, or the beginning of one, as a short form of it.
 */
const isNamed = ({ model, aliases = [] }: ServedModel, name: string): boolean =>
  name !== "" && [model, ...aliases].some((one) => one.startsWith(name));

const notFound = (name: string): HttpError =>
  new HttpError(404, `the model ${JSON.stringify(name.slice(0, 200))} is not served`, {
    param: "model",
    code: "model_not_found",
  });

/** @throws HttpError where a request means another model than is served. */
export function checkModel(served: ServedModel, name: string | null | undefined): void {
  if (name != null && !isNamed(served, name)) throw notFound(name);
}

const recordOf = ({ created, engine }: Served, id: string) => ({
  id,
  object: "model",
  created,
  owned_by: "tessera",
  max_model_len: engine.maxPositions, // as vLLM says it
});

export function listModels(served: Served, exchange: Exchange): void {
  const data = [served.model, ...(served.aliases ?? [])].map((id) => recordOf(served, id));
  exchange.sendJson(200, { object: "list", data });
}

export function retrieveModel(served: Served, exchange: Exchange, id: string): void {
  if (![served.model, ...(served.aliases ?? [])].includes(id)) throw notFound(id);
  exchange.sendJson(200, recordOf(served, id));
}
