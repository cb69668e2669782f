export { readChatTemplate, type ChatMessage, type ChatTemplate } from "./server/chat_template.js";
export {
  createTextServer,
  type ServerLimits,
  type TextServer,
  type TextServerOptions,
} from "./server/text_server.js";
export type { Access } from "./server/access.js";
export type { ExchangeRecord } from "./server/exchange.js";
export type { Limits } from "./server/parameters.js";
export type { ServedModel } from "./server/served.js";
