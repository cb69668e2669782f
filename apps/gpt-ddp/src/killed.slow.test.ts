// Many programs that are killed at work.

import { testKilled } from "./programs/killed.js";

testKilled(100, 2);
