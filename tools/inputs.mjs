// What Nx hashes before it runs a target again or takes its result from the cache, of every project, as JSON:
// the files, and the tasks that it runs before. In one process, for each `nx show target` takes a second.

import { createProjectGraphAsync } from "nx/src/devkit-exports.js";
import { HashPlanInspector } from "nx/src/hasher/hash-plan-inspector.js";

const graph = await createProjectGraphAsync({ exitOnError: true });
const inspector = new HashPlanInspector(graph);
await inspector.init();

/**
 * @param {string} project
 * @param {string} target
 */
const inputsOf = (project, target) => {
  const tasks = inspector.inspectTaskInputs({ project, target });
  const { files = [], depOutputs = [] } = tasks[`${project}:${target}`] ?? {};
  return [target, { files: [...files, ...depOutputs], tasks: Object.keys(tasks) }];
};
const projects = Object.entries(graph.nodes).map(([name, { data }]) => {
  const cached = Object.entries(data.targets ?? {}).filter(([, { cache }]) => cache);
  const inputs = Object.fromEntries(cached.map(([target]) => inputsOf(name, target)));
  return { name, root: data.root, inputs };
});
process.stdout.write(JSON.stringify(projects));
