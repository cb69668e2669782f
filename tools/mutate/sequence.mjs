// Jest's order of test files: those that killed most mutants first, so that the first failure comes soon.

import Sequencer from "@jest/test-sequencer";

const order = JSON.parse(process.env.TESSERA_MUTATE_ORDER ?? "[]");

export default class extends Sequencer {
  sort(tests) {
    const placeOf = ({ path }) => {
      const place = order.indexOf(path);
      return place === -1 ? order.length : place;
    };
    return tests.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}
