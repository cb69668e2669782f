// The full series of programs that are killed at work.

import { testKilled } from "./programs/killed.js";

testKilled(500, 3);
